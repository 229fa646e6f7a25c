"""How the MCP servers are, for staff and for probes. Readable from any thread; knows nothing of the SDK."""

from collections.abc import Callable

import msgspec

from chat import metrics


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    connected: bool = False
    tools: int = 0
    problem: str = "it has not been connected yet"
    """Why it is not connected, in a sentence without secrets; empty when it is."""
    left_out: tuple[str, ...] = ()
    """Its tools that are not offered, and why."""

    def publish(self) -> "ServerStatus":
        metrics.mcp_connected.labels(server=self.name).set(int(self.connected))
        metrics.mcp_tools.labels(server=self.name).set(self.tools)
        return self


Source = Callable[[], list[ServerStatus]]
_source: Source | None = None


def set_source(source: Source | None) -> None:
    global _source
    _source = source


def server_statuses() -> list[ServerStatus]:
    """As this process sees them; empty when it has none."""
    return _source() if _source else []


def notices() -> list[str]:
    """A sentence for each server that is not as it should be."""
    found: list[str] = []
    for one in server_statuses():
        if one.problem:
            found.append(f"MCP server {one.name!r} is not connected: {one.problem}")
        found += [f"MCP server {one.name!r}: tool {what}" for what in one.left_out]
    return found
