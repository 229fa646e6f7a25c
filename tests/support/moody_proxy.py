"""A proxy before PostgreSQL that speaks just enough of its protocol to have a pooler's, or a network's, bad moods."""

import asyncio
import contextlib
import struct
import threading
from dataclasses import dataclass
from enum import StrEnum

from bench.delay_proxy import Address, DelayProxy

_QUERY = (b"Q", b"P", b"B")
"""A simple query, or the parts that an extended one begins with; what comes before the login is over begins otherwise."""


Pair = tuple[asyncio.StreamWriter, asyncio.StreamWriter]
"""To the client, to the server."""


class Mood(StrEnum):
    WELL = "well"
    FATAL = "fatal"  # whatever is asked, also to be let in, is answered with FATAL, and the connection ends
    FULL = "full"  # who has a connection keeps it; nobody else gets one
    HANG = "hang"  # nothing goes through, and nobody is told
    SWALLOW = "swallow"  # the same, for ever, to the connections that there are; new ones are well
    SLOW = "slow"  # each query takes so much longer


@dataclass(frozen=True)
class Fatal:
    sqlstate: str
    message: str

    def as_message(self) -> bytes:
        fields = {"S": "FATAL", "V": "FATAL", "C": self.sqlstate, "M": self.message}
        body = b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0"
        return b"E" + struct.pack("!I", len(body) + 4) + body


INTERNAL = Fatal("XX000", "Internal error: the pooler has lost its server")
FULL = Fatal("53300", "too many connections")


class MoodyProxy(DelayProxy):
    """`be` may be called while it runs; `DelayProxy.cut` and `mend` work as well."""

    def __init__(self, upstream: Address) -> None:
        super().__init__(upstream)
        self._mood = Mood.WELL
        self._fatal = INTERNAL
        self._slow_s = 0.0
        self._changed = asyncio.Event()
        self._pairs: set[Pair] = set()
        self._swallowed: set[Pair] = set()

    def be(self, mood: Mood, *, fatal: Fatal = INTERNAL, slow_s: float = 2.0) -> None:
        done = threading.Event()

        def change() -> None:
            self._mood, self._fatal, self._slow_s = mood, fatal, slow_s
            if mood is Mood.SWALLOW:
                self._swallowed |= self._pairs
            if mood is Mood.FATAL:  # those that are idle have it before their next question
                for client, _ in self._pairs:
                    client.write(fatal.as_message())
                    client.close()
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
            done.set()

        self._in_loop(change)
        assert done.wait(5)

    def end_some(self, *, keep: int) -> None:
        """All connections but so many are reset."""

        def end() -> None:
            for client, _ in list(self._pairs)[keep:]:
                client.transport.abort()

        self._in_loop(end)

    async def _serve_pair(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refused(writer):
            return
        if self._mood is Mood.FULL:
            await self._refuse(reader, writer)
            return
        try:
            far_reader, far_writer = await self._connect()
        except OSError:  # nobody listens: as far as a proxy can say so
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        if self._refused(*pair):  # by now
            return
        self._pairs.add(pair)
        self._writers |= set(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._questions(reader, pair))
                group.create_task(self._answers(far_reader, pair))
        except* OSError:
            pass  # one side is gone: so is the other
        finally:
            self._pairs.discard(pair)
            self._swallowed.discard(pair)
            self._writers -= set(pair)
            for one in pair:
                one.close()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(65536)
            writer.write(FULL.as_message())
            await writer.drain()
        writer.close()

    async def _questions(self, reader: asyncio.StreamReader, pair: Pair) -> None:
        """Only between two messages, where a question comes, is there room for a word of the proxy's own."""
        client, server = pair
        while data := await reader.read(65536):
            await self._held(pair)
            if self._mood is Mood.FATAL:
                client.write(self._fatal.as_message())
                await client.drain()
                raise ConnectionAbortedError
            if self._mood is Mood.SLOW and data[:1] in _QUERY:
                await asyncio.sleep(self._slow_s)
            server.write(data)
            await server.drain()
        raise ConnectionAbortedError

    async def _answers(self, reader: asyncio.StreamReader, pair: Pair) -> None:
        client, _ = pair
        while data := await reader.read(65536):
            await self._held(pair)
            client.write(data)
            await client.drain()
        raise ConnectionAbortedError

    async def _held(self, pair: Pair) -> None:
        while self._mood is Mood.HANG or pair in self._swallowed:
            await self._changed.wait()
