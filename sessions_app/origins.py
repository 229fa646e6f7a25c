"""Origins of pages, as browsers write them: RFC 6454, 6.2."""

import re

from yarl import URL

_ORIGIN = re.compile(r"https?://[^/?#@\s*,;'\"]+")


def origin_of(text: str) -> str:
    """The same origin in small letters, its name in ASCII (``https://xn--...``), without a port that goes without saying. Only so
    it is like what a browser sends, and may stand in a header. Raises ValueError where it is none."""
    if not _ORIGIN.fullmatch(text):
        raise ValueError(text)
    return str(URL(text).origin())


def is_origin(text: str) -> bool:
    try:
        origin_of(text)
    except ValueError:
        return False
    return True
