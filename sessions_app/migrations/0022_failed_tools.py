"""A tool that failed after a person's yes waits for the staff: another kind of what does. And when a webhook is tried next."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0021_found_without_a_session")]

    operations = [
        migrations.AlterField(
            model_name="inboxitem",
            name="kind",
            field=models.CharField(
                choices=[
                    ("approval", "approval"),
                    ("failed_tool", "failed tool"),
                    ("failed_answer", "failed answer"),
                    ("budget", "stopped by a budget"),
                    ("bad_rating", "bad rating"),
                    ("failed_summary", "failed summary"),
                ],
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="webhookdelivery",
            name="next_try_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
