"""What the nameless hold: a guest's cookie, and the secret of a session that is nobody's."""

import re
import secrets

from django.core import signing

from sessions_app.ids import age_s

# The guest's cookie: a signed random id, so that a visitor who is not signed in keeps their sessions.

GUEST_COOKIE = "guest_id"
MAX_AGE_S = 365 * 24 * 3600

_signer = signing.TimestampSigner
_SALT = "chat.guest_cookie"
"""It stands in every cookie that was ever given out: never to be changed, wherever this code moves."""
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


# A session's secret: who holds it was told the session's id by this server, and may enter it while it is nobody's.

_RESUME_SALT = "identity.resume_token"


def resume_token(session_id: str) -> str:
    """URL-safe; the same for a session at any time, so that no row has to keep it."""
    return signing.Signer(salt=_RESUME_SALT).signature(session_id)


def holds_secret(session_id: str, token: str) -> bool:
    if not token.isascii():
        return False
    try:
        signing.Signer(salt=_RESUME_SALT).unsign(f"{session_id}:{token}")
    except signing.BadSignature:
        return False
    return True


def is_chosen(session_id: str) -> bool:
    """Whether a client made the id up; one that looks like ours is taken for ours."""
    return age_s(session_id) is None
