"""A customer waits for the member of staff who has taken their conversation over; and the history of a review tells of that."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("sessions_app", "0028_delivery_attempts"),)

    operations = (
        migrations.AlterField(
            "inboxitem",
            "kind",
            models.CharField(
                choices=[
                    ("customer", "waiting customer"),
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
        migrations.AlterField(
            "inboxitem",
            "settled_how",
            models.CharField(
                blank=True,
                choices=[
                    ("log", "decided, answered, tried again or taken back"),
                    ("dismissed", "dismissed"),
                    ("reviewed", "done with its session"),
                ],
                db_default="",
                default="",
                max_length=16,
            ),
        ),
        migrations.AddField(
            "inboxitem",
            "waits_for",
            models.CharField(blank=True, db_default="", default="", max_length=150),
        ),
        migrations.AlterField(
            "reviewevent",
            "act",
            models.CharField(
                choices=[
                    ("state", "set the state"),
                    ("assigned", "assigned"),
                    ("tagged", "added a tag"),
                    ("untagged", "took a tag away"),
                    ("scored", "scored"),
                    ("noted", "wrote a note"),
                    ("taken", "took it from the queue"),
                    ("skipped", "skipped it"),
                    ("given_back", "was away too long: back into the queue"),
                    ("took_over", "took the conversation over"),
                    ("handed_back", "handed the conversation back"),
                ],
                max_length=16,
            ),
        ),
    )
