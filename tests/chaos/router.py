"""A small TCP load balancer in the test's own event loop: a client reaches "some" server, and never knows which."""

import asyncio
import contextlib
import random
import socket
import struct
from typing import Self

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 s: closing sends RST and throws away what was not sent."""
_BUFFER_BYTES = 8192
"""Small, so that a client that does not read is soon felt by the server."""


class Link:
    """One client's connection and its other half."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter, backend: int) -> None:
        self.backend = backend
        self._ends = (client, server)
        self._open = asyncio.Event()
        self._open.set()

    def reset(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()

    async def stall(self, seconds: float) -> None:
        """The client reads nothing for so long."""
        self._open.clear()
        await asyncio.sleep(seconds)
        self._open.set()

    async def may_flow(self) -> None:
        await self._open.wait()

    def abort(self) -> None:
        for end in self._ends:
            end.transport.abort()


class Router:
    """``backends`` are the ports of the servers that take connections now; without one, clients are reset."""

    def __init__(self, *, rng: random.Random) -> None:
        self.backends: set[int] = set()
        self.links: set[Link] = set()
        self.port = 0
        self._rng = rng
        self._serving: set[asyncio.Task[None]] = set()
        self._open = True

    def shut(self) -> None:
        """Nobody stays, and nobody comes in."""
        self._open = False
        for link in list(self.links):
            link.reset()

    def open(self) -> None:
        self._open = True

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=_BUFFER_BYTES, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for link in list(self.links):
            link.reset()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._pass_on(reader, writer)
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            return
        try:
            backend = self._rng.choice(sorted(self.backends))
            far_reader, far_writer = await _connect(backend)
        except (OSError, IndexError):
            return
        link = Link(writer, far_writer, backend)
        self.links.add(link)
        try:
            await asyncio.gather(
                _pipe(reader, far_writer), _pipe(far_reader, writer, link), return_exceptions=True
            )
        finally:
            self.links.discard(link)
            link.abort()


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return await asyncio.open_connection(sock=sock, limit=_BUFFER_BYTES)
    except BaseException:
        sock.close()
        raise


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link | None = None) -> None:
    """Until one side ends; the other one is then closed, too, once it has what is on the way."""
    try:
        while data := await reader.read(_BUFFER_BYTES):
            if link:
                await link.may_flow()
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
