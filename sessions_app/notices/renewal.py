"""A webhook's new secret: for a day messages are signed with the old one as well, so that a receiver loses none while it changes."""

from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from sessions_app.models import Webhook
from sessions_app.notices.secrets import key_of, new_secret, sealed

OLD_WORKS = timedelta(hours=24)


def renew(webhook: Webhook) -> str:
    """Give it a new secret, and keep the one that it had for a day; its row is written. The secret, to be shown once."""
    secret = new_secret()
    webhook.old_secret, webhook.old_until = webhook.secret, timezone.now() + OLD_WORKS
    webhook.secret = sealed(secret)
    webhook.save(update_fields=["secret", "old_secret", "old_until"])
    return secret


def keys_of(webhook: Webhook) -> list[bytes]:
    """What its messages are signed with now, the newest first; empty where its secret cannot be read any more."""
    newest = key_of(webhook.secret)
    if newest is None:
        return []
    still = webhook.old_until is not None and webhook.old_until > timezone.now()
    old = key_of(webhook.old_secret) if still else None
    return [newest] if old is None else [newest, old]


def forget_old_secrets() -> None:
    Webhook.objects.filter(old_until__lte=Now()).update(old_secret="", old_until=None)
