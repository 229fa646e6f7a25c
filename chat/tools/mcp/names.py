"""Names for the tools of MCP servers that every vendor takes: ``server__tool``."""

from collections import Counter
from collections.abc import Iterable

from chat.tool_names import MAX_CHARS, digested, named


def prefix_of(server: str) -> str:
    """Letters, digits, _ and -, beginning with a letter or _."""
    return named(server) or "_"


def names_for(server: str, tools: Iterable[str]) -> dict[str, str]:
    """The server's own name of each tool -> ours: unique, at most 64 characters, the same every time.

    A name that is too long, or that two tools would share, ends in a digest of the server's own.
    """
    tools = list(dict.fromkeys(tools))
    plain = {tool: named(f"{prefix_of(server)}__{tool}") for tool in tools}
    shared = Counter(plain.values())
    return {
        tool: name if len(name) <= MAX_CHARS and shared[name] == 1 else digested(name, f"{server}\n{tool}")
        for tool, name in plain.items()
    }
