"""The MCP servers that the settings name, in the shape that other MCP clients use, with our options beside it."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec

from chat.llm.names import MAX_CHARS, digested, named

DEFAULT_SECONDS = 30.0
DEFAULT_CONCURRENT = 8
_SHORTEST_SECRET = 6
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class McpServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either ``command`` (started by us, spoken to over its stdin and stdout) or ``url`` (streamable HTTP)."""

    name: str = ""
    type: Literal["stdio", "http", "streamable-http"] | None = None
    """What other clients want to have said; we see it by ``command`` and ``url``."""
    disabled: bool = False
    command: str = ""
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str = ""
    headers: dict[str, str] = {}
    timeout_s: float = DEFAULT_SECONDS
    requires_approval: Literal["all", "none"] | list[str] | None = None
    """None: every tool that does not call itself read-only."""
    tools: list[str] | None = None
    """The server's own names of those that are offered; None: all."""
    staff_only: bool = False
    permission: str | None = None
    """A Django permission, "app.codename"."""
    max_concurrent: int = DEFAULT_CONCURRENT
    max_output_chars: int | None = None

    def __repr__(self) -> str:
        return f"McpServer({self.name!r})"

    def secrets(self) -> list[str]:
        """What must not stand in a log: the values of its environment and headers, what a URL may carry; longest first."""
        parts = urlsplit(self.url)
        values = [*self.env.values(), *self.headers.values(), parts.password or "", parts.username or ""]
        # line by line, too: an error writes a line's end as an escape, a program its key in several lines
        values += [line.strip() for value in values for line in value.splitlines()]
        values += [value.removeprefix("Bearer ").removeprefix("Basic ") for value in values]
        values += [value for _, value in parse_qsl(parts.query)]
        return sorted({one for one in values if len(one) >= _SHORTEST_SECRET}, key=len, reverse=True)


class Servers(NamedTuple):
    usable: list[McpServer]
    problems: list[str]
    """One sentence for each server that is not, without any of its values."""


def read_servers(given: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Servers:
    """``given`` is name -> entry; in its strings ``${NAME}`` and ``${NAME:-default}`` stand for variables."""
    usable: list[McpServer] = []
    problems: list[str] = []
    for name, entry in given.items():
        try:
            server = msgspec.convert(_expanded(entry, environment), McpServer)
            _check(name, server, [one.name for one in usable])
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(f"MCP server {name!r}: {error}")
        else:
            if not server.disabled:
                usable.append(msgspec.structs.replace(server, name=name))
    return Servers(usable, problems)


def _check(name: str, server: McpServer, others: list[str]) -> None:
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise ValueError("a name has 1 to 64 printable characters")
    if same := [one for one in others if prefix_of(one) == prefix_of(name)]:
        raise ValueError(f"its tools would have the same names as those of {same[0]!r}")
    if bool(server.command) == bool(server.url):
        raise ValueError("it needs either a command or a url")
    if server.url and not _is_http(server.url):
        raise ValueError("its url has to begin with https:// or http://")
    if min(server.timeout_s, server.max_concurrent, server.max_output_chars or 1) <= 0:
        raise ValueError("timeout_s, max_concurrent and max_output_chars have to be more than 0")
    if server.permission is not None and server.permission.count(".") != 1:
        raise ValueError('permission has to be "app.codename"')


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _expanded(value: Any, environment: Mapping[str, str]) -> Any:
    """Raises ValueError for a variable that is not set and has no default."""
    if isinstance(value, Mapping):
        return {key: _expanded(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [_expanded(one, environment) for one in value]
    if not isinstance(value, str):
        return value

    def replacement(found: re.Match[str]) -> str:
        text = environment.get(found["name"]) or found["default"]
        if text is None:
            raise ValueError(f"the variable {found['name']} is not set")
        return text

    return _VARIABLE.sub(replacement, value)


def prefix_of(server: str) -> str:
    """Letters, digits, _ and -, beginning with a letter or _."""
    return named(server) or "_"


def names_for(server: str, tools: Iterable[str]) -> dict[str, str]:
    """The server's own name of each tool -> ours, ``server__tool``: one that every vendor takes, unique, at most 64 characters, the same every time.

    A name that is too long, or that two tools would share, ends in a digest of the server's own.
    """
    tools = list(dict.fromkeys(tools))
    plain = {tool: named(f"{prefix_of(server)}__{tool}") for tool in tools}
    shared = Counter(plain.values())
    return {
        tool: name if len(name) <= MAX_CHARS and shared[name] == 1 else digested(name, f"{server}\n{tool}")
        for tool, name in plain.items()
    }
