"""What came of each of the last tries of a delivery."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("sessions_app", "0027_counted_in_the_index"),)

    operations = (
        migrations.AddField(
            "webhookdelivery",
            "attempts",
            models.JSONField(db_default=models.Value([], models.JSONField()), default=list),
        ),
    )
