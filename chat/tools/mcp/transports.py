"""The two ways to an MCP server, through the SDK, bounded in what they let in."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import httpx2
from mcp.client._transport import TransportStreams
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from chat.llm.http import proxies
from chat.supervision import heard
from chat.tools.mcp.config import McpServer
from chat.tools.mcp.results import Readable

LEASH = Path(__file__).with_name("leash.py")
MAX_BODY_BYTES = 32 * 1024 * 1024
CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0
"""Between two pieces of a stream that the server keeps open."""
STDERR_BYTES_PER_READ = 65_536
STDERR_BYTES_PER_SECOND = 4.0 * 1024 * 1024
"""What writes faster waits."""
LAST_WORDS_SECONDS = 0.3
"""When the process has ended, what it wrote may still be on its way."""

Hear = Callable[[str], None]


@asynccontextmanager
async def transport_to(
    server: McpServer, *, hear: Hear, gone: Callable[[], None]
) -> AsyncIterator[TransportStreams]:
    """The streams to it. ``hear`` gets what it writes to stderr, ``gone`` is called when its process has ended."""
    if server.command:
        async with _stderr(hear, gone) as file, stdio_client(_parameters(server), errlog=file) as streams:
            file.close()  # the child has its own; so the pipe ends with it
            yield Readable(streams[0]), streams[1]
    else:
        async with (
            http_client(server) as client,
            streamable_http_client(
                server.url, http_client=client, max_sse_event_size=MAX_BODY_BYTES
            ) as streams,
        ):
            yield Readable(streams[0]), streams[1]


def _parameters(server: McpServer) -> StdioServerParameters:
    """Of our own environment the SDK hands on PATH, HOME and their like, none of our secrets."""
    return StdioServerParameters(
        command=sys.executable,
        args=["-I", "-S", str(LEASH), server.command, *server.args],
        env=server.env,
        cwd=server.cwd,
    )


@asynccontextmanager
async def _stderr(hear: Hear, gone: Callable[[], None]) -> AsyncIterator[TextIO]:
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader(limit=STDERR_BYTES_PER_READ)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )
    task = heard(_listen(reader, hear, gone), name="stderr of an MCP server")
    try:
        with os.fdopen(write_end, "w") as file:
            yield file
    finally:
        await asyncio.wait([task], timeout=LAST_WORDS_SECONDS)
        task.cancel()
        transport.close()


async def _listen(reader: asyncio.StreamReader, hear: Hear, gone: Callable[[], None]) -> None:
    while data := await reader.read(STDERR_BYTES_PER_READ):
        hear(data.decode(errors="replace"))
        await asyncio.sleep(len(data) / STDERR_BYTES_PER_SECOND)
    gone()


def http_client(server: McpServer) -> httpx2.AsyncClient:
    """Through the environment's proxies, as models are asked; to this machine there is none on the way."""
    limits = httpx2.Limits(max_connections=server.max_concurrent + 8)
    mounts = {} if _is_here(server.url) else proxies(lambda url: _Bounded(proxy=url, limits=limits))
    return httpx2.AsyncClient(
        # a secret from a file often has a line's end behind it, which no header may have
        headers={name: value.strip() for name, value in server.headers.items()}
        | {"accept-encoding": "identity"},
        timeout=httpx2.Timeout(CONNECT_SECONDS, read=max(READ_SECONDS, server.timeout_s)),
        transport=_Bounded(limits=limits),
        mounts=mounts,
    )


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Bounded(httpx2.AsyncHTTPTransport):
    """Refuses an answer that is compressed (it may unpack to anything) or, unless it is a stream of events, too long."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.TransportError(
                "its answer is compressed, although we asked for none", request=request
            )
        if not re.match(r"text/event-stream\b", response.headers.get("content-type", ""), re.IGNORECASE):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Counted(response.stream)
        return response


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in self._stream:
            taken += len(chunk)
            if taken > MAX_BODY_BYTES:
                raise httpx2.StreamError(f"its answer has more than {MAX_BODY_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
