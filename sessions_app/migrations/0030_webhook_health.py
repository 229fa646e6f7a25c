"""How a webhook does, its secret of before, and how often a message was tried in all."""

from django.db import migrations, models

STATES = (
    ("waiting", "waiting"),
    ("delivered", "delivered"),
    ("failed", "failed"),
    ("replaced", "told by the next one"),
)


class Migration(migrations.Migration):
    dependencies = (("sessions_app", "0029_who_is_waited_for"),)

    operations = (
        migrations.AddField(
            "webhook", "old_secret", models.TextField(blank=True, db_default="", default="", editable=False)
        ),
        migrations.AddField(
            "webhook", "old_until", models.DateTimeField(blank=True, editable=False, null=True)
        ),
        migrations.AddField(
            "webhook", "failing_since", models.DateTimeField(blank=True, editable=False, null=True)
        ),
        migrations.AddField("webhookdelivery", "tries_before", models.IntegerField(db_default=0, default=0)),
        migrations.AlterField(
            "webhookdelivery",
            "state",
            models.CharField(choices=STATES, db_default="waiting", default="waiting", max_length=16),
        ),
    )
