"""The guest's cookie: a signed random id, so that a visitor who is not signed in keeps their sessions."""

import re
import secrets

from django.core import signing

GUEST_COOKIE = "guest_id"
MAX_AGE_S = 365 * 24 * 3600

_signer = signing.TimestampSigner
_SALT = "chat.guest_cookie"
_GUEST_ID = re.compile(r"[0-9a-f]{32}")


def issue_guest_id() -> str:
    """A new guest's id: 128 random bits as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def sign_guest_id(guest_id: str) -> str:
    """The cookie's value for a guest, good for `MAX_AGE_S`."""
    return _signer(salt=_SALT).sign(guest_id)


def read_guest_cookie(value: str | None) -> str | None:
    """The guest's id; None where there is no cookie, or one that is forged, malformed or too old."""
    if not value:
        return None
    try:
        guest_id = _signer(salt=_SALT).unsign(value, max_age=MAX_AGE_S)
    except signing.BadSignature:
        return None
    return guest_id if _GUEST_ID.fullmatch(guest_id) else None
