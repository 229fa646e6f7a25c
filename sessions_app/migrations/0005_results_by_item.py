"""The result of a tool call is found by the call's item, whatever the session's length."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.fields.json import KT


class Migration(migrations.Migration):
    atomic = False  # the log is written to while the index is made

    dependencies = (("sessions_app", "0004_events_view"),)

    operations = (
        AddIndexConcurrently(
            "sessionevent",
            models.Index(
                models.F("session"),
                KT("payload__item_id"),
                condition=models.Q(event_type="tool_result"),
                name="session_events_results",
            ),
        ),
    )
