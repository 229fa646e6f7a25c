"""Who of the staff looks at a session, and where a person steps in."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the log is written to while the index is made

    dependencies = [
        ("sessions_app", "0012_inbox"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Onlooker",
            fields=[
                ("connection_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                (
                    "seen_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True),
                ),
            ],
            options={
                "db_table": "session_onlookers",
            },
        ),
        migrations.AddField(
            model_name="onlooker",
            name="session",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="sessions_app.session"
            ),
        ),
        migrations.AddField(
            model_name="onlooker",
            name="staff",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        AddIndexConcurrently(
            model_name="sessionevent",
            index=models.Index(
                condition=models.Q(("event_type__in", ("operator_took_over", "operator_handed_back"))),
                fields=["session", "-seq"],
                name="session_events_stepped",
            ),
        ),
    ]
