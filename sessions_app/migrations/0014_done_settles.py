"""Whoever is done with a session has settled what waited because of it: another word for why something waits no more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0013_stepping_in")]

    operations = [
        migrations.AlterField(
            model_name="inboxitem",
            name="settled_how",
            field=models.CharField(
                blank=True,
                choices=[
                    ("log", "decided, tried again or taken back"),
                    ("dismissed", "dismissed"),
                    ("reviewed", "done with its session"),
                ],
                db_default="",
                default="",
                max_length=16,
            ),
        ),
    ]
