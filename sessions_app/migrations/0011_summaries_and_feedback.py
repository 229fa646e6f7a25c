"""What the summary says happened, and what users think of their answers: columns, and the indexes of the admin's filters."""

import django.contrib.postgres.fields
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.fields.json import KT

OUTCOMES = [("resolved", "Resolved"), ("unresolved", "Unresolved"), ("abandoned", "Abandoned")]
SENTIMENTS = [("positive", "Positive"), ("neutral", "Neutral"), ("negative", "Negative")]


class Migration(migrations.Migration):
    atomic = False  # the log is written to while the indexes are made

    dependencies = (("sessions_app", "0010_desk"),)

    operations = (
        migrations.AlterModelOptions(
            name="session",
            options={
                "ordering": ("-start_time", "-session_id"),
                "permissions": (
                    ("erase_session", "Can erase what was said in a session"),
                    ("review_session", "Can review a session"),
                    ("operate_session", "Can step into a session"),
                ),
            },
        ),
        *(
            migrations.AddField("session", name, field)
            for name, field in (
                (
                    "topics",
                    django.contrib.postgres.fields.ArrayField(
                        models.TextField(), default=list, db_default=models.Value([]), blank=True
                    ),
                ),
                ("intent", models.TextField(blank=True, default="", db_default="")),
                (
                    "outcome",
                    models.CharField(max_length=16, choices=OUTCOMES, blank=True, default="", db_default=""),
                ),
                (
                    "sentiment",
                    models.CharField(
                        max_length=16, choices=SENTIMENTS, blank=True, default="", db_default=""
                    ),
                ),
                ("language", models.CharField(max_length=16, blank=True, default="", db_default="")),
                ("quality", models.SmallIntegerField(null=True, blank=True)),
                ("feedback_up", models.IntegerField(default=0, db_default=0)),
                ("feedback_down", models.IntegerField(default=0, db_default=0)),
            )
        ),
        *(
            AddIndexConcurrently("session", index)
            for index in (
                models.Index(
                    fields=["-start_time"],
                    condition=models.Q(feedback_down__gt=0),
                    name="sessions_rated_bad",
                ),
                models.Index(
                    fields=["-start_time"],
                    condition=models.Q(feedback_up__gt=0),
                    name="sessions_rated_good",
                ),
                models.Index(
                    fields=["outcome", "-start_time"],
                    condition=~models.Q(outcome=""),
                    name="sessions_by_outcome",
                ),
                models.Index(
                    fields=["sentiment", "-start_time"],
                    condition=~models.Q(sentiment=""),
                    name="sessions_by_sentiment",
                ),
            )
        ),
        AddIndexConcurrently(
            "sessionevent",
            models.Index(
                fields=["session", "-seq"],
                condition=models.Q(event_type="summary_written"),
                name="session_events_summaries",
            ),
        ),
        AddIndexConcurrently(
            "sessionevent",
            models.Index(
                models.F("session"),
                KT("payload__item_id"),
                condition=models.Q(event_type="feedback_given"),
                name="session_events_feedback",
            ),
        ),
    )
