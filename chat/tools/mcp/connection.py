"""One MCP server, kept connected for as long as the process lives. All of it runs in the MCP servers' own loop."""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections import deque
from collections.abc import Iterable
from contextlib import AsyncExitStack

import anyio
import mcp_types as types
import msgspec
from mcp import Client, MCPError
from mcp.client.subscriptions import SubscriptionLost
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from chat import metrics
from chat.errors import ToolError
from chat.llm.provider import JSON
from chat.tools.base import ToolContext
from chat.tools.beside import Room, ToolLoop
from chat.tools.mcp.config import McpServer
from chat.tools.mcp.offers import offers_of
from chat.tools.mcp.results import text_of
from chat.tools.mcp.status import ServerStatus
from chat.tools.mcp.transports import transport_to
from chat.tools.registry import Registry

logger = logging.getLogger(__name__)


CONNECT_SECONDS = 60.0
"""To its first list of tools: a server that is started may have to be downloaded first."""
REQUEST_SECONDS = 30.0
CHECK_SECONDS = 30.0
"""The tools are listed anew so often, also as a sign of life."""
PAUSE_SECONDS = 0.3
"""Between two lists: a server may say as often as it likes that they have changed."""
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0
STEADY_SECONDS = 30.0
"""Connected for so long, it is retried at once again."""
WAIT_SECONDS = 3.0
"""A call waits so long for a connection that is just being made."""
MAX_PAGES = 50
MAX_CHARS = 300
KEPT_LINES = 5
LINES_PER_SECOND = 20


