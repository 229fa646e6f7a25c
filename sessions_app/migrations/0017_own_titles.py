"""What users call their sessions, and which ones they keep at the top."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0016_assistants")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="named",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="session",
            name="pinned",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
