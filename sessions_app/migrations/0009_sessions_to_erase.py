"""The nightly retention finds the sessions that ended long ago."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # sessions are written to while the index is made

    dependencies = (("sessions_app", "0008_forgetting"),)

    operations = (
        AddIndexConcurrently(
            "session",
            models.Index(
                condition=models.Q(("erased_at__isnull", True), ("status", "ended")),
                fields=["end_time"],
                name="sessions_to_erase",
            ),
        ),
    )
