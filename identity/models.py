"""The tables of who may come in without a cookie: API keys, the short-lived secrets made with them, identities of elsewhere."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

ASSISTANT = "assistant"
"""Beside a client secret's settings."""


class Scope(models.TextChoices):
    """What a key is good for."""

    CHAT = "chat", "chat: talk, read and stop"
    READ = "read", "read: follow and read, change nothing"
    ADMIN = "admin", "admin: as chat, with its user's rights as staff"


class ApiKey(models.Model):
    """A program's key. It acts for its user; the key itself is known to whoever was shown it once, and to nobody here."""

    prefix = models.CharField(max_length=16, unique=True, editable=False)
    """How it begins: enough to tell keys apart, nothing to come in with."""
    digest = models.CharField(max_length=64, editable=False)
    """SHA-256 of the whole key, hexadecimal. A key has 256 random bits: no slow hash is needed."""
    label = models.CharField(max_length=100)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.CHAT)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "api_keys"
        ordering = ("-created_at",)
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.prefix}… {self.label}"


class ClientSecret(models.Model):
    """What a shop's server gives to one user's browser, for minutes: it comes in as that user of the shop's, and no other."""

    prefix = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="client_secrets")
    external_user_id = models.CharField(max_length=128)
    session = models.JSONField(default=dict)
    """Settings of the sessions that are begun with it, as ``session.update`` has them; under `ASSISTANT`, with whom they are."""
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "client_secrets"

    def __str__(self) -> str:
        return f"{self.prefix}… for {self.external_user_id}"


class ExternalIdentity(models.Model):
    """A person as an issuer of access tokens knows them, and the user that they are here. Linked by the subject alone: an
    e-mail address is only what somebody once typed."""

    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="external_identities"
    )
    email = models.CharField(max_length=254, blank=True, default="")
    """As the issuer says, for staff to read."""
    is_anonymous = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "external_identities"
        verbose_name_plural = "external identities"
        constraints = (models.UniqueConstraint(fields=("issuer", "subject"), name="external_identity_once"),)

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"
