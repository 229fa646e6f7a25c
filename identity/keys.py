"""API keys and the short-lived secrets that are made with them: made, found by what a client shows, revoked.

Of a key the database has its beginning, to find it by, and a digest of the whole, to compare.
"""

import re
import secrets
import string
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from identity.models import ApiKey, ClientSecret, Scope

KEY = "rta_"
SECRET = "ek_"  # noqa: S105 - how it begins, as OpenAI's do
_PREFIX_CHARS = 8
_SHAPE = re.compile(rf"((?:{KEY}|{SECRET})[a-z0-9]{{{_PREFIX_CHARS}}})_[A-Za-z0-9_-]{{43}}")
_NOTED_EVERY = timedelta(minutes=1)

MOST_DAYS = 3650
"""Of a key."""
LEAST_SECRET_S, MOST_SECRET_S = 10, 7200
DEFAULT_SECRET_S = 600
"""The vendor's own bounds and default."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """``value``: the key or secret itself, shown this once."""

    row: Any
    value: str


def _new(kind: str) -> tuple[str, str]:
    """A value's beginning, and the value: all its characters may stand in an HTTP token, as a subprotocol wants it."""
    prefix = kind + "".join(
        secrets.choice(string.ascii_lowercase + string.digits) for _ in range(_PREFIX_CHARS)
    )
    return prefix, f"{prefix}_{secrets.token_urlsafe(32)}"


def digest_of(value: str) -> str:
    return sha256(value.encode()).hexdigest()


def prefix_of(value: str, kind: str) -> str | None:
    """None for what cannot be one of that kind."""
    found = _SHAPE.fullmatch(value) if value.startswith(kind) else None
    return found[1] if found else None


def make_key(*, user: Any, label: str, scope: Scope = Scope.CHAT, days: float | None = None) -> Made:
    expires_at = timezone.now() + timedelta(days=days) if days else None
    prefix, value = _new(KEY)
    row = ApiKey.objects.create(
        prefix=prefix, digest=digest_of(value), label=label, user=user, scope=scope, expires_at=expires_at
    )
    return Made(row=row, value=value)


def valid_keys(at: str = "") -> Q:
    """The filter for keys that let in now; ``at``: where they stand from the model asked for, such as ``key__``."""
    alive = Q(**{f"{at}expires_at__isnull": True}) | Q(**{f"{at}expires_at__gt": Now()})
    return alive & Q(**{f"{at}revoked_at__isnull": True, f"{at}user__is_active": True})


def find_key(value: str) -> ApiKey | None:
    """The key with its user, when it lets in now; its use is noted."""
    prefix = prefix_of(value, KEY)
    row = (
        ApiKey.objects.select_related("user").filter(valid_keys(), prefix=prefix).first() if prefix else None
    )
    if row is None or not secrets.compare_digest(row.digest, digest_of(value)):
        return None
    _note_use(row)
    return row


def _note_use(row: ApiKey) -> None:
    """Once a minute at most: a busy key must not write a row with every handshake."""
    if row.last_used_at is None or row.last_used_at < timezone.now() - _NOTED_EVERY:
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=Now())


def revoke_key(row: ApiKey) -> None:
    """What was made with it ends as well. Saved one by one, so that `identity.ends` hears of it."""
    if row.revoked_at is None:
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at"])


def make_secret(*, key: ApiKey, external_user_id: str, seconds: int, session: dict[str, Any]) -> Made:
    """A secret of the key's; it ends with the key, if not before."""
    expires_at = timezone.now() + timedelta(seconds=seconds)
    if key.expires_at is not None:
        expires_at = min(expires_at, key.expires_at)
    prefix, value = _new(SECRET)
    row = ClientSecret.objects.create(
        prefix=prefix,
        digest=digest_of(value),
        key=key,
        external_user_id=external_user_id,
        session=session,
        expires_at=expires_at,
    )
    _long_ended().filter(key=key).delete()
    return Made(row=row, value=value)


def forget_secrets() -> int:
    """Delete those that ended a day ago, with the shop's names and instructions that are in them; how many."""
    return _long_ended().delete()[0]


def _long_ended() -> QuerySet[ClientSecret]:
    return ClientSecret.objects.filter(expires_at__lt=timezone.now() - timedelta(days=1))


def find_secret(value: str) -> ClientSecret | None:
    """The secret with its key and user, when it lets in now."""
    prefix = prefix_of(value, SECRET)
    if prefix is None:
        return None
    alive = ClientSecret.objects.filter(valid_keys("key__"), expires_at__gt=Now(), prefix=prefix)
    row = alive.select_related("key__user").first()
    return row if row and secrets.compare_digest(row.digest, digest_of(value)) else None
