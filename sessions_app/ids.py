"""Session ids: a UUIDv7 that we make, or one that the client chose."""

import os
import re
import time
import uuid

from sessions_app.errors import InvalidSessionId

_VALID = re.compile(r"[A-Za-z0-9._~-]{1,128}")


def uuid7() -> str:
    """A UUID of version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def age_s(session_id: str) -> float | None:
    """How long ago `uuid7` made the id, by this machine's clock; None for one that a client chose."""
    try:
        value = uuid.UUID(session_id)
    except ValueError:
        return None
    if value.version != 7 or str(value) != session_id:
        return None
    return time.time() - (value.int >> 80) / 1000


def check_session_id(session_id: str) -> str:
    """The id itself; raises `InvalidSessionId`."""
    if not _VALID.fullmatch(session_id) or set(session_id) == {"."}:
        raise InvalidSessionId
    return session_id


def new_id(prefix: str) -> str:
    """An id for an item, a response, a call: ``prefix_`` and 24 hexadecimal characters (96 random bits)."""
    return f"{prefix}_{os.urandom(12).hex()}"
