"""Names of tools, and ids of calls, that every vendor takes.

A vendor that refuses one name, offered or anywhere in the history, refuses the whole request, and so every later turn.
"""

import hashlib
import re
from collections.abc import Iterable

MAX_CHARS = 64
_DIGEST_CHARS = 8
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHORT_CALL_ID = re.compile(r"[A-Za-z0-9]{9}")
_NO_NAME = "no_name"


def is_tool_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def tool_name(name: str) -> str:
    """The name as it is, else the nearest one that is taken; the same every time."""
    if is_tool_name(name):
        return name
    near = named(name) or _NO_NAME
    return near if len(near) <= MAX_CHARS else digested(near, name)


def named(name: str) -> str:
    """Letters, digits, _ and -, beginning with a letter or _; as long as the name is."""
    clean = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return clean if not clean or re.match(r"[A-Za-z_]", clean) else f"_{clean}"


def digested(name: str, whole: str) -> str:
    """The beginning of a name, and what tells ``whole`` from every other that begins so."""
    digest = hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:_DIGEST_CHARS]
    return f"{name[: MAX_CHARS - _DIGEST_CHARS - 1]}_{digest}"


def call_id(given: str) -> str:
    if _CALL_ID.fullmatch(given):
        return given
    return f"call_{hashlib.sha256(given.encode(errors='replace')).hexdigest()[:32]}"


def short_call_id(given: str) -> str:
    """Nine letters and digits, as Mistral's models want each id to be, on whatever server."""
    if _SHORT_CALL_ID.fullmatch(given):
        return given
    return hashlib.sha256(given.encode(errors="replace")).hexdigest()[:9]


class ToolNames:
    """The names of the tools that one request offers: our own, and those under which the vendor hears of them."""

    def __init__(self, offered: Iterable[str]) -> None:
        offered = list(offered)
        taken = {name for name in offered if is_tool_name(name)}
        self._there: dict[str, str] = {}
        for name in offered:
            there = tool_name(name)
            if there != name and there in taken:
                there = digested(there, name)
            taken.add(there)
            self._there[name] = there
        self._here = {there: name for name, there in self._there.items()}

    def there(self, name: str) -> str:
        """Also for a name that was never offered, as a model may make one up."""
        return self._there.get(name) or tool_name(name)

    def here(self, name: str) -> str:
        return self._here.get(name, name)
