"""Assistants with their versions, and whom a session was begun with."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # sessions are written to while the index is made

    dependencies = [("sessions_app", "0014_done_settles")]

    operations = [
        migrations.CreateModel(
            name="Assistant",
            fields=[
                ("slug", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("live", models.PositiveIntegerField(db_default=0, default=0)),
                ("active", models.BooleanField(db_default=True, default=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={"db_table": "assistants", "ordering": ("slug",)},
        ),
        migrations.CreateModel(
            name="AssistantVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("settings", models.JSONField()),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("made_by", models.CharField(max_length=150)),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                ("published_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                (
                    "assistant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="sessions_app.assistant",
                    ),
                ),
            ],
            options={"db_table": "assistant_versions", "ordering": ("assistant", "-number")},
        ),
        migrations.AddConstraint(
            model_name="assistantversion",
            constraint=models.UniqueConstraint(
                fields=("assistant", "number"), name="assistant_versions_once"
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="assistant",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        AddIndexConcurrently(
            model_name="session",
            index=models.Index(
                condition=models.Q(("assistant", ""), _negated=True),
                fields=["assistant", "-start_time"],
                name="sessions_of_assistant",
            ),
        ),
    ]
