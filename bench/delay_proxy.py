"""A TCP proxy that makes a server look far away: every byte arrives half a round trip later, in order, both ways."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Address = tuple[str, int] | str
"""(host, port), or the path of a Unix socket."""


class DelayProxy:
    """Listens on loopback in a thread of its own; ``rtt_s`` may be changed while it runs.

    `cut` drops all connections and refuses new ones until `mend`: a database that goes away.
    """

    def __init__(self, upstream: Address, rtt_s: float = 0.0) -> None:
        self.upstream = upstream
        self.rtt_s = rtt_s
        self.port = 0
        self._away = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delay proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def cut(self) -> None:
        self._away = True
        self._in_loop(self._abort_all)

    def _abort_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        self._away = False

    def _in_loop(self, call: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(call)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for _ in range(4):  # who was just let in gets a task, and what is closed is gone, some rounds later
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
        self._abort_all()
        tasks = asyncio.all_tasks(self._loop)
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            await self._serve_pair(reader, writer)

    async def _serve_pair(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refused(writer):
            return
        far_reader, far_writer = await self._connect()
        pair = {writer, far_writer}
        if self._refused(*pair):  # by now
            return
        self._writers |= pair
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(reader, far_writer))
                group.create_task(self._pipe(far_reader, writer))
        except* OSError:
            pass  # one side is gone: so is the other
        finally:
            self._writers -= pair
            for one in pair:
                one.close()

    def _refused(self, *writers: asyncio.StreamWriter) -> bool:
        if self._away:
            for one in writers:
                one.transport.abort()
        return self._away

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.upstream, str):
            return await asyncio.open_unix_connection(self.upstream)
        return await asyncio.open_connection(*self.upstream)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on when their time has come; what follows is read meanwhile, so that only latency is added."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)
        sender = asyncio.create_task(self._send_in_time(queue, writer))
        try:
            while data := await reader.read(65536):
                await queue.put((self._loop.time() + self.rtt_s / 2, data))
            await queue.put((0.0, b""))
            await sender
        finally:
            sender.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sender

    async def _send_in_time(
        self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await queue.get()
            if not data:
                with suppress(OSError):
                    writer.write_eof()
                return
            if (wait_s := due - self._loop.time()) > 0:
                await asyncio.sleep(wait_s)
            writer.write(data)
            await writer.drain()
