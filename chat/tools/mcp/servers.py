"""All MCP servers of this process: connected in the background, in a thread with an event loop of their own.

So neither the start of the server nor a turn waits for one, and what the SDK does with a large answer holds no session
up.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chat.tools.beside import ToolLoop
from chat.tools.mcp.config import McpServer, read_servers
from chat.tools.mcp.status import ServerStatus, set_source
from chat.tools.registry import Registry

if TYPE_CHECKING:
    from chat.tools.mcp.connection import Connection

logger = logging.getLogger(__name__)

STOP_SECONDS = 2.5
"""A server that takes longer to end is killed after the process has ended (see `leash`)."""


class McpServers:
    """`start` and `stop` on the server's loop; neither waits for a server."""

    def __init__(self, given: Mapping[str, Any], registry: Registry) -> None:
        self._servers, problems = read_servers(given)
        self._registry = registry
        self._place: ToolLoop | None = None
        self._connections: list[Connection] = []
        self._tasks: list[asyncio.Task[None]] = []
        for problem in problems:
            logger.error("%s; it is left out", problem)

    def start(self) -> None:
        if self._servers:
            self._place = ToolLoop("mcp")
            set_source(self.statuses)
            asyncio.run_coroutine_threadsafe(self._connect(self._place), self._place.loop)

    def statuses(self) -> list[ServerStatus]:
        known = {one.server.name: one.status for one in self._connections}
        return [known.get(one.name) or ServerStatus(name=one.name) for one in self._servers]

    async def stop(self) -> None:
        place, self._place = self._place, None
        if place is None:
            return
        set_source(None)
        ending = asyncio.run_coroutine_threadsafe(self._disconnect(), place.loop)
        await asyncio.wait([asyncio.wrap_future(ending)], timeout=STOP_SECONDS + 0.5)
        place.abandon()
        for server in self._servers:
            self._registry.replace(server.name, [])

    async def _connect(self, place: ToolLoop) -> None:
        try:
            connections = _connections(self._servers, self._registry, place)
            self._tasks = [place.keep(one.keep(), name=f"mcp {one.server.name}") for one in connections]
            self._connections = connections
        except Exception:  # nobody awaits this
            logger.exception("the MCP servers cannot be connected to")

    async def _disconnect(self) -> None:
        """One that takes longer goes on ending in its loop, as long as the process lives."""
        for connection in self._connections:
            connection.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)


def _connections(servers: list[McpServer], registry: Registry, place: ToolLoop) -> "list[Connection]":
    """The SDK takes seconds to import: only where there are servers, and in their thread."""
    try:
        from chat.tools.mcp.connection import Connection
    except ImportError as error:
        logger.error("MCP servers need the package mcp: %s. Install the extra `mcp`", error)  # noqa: TRY400
        return []
    return [Connection(server, registry, place) for server in servers]
