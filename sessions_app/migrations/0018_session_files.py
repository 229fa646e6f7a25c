"""Pictures and files of conversations: a row for each; the bytes are in a storage."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0017_own_titles"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="StoredFile",
            fields=[
                ("file_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("guest_id", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("external_user_id", models.CharField(blank=True, db_default="", default="", max_length=128)),
                ("session_id", models.CharField(blank=True, db_default="", default="", max_length=128)),
                ("name", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("media_type", models.CharField(max_length=64)),
                ("size", models.BigIntegerField()),
                ("width", models.IntegerField(db_default=0, default=0)),
                ("height", models.IntegerField(db_default=0, default=0)),
                ("pages", models.IntegerField(db_default=0, default=0)),
                ("sha256", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("key", models.CharField(max_length=128)),
                ("stored", models.BooleanField(db_default=False, default=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("gone_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "file",
                "db_table": "session_files",
                "ordering": ("created_at", "file_id"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("session_id", ""), _negated=True),
                        fields=["session_id"],
                        name="files_of_session",
                    ),
                    models.Index(
                        condition=models.Q(("session_id", "")), fields=["created_at"], name="files_unused"
                    ),
                    models.Index(
                        condition=models.Q(("session_id", "")), fields=["user"], name="files_unused_of_user"
                    ),
                    models.Index(
                        condition=models.Q(("session_id", ""), models.Q(("guest_id", ""), _negated=True)),
                        fields=["guest_id"],
                        name="files_unused_of_guest",
                    ),
                    models.Index(
                        condition=models.Q(("gone_at__isnull", False)), fields=["gone_at"], name="files_gone"
                    ),
                ],
            },
        ),
    ]
