"""The session list counts what a filter finds without reading a row: who has said nothing is told by the index."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


def _with_words(name: str, fields: list[str], condition: models.Q) -> tuple[Any, ...]:
    index = models.Index(fields=fields, include=("first_words",), condition=condition, name=name)
    return (RemoveIndexConcurrently("session", name), AddIndexConcurrently("session", index))


class Migration(migrations.Migration):
    atomic = False  # sessions are written to while the indexes are made

    dependencies = (("sessions_app", "0022_failed_tools"),)

    operations = (
        *_with_words("sessions_with_errors", ["-start_time"], models.Q(failed_responses__gt=0)),
        *_with_words("sessions_rated_bad", ["-start_time"], models.Q(feedback_down__gt=0)),
        *_with_words("sessions_rated_good", ["-start_time"], models.Q(feedback_up__gt=0)),
        *_with_words("sessions_by_outcome", ["outcome", "-start_time"], ~models.Q(outcome="")),
        *_with_words("sessions_by_sentiment", ["sentiment", "-start_time"], ~models.Q(sentiment="")),
    )
