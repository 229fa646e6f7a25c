"""A message is found by the words of its beginning: a tsvector holds 1 MB, and an answer with more words than that was refused
by the index, and its session with it."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.contrib.postgres.search import SearchVector
from django.db import migrations, models
from django.db.models.functions import Left

_WORDS = GinIndex(
    SearchVector(Left("content", 100_000), config="simple"),
    name="session_events_words",
    condition=models.Q(event_type__in=("user_message", "assistant_message")),
)


class Migration(migrations.Migration):
    atomic = False  # the log is written to while the index is made

    dependencies = (("sessions_app", "0030_webhook_health"),)

    operations = (
        AddIndexConcurrently("sessionevent", _WORDS),
        RemoveIndexConcurrently("sessionevent", "session_events_text"),
    )
