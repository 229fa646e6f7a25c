"""What waits for the staff, and who is told of what happens."""

import uuid

import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0011_summaries_and_feedback"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("url", models.CharField(max_length=500, verbose_name="address")),
                (
                    "topics",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("session.ended", "a conversation has ended"),
                                ("summary.written", "a summary was written"),
                                ("summary.failed", "a summary could not be written"),
                                ("approval.requested", "an approval waits"),
                                ("answer.failed", "an answer failed"),
                                ("answer.stopped", "a budget stopped an answer"),
                                ("feedback.given", "a user rated an answer"),
                            ],
                            max_length=32,
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                ("with_words", models.BooleanField(default=False, verbose_name="with words")),
                ("secret", models.TextField(editable=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "webhooks",
                "ordering": ("name", "id"),
            },
        ),
        migrations.CreateModel(
            name="MailSubscription",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "topics",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("session.ended", "a conversation has ended"),
                                ("summary.written", "a summary was written"),
                                ("summary.failed", "a summary could not be written"),
                                ("approval.requested", "an approval waits"),
                                ("answer.failed", "an answer failed"),
                                ("answer.stopped", "a budget stopped an answer"),
                                ("feedback.given", "a user rated an answer"),
                            ],
                            max_length=32,
                        ),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("minutes", models.PositiveSmallIntegerField(default=15)),
                ("sent_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "mail_subscriptions",
            },
        ),
        migrations.CreateModel(
            name="MailNotice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "topic",
                    models.CharField(
                        choices=[
                            ("session.ended", "a conversation has ended"),
                            ("summary.written", "a summary was written"),
                            ("summary.failed", "a summary could not be written"),
                            ("approval.requested", "an approval waits"),
                            ("answer.failed", "an answer failed"),
                            ("answer.stopped", "a budget stopped an answer"),
                            ("feedback.given", "a user rated an answer"),
                        ],
                        max_length=32,
                    ),
                ),
                ("seq", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "session",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="sessions_app.session",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="sessions_app.mailsubscription",
                    ),
                ),
            ],
            options={
                "db_table": "mail_notices",
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="InboxItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("approval", "approval"),
                            ("failed_answer", "failed answer"),
                            ("budget", "stopped by a budget"),
                            ("bad_rating", "bad rating"),
                            ("failed_summary", "failed summary"),
                        ],
                        max_length=16,
                    ),
                ),
                ("ref", models.TextField()),
                ("response_id", models.TextField(blank=True, db_default="", default="")),
                ("seq", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "settled_how",
                    models.CharField(
                        blank=True,
                        choices=[("log", "decided, tried again or taken back"), ("dismissed", "dismissed")],
                        db_default="",
                        default="",
                        max_length=16,
                    ),
                ),
                ("settled_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                (
                    "agreed",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="sessions_app.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "item of the inbox",
                "db_table": "inbox_items",
                "ordering": ("at", "id"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("settled_at__isnull", True)),
                        fields=["at", "id"],
                        name="inbox_open",
                    ),
                    models.Index(
                        condition=models.Q(("settled_at__isnull", True)),
                        fields=["kind", "at", "id"],
                        name="inbox_open_kinds",
                    ),
                    models.Index(
                        condition=models.Q(("settled_at__isnull", False)),
                        fields=["settled_at"],
                        name="inbox_settled",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("session", "kind", "ref"), name="inbox_items_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "message_id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=uuid.uuid4,
                        unique=True,
                    ),
                ),
                (
                    "topic",
                    models.CharField(
                        choices=[
                            ("session.ended", "a conversation has ended"),
                            ("summary.written", "a summary was written"),
                            ("summary.failed", "a summary could not be written"),
                            ("approval.requested", "an approval waits"),
                            ("answer.failed", "an answer failed"),
                            ("answer.stopped", "a budget stopped an answer"),
                            ("feedback.given", "a user rated an answer"),
                        ],
                        max_length=32,
                    ),
                ),
                ("session_id", models.CharField(max_length=128)),
                ("seq", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "waiting"), ("delivered", "delivered"), ("failed", "failed")],
                        db_default="waiting",
                        default="waiting",
                        max_length=16,
                    ),
                ),
                ("tries", models.IntegerField(db_default=0, default=0)),
                ("tried_at", models.DateTimeField(blank=True, null=True)),
                ("status_code", models.IntegerField(blank=True, null=True)),
                ("answer", models.CharField(blank=True, db_default="", default="", max_length=500)),
                (
                    "webhook",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="sessions_app.webhook",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
                "db_table": "webhook_deliveries",
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["webhook", "-id"], name="deliveries_of_webhook"),
                    models.Index(fields=["state", "-id"], name="deliveries_by_state"),
                    models.Index(fields=["at"], name="deliveries_by_age"),
                    models.Index(fields=["session_id"], name="deliveries_of_session"),
                ],
            },
        ),
    ]
