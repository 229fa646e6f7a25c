"""API keys, the secrets that are made with them, and identities of other issuers."""

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

_USER = settings.AUTH_USER_MODEL


def _id() -> tuple[str, models.Field]:
    return "id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    initial = True

    dependencies = (migrations.swappable_dependency(_USER),)

    operations = (
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                _id(),
                ("prefix", models.CharField(editable=False, max_length=16, unique=True)),
                ("digest", models.CharField(editable=False, max_length=64)),
                ("label", models.CharField(max_length=100)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("chat", "chat: talk, read and stop"),
                            ("read", "read: follow and read, change nothing"),
                            ("admin", "admin: as chat, with its user's rights as staff"),
                        ],
                        default="chat",
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("user", models.ForeignKey(on_delete=models.CASCADE, related_name="api_keys", to=_USER)),
            ],
            options={
                "db_table": "api_keys",
                "ordering": ("-created_at",),
                "verbose_name": "API key",
                "verbose_name_plural": "API keys",
            },
        ),
        migrations.CreateModel(
            name="ClientSecret",
            fields=[
                _id(),
                ("prefix", models.CharField(max_length=16, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("external_user_id", models.CharField(max_length=128)),
                ("session", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=models.CASCADE, related_name="client_secrets", to="identity.apikey"
                    ),
                ),
            ],
            options={"db_table": "client_secrets"},
        ),
        migrations.CreateModel(
            name="ExternalIdentity",
            fields=[
                _id(),
                ("issuer", models.CharField(max_length=255)),
                ("subject", models.CharField(max_length=255)),
                ("email", models.CharField(blank=True, default="", max_length=254)),
                ("is_anonymous", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("last_seen_at", models.DateTimeField(db_default=Now())),
                (
                    "user",
                    models.ForeignKey(on_delete=models.CASCADE, related_name="external_identities", to=_USER),
                ),
            ],
            options={
                "db_table": "external_identities",
                "verbose_name_plural": "external identities",
                "constraints": (
                    models.UniqueConstraint(fields=("issuer", "subject"), name="external_identity_once"),
                ),
            },
        ),
    )
