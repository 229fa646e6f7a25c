"""A response, an item and an HTTP request that comes again are found without their session's id."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.fields.json import KT


class Migration(migrations.Migration):
    atomic = False  # the log is written to while the indexes are made

    dependencies = (("sessions_app", "0018_session_files"),)

    operations = (
        AddIndexConcurrently(
            "sessionevent",
            models.Index(
                KT("payload__item_id"),
                models.F("session"),
                condition=models.Q(
                    event_type__in=(
                        "user_message",
                        "operator_message",
                        "assistant_message",
                        "tool_call",
                        "tool_approval_requested",
                        "tool_approval",
                        "item_deleted",
                    )
                ),
                name="session_events_by_item",
            ),
        ),
        RemoveIndexConcurrently("sessionevent", "session_events_items"),
        AddIndexConcurrently(
            "sessionevent",
            models.Index(
                KT("payload__response_id"),
                condition=models.Q(event_type__in=("response_queued", "response_started")),
                name="session_events_responses",
            ),
        ),
        AddIndexConcurrently(
            "sessionevent",
            models.Index(
                KT("payload__request_key"),
                condition=models.Q(payload__has_key="request_key"),
                name="session_events_requests",
            ),
        ),
    )
