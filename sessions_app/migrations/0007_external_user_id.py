"""Whom a shop's session was with, by the shop's own name for them."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # sessions are written to while the index is made

    dependencies = (("sessions_app", "0005_results_by_item"),)

    operations = (
        migrations.AddField(
            "session",
            "external_user_id",
            models.CharField(blank=True, db_default="", default="", max_length=128),
        ),
        AddIndexConcurrently(
            "session",
            models.Index(
                fields=("user", "external_user_id", "-start_time"),
                condition=models.Q(("external_user_id", ""), _negated=True),
                name="sessions_of_external_user",
            ),
        ),
    )