class Connection:
    """`keep` it in a task; `call` from any other."""

    def __init__(self, server: McpServer, registry: Registry, place: ToolLoop) -> None:
        self.server = server
        self.status = ServerStatus(name=server.name).publish()
        self._registry = registry
        self._place = place
        self._room = Room(server.max_concurrent)
        self._words = Words(server)
        self._client: Client | None = None
        self._up = asyncio.Event()
        self._wake = asyncio.Event()
        self._gone = False
        self._calls = 0
        """Under way."""
        self._heard_at = 0.0
        """When it last answered anything."""
        self._stopping = asyncio.Event()
        self._connecting = anyio.CancelScope()

    async def keep(self) -> None:
        """Connect, and again whenever it is lost, until `stop`."""
        retry_s = FIRST_RETRY_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._connected()
                problem = "it ended"
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this server's alone
                problem = self._words.of(error)
            if self._stopping.is_set():
                return
            self._lost(problem)
            retry_s = FIRST_RETRY_SECONDS if time.monotonic() - began > STEADY_SECONDS else retry_s * 2
            await _within(min(retry_s, LAST_RETRY_SECONDS) * random.uniform(0.5, 1.0), self._stopping)

    def stop(self) -> None:
        """End what `keep` does: at once while it connects, else in good order.

        By a scope: what winds down is shielded from that, and `Task.cancel` would leave its process behind.
        """
        self._stopping.set()
        self._wake.set()
        if not self._up.is_set():
            self._connecting.cancel()

    async def call(self, tool: str, arguments: JSON, context: ToolContext) -> str:
        """The result as text. Raises `ToolError`; cancelling it cancels the call at the server."""
        client = await self._ready()
        self._calls += 1
        try:
            result = await client.call_tool(
                tool, arguments, read_timeout_seconds=self.server.timeout_s + REQUEST_SECONDS
            )
            self._heard_at = time.monotonic()
        except MCPError as error:
            self._wake.set()  # whether it is still there is looked at at once
            raise ToolError(self._refused(tool, error)) from error
        except (ValidationError, RuntimeError) as error:
            logger.warning(
                "MCP server %r: %s gave nonsense: %s", self.server.name, tool, self._words.of(error)
            )
            raise ToolError(
                f"The server {self.server.name!r} ran {tool} and gave something that cannot be read. Do not repeat it."
            ) from error
        finally:
            self._calls -= 1
        return text_of(result)

    async def _ready(self) -> Client:
        await _within(min(WAIT_SECONDS, self.server.timeout_s / 2), self._up)
        if self._client is None:
            raise ToolError(
                f"The server {self.server.name!r}, to which this tool belongs, cannot be reached at the moment. "
                "Nothing was done. Try again later, or say so."
            )
        return self._client

    def _refused(self, tool: str, error: MCPError) -> str:
        name = self.server.name
        if error.code in (types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT):
            return (
                f"The server {name!r} went away while it ran {tool}. Whether it took effect is unknown: do not repeat "
                "it before you have checked, or asked the user."
            )
        return f"The server {name!r} refused the call of {tool}: {self._words.clean(error.message)}"

    # The life of one connection

    async def _connected(self) -> None:
        """From the first word to the last. Raises what goes wrong, mostly in groups."""
        self._gone = False
        with anyio.fail_after(CONNECT_SECONDS) as self._connecting:
            await self._from_first_to_last(self._connecting)

    async def _from_first_to_last(self, connecting: anyio.CancelScope) -> None:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._new_client())
            await self._refresh(client)
            connecting.deadline = math.inf
            self._client = client
            self._up.set()
            listening = asyncio.create_task(self._listen(client))
            try:
                await self._watch(client)
            finally:
                self._client = None
                self._up.clear()
                listening.cancel()

    def _new_client(self) -> Client:
        return Client(
            transport_to(self.server, hear=self._words.hear, gone=self._process_gone),
            read_timeout_seconds=REQUEST_SECONDS,
            message_handler=self._on_message,
            client_info=types.Implementation(name="realtime-ai", version="1"),
            cache=None,
        )

    async def _watch(self, client: Client) -> None:
        while True:
            await _within(CHECK_SECONDS, self._wake)
            self._wake.clear()
            if self._stopping.is_set() or self._gone:
                return
            try:
                await self._refresh(client)
            except MCPError as error:
                if error.code != types.REQUEST_TIMEOUT or not self._is_busy():
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    def _is_busy(self) -> bool:
        """Many answer one request after another: in a call they give no other sign of life, for as long as it may take."""
        return self._calls > 0 and time.monotonic() - self._heard_at < self.server.timeout_s + REQUEST_SECONDS

    def _process_gone(self) -> None:
        self._gone = True
        self._wake.set()

    async def _on_message(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._wake.set()
        elif isinstance(message, Exception):
            metrics.mcp_garbage.labels(server=self.server.name).inc()
            logger.debug("MCP server %r sent garbage: %s", self.server.name, self._words.of(message))

    async def _listen(self, client: Client) -> None:
        """Of a change the newer protocol tells only who asks."""
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._wake.set()
            except (SubscriptionLost, MCPError, TimeoutError):
                pass
            except Exception as error:  # noqa: BLE001 - its tools are listed anew from time to time anyway
                logger.info("MCP server %r: not listened to: %s", self.server.name, self._words.of(error))
            await asyncio.sleep(CHECK_SECONDS)

    # Its tools

    async def _refresh(self, client: Client) -> None:
        tools = await _all_tools(client)
        self._heard_at = time.monotonic()
        offers = offers_of(self.server, tools, call=self.call, room=self._room, place=self._place)
        taken = self._registry.replace(self.server.name, offers.tools)
        left_out = [*offers.left_out, *(f"{name!r}: another tool has this name" for name in taken)]
        status = ServerStatus(
            name=self.server.name,
            connected=True,
            tools=len(offers.tools) - len(taken),
            problem="",
            left_out=tuple(map(self._words.clean, left_out)),
        )
        if status == self.status:
            return
        logger.info("MCP server %r is connected and offers %d tools", self.server.name, status.tools)
        for what in status.left_out:
            logger.warning("MCP server %r: not offered is the tool %s", self.server.name, what)
        self.status = status.publish()

    def _lost(self, problem: str) -> None:
        """Its tools stay: a model that calls one is told that the server is away."""
        last = self._words.last()
        problem = f"{problem} (it wrote: {last})" if last else problem
        if self.status.connected:
            metrics.mcp_lost.labels(server=self.server.name).inc()
        if problem != self.status.problem:
            logger.warning("MCP server %r is not connected: %s", self.server.name, problem)
        self.status = msgspec.structs.replace(self.status, connected=False, problem=problem).publish()


async def _all_tools(client: Client) -> Iterable[types.Tool]:
    """Each once: a list may change from page to page. Some servers name a page again behind the last one."""
    tools: dict[str, types.Tool] = {}
    asked: set[str | None] = set()
    cursor: str | None = None
    while cursor not in asked and len(asked) < MAX_PAGES:
        asked.add(cursor)
        page = await client.list_tools(cursor=cursor)
        tools |= {tool.name: tool for tool in page.tools}
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools.values()


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Return when the event is set, or the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class Words:
    """What a server says of itself, fit for a log: short, on one line, without the secrets that we gave it.

    Keeps the last lines of its stderr, and logs some of them.
    """

    def __init__(self, server: McpServer) -> None:
        self._name = server.name
        self._secrets = server.secrets()
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._second, self._lines = 0, 0

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = " ".join(text.split())
        return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}…"

    def of(self, error: BaseException) -> str:
        """The first cause of a group, by its own words."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        return self.clean(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)

    def hear(self, text: str) -> None:
        for line in text[-MAX_CHARS * 4 * KEPT_LINES :].splitlines():
            if line.strip():
                self._last.append(line)
                self._log(line)

    def last(self) -> str:
        return self.clean(" / ".join(self._last))

    def _log(self, line: str) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines <= LINES_PER_SECOND:
            logger.debug("MCP server %r wrote: %s", self._name, self.clean(line))
