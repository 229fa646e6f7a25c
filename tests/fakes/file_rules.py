"""What all vendors refuse of a picture or a file in a request: base64 that is none, bytes that are not what they are called."""

import base64
import binascii
from collections.abc import Collection
from typing import Any

BEGINNINGS = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/webp": (b"RIFF",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "application/pdf": (b"%PDF-",),
}
STILL = ("image/png", "image/jpeg", "image/webp")
PICTURES = (*STILL, "image/gif")
PDF = "application/pdf"


def fault(media_type: Any, data: Any, allowed: Collection[str], *, most_chars: int) -> str:
    """What is wrong with it; empty: nothing. ``most_chars``: of the base64."""
    if media_type not in allowed:
        return f"unsupported media type {media_type!r}"
    if not isinstance(data, str) or not data:
        return "no data"
    if len(data) > most_chars:
        return f"exceeds the maximum: {len(data)} > {most_chars}"
    try:
        decoded = base64.b64decode(data, validate=True)
    except binascii.Error:
        return "invalid base64 data"
    return "" if decoded.startswith(BEGINNINGS[media_type]) else f"the data is no {media_type}"


def data_url_fault(url: Any, allowed: Collection[str], *, most_chars: int) -> str:
    head, comma, data = str(url).partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return "expected a base64-encoded data URL"
    return fault(head[5 : -len(";base64")], data, allowed, most_chars=most_chars)
