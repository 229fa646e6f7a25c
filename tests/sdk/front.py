"""An address in front of a server, as a balancer has one: it can be pointed elsewhere, and its connections can be cut."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_CHUNK_BYTES = 4096


class Front:
    """Passes connections on to ``target``, byte for byte; with ``tls`` it is the one that speaks TLS."""

    def __init__(self, target: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        """The port on 127.0.0.1 that the next connections go to."""
        self.port = 0
        self.connections = 0
        """How many there have been."""
        self.cut_after_bytes: list[int] = []
        """Of what the server sends: the next connection is cut there, the one after it at the next, and then no more."""
        self.deaf = False
        """Nothing of what clients send arrives any more, as on a line that is dead without a word."""
        self.mute = False
        """Nothing of what the server sends arrives any more."""
        self.swallow_after_bytes: list[int] = []
        """As `cut_after_bytes`: the next connection is dead from there on, and nobody is told."""
        self._swallowed: set[asyncio.Task[None]] = set()
        self._tls = tls
        self._open: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Front"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await self.cut()

    async def cut(self) -> None:
        """All that are open, without a word: the client sees 1006."""
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    def swallow(self) -> None:
        """All that are open are dead from now on, and nobody is told; new ones are well."""
        self._swallowed |= self._open

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        self.connections += 1
        limit = self.cut_after_bytes.pop(0) if self.cut_after_bytes else None
        silent = self.swallow_after_bytes.pop(0) if self.swallow_after_bytes else None
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._pass_on(reader, writer, limit, silent, task)
        finally:
            writer.transport.abort()
            self._open.discard(task)
            self._swallowed.discard(task)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limit: int | None,
        silent: int | None,
        task: asyncio.Task[None],
    ) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        told = 0

        def is_dead(count: int = 0) -> bool:
            nonlocal told
            told += count
            if silent is not None and told > silent:
                self._swallowed.add(task)
            return task in self._swallowed

        up = asyncio.create_task(_pump(reader, to_server, None, lambda _: self.deaf or is_dead()))
        down = asyncio.create_task(
            _pump(from_server, writer, limit, lambda count: self.mute or is_dead(count))
        )
        try:
            whole = await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            if limit is None and down in whole[0]:
                writer.close()  # what is on its way arrives first
                await writer.wait_closed()
        finally:
            to_server.transport.abort()  # first: whoever cancels this once more finds it done
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    limit: int | None,
    lost: Callable[[int], bool],
) -> None:
    """Until the reader's end, or until ``limit`` bytes have passed; from when it is ``lost`` on, they go nowhere."""
    left, gone = limit, False
    while left is None or left > 0:
        data = await reader.read(_CHUNK_BYTES if left is None else min(left, _CHUNK_BYTES))
        if not data:
            return
        gone = gone or lost(len(data))
        if not gone:
            writer.write(data)
            await writer.drain()
        left = None if left is None else left - len(data)
