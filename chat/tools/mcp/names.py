"""Names for the tools of MCP servers that every vendor takes: ``server__tool``."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

MAX_CHARS = 64
_DIGEST_CHARS = 8


def prefix_of(server: str) -> str:
    """Letters, digits, _ and -, beginning with a letter or _."""
    clean = _clean(server)
    return clean if re.match(r"[A-Za-z_]", clean) else f"_{clean}"


def names_for(server: str, tools: Iterable[str]) -> dict[str, str]:
    """The server's own name of each tool -> ours: unique, at most 64 characters, the same every time.

    A name that is too long, or that two tools would share, ends in a digest of the server's own.
    """
    tools = list(dict.fromkeys(tools))
    plain = {tool: f"{prefix_of(server)}__{_clean(tool)}" for tool in tools}
    shared = Counter(plain.values())
    return {
        tool: name if len(name) <= MAX_CHARS and shared[name] == 1 else _digested(name, f"{server}\n{tool}")
        for tool, name in plain.items()
    }


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _digested(name: str, whole: str) -> str:
    digest = hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:_DIGEST_CHARS]
    return f"{name[: MAX_CHARS - _DIGEST_CHARS - 1]}_{digest}"
