"""What sessions cost, and the indexes by which a long one is opened without reading it whole."""

from django.db import migrations, models
from django.db.models.fields.json import KT

ITEM_EVENTS = (
    "user_message",
    "operator_message",
    "assistant_message",
    "tool_call",
    "tool_approval_requested",
    "tool_approval",
    "item_deleted",
)
PRICED_EVENTS = ("response_done", "history_compacted", "summary_written")

# Nobody wrote down what these cost: unknown is not zero.
UNPRICED = "UPDATE sessions SET unpriced = responses WHERE responses > 0"


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0002_append_only")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="cost_microusd",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="session",
            name="unpriced",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="sessionevent",
            index=models.Index(
                condition=models.Q(event_type="history_compacted"),
                fields=["session", "-seq"],
                name="session_events_compacted",
            ),
        ),
        migrations.AddIndex(
            model_name="sessionevent",
            index=models.Index(
                models.F("session"),
                KT("payload__item_id"),
                condition=models.Q(event_type__in=ITEM_EVENTS),
                name="session_events_items",
            ),
        ),
        migrations.AddIndex(
            model_name="sessionevent",
            index=models.Index(
                models.F("session"),
                KT("payload__client_event_id"),
                condition=models.Q(payload__has_key="client_event_id"),
                name="session_events_client_ids",
            ),
        ),
        migrations.AddIndex(
            model_name="sessionevent",
            index=models.Index(
                condition=models.Q(event_type__in=PRICED_EVENTS),
                fields=["session", "created_at"],
                name="session_events_priced",
            ),
        ),
        migrations.RunSQL(UNPRICED, migrations.RunSQL.noop),
    ]
