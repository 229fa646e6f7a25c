"""The load generator, in a process apart: sockets, turns, and the delay of every chunk.

It reads a JSON command a line and answers each with a JSON line (`Load` is the other end):

    python -m bench.peers.load
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

import uvloop

from bench.peers.model import Pace
from bench.peers.wires import WIRES, Wire
from bench.peers.wsclient import WsClient
from bench.support import share_of

JSON = dict[str, Any]
_PATIENCE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Turns:
    """What came of one turn on every open socket."""

    chunks: int
    received_bytes: int
    wall_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    load_cpu_s: float


class Talker:
    """One socket and its turns. ``listens``: it reads what another one asks for."""

    def __init__(self, wire: Wire, *, listens: bool = False) -> None:
        self.wire = wire
        self.listens = listens
        self.delays: list[float] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over: asyncio.Future[None] | None = None
        self.client: WsClient
        self.greeting = b""
        self.wanted = 0
        self.some = asyncio.Event()
        """A chunk of the turn has come."""

    async def open(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.client = await WsClient.connect(port, path or self.wire.path, self._hear, headers)
        await self.ready

    async def turn(self, text: str, chunks: int) -> None:
        self.begin(chunks)
        if not self.listens:
            for frame in self.wire.ask(text):
                self.client.send(frame)
        await self.end()

    def begin(self, chunks: int) -> None:
        self.wanted = len(self.delays) + chunks
        self.over = asyncio.get_running_loop().create_future()
        self.some.clear()

    async def end(self) -> None:
        assert self.over
        await asyncio.wait({self.over, self.client.closed}, return_when=asyncio.FIRST_COMPLETED)
        if not self.over.done():
            raise ConnectionError(f"closed with {self.client.close_code} in a turn")

    def session(self) -> JSON:
        """What the greeting of the Realtime wire tells: the session's id, and the query by which to come back to it."""
        told = json.loads(self.greeting)
        session_id = told["session"]["id"]
        return {
            "id": session_id,
            "back": f"session_id={session_id}&resume_token={told['x_stream']['resume_token']}",
        }

    def _hear(self, message: bytes, now: float) -> None:
        if (answer := self.wire.answer_to(message)) is not None:
            self.client.send(answer)
        elif not self.ready.done():
            if self.wire.is_ready(message):
                self.greeting = message
                self.ready.set_result(None)
        elif self.over and not self.over.done():
            if stamps := self.wire.stamps(message):
                self.delays += [(now - float(stamp)) * 1000 for stamp in stamps]
                self.some.set()
            if self.wire.is_end(message, complete=len(self.delays) >= self.wanted):
                self.over.set_result(None)


class Generator:
    """The commands; each gives what is answered."""

    def __init__(self) -> None:
        self._talkers: list[Talker] = []

    async def open(
        self,
        *,
        port: int,
        wire: str,
        sockets: int,
        paths: Sequence[str] = (),
        listens: bool = False,
        headers: JSON | None = None,
    ) -> JSON:
        """Opens so many more sockets, 20 at a time; how long that took. ``paths``: one for each, else the wire's own."""
        turnstile = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> Talker:
            async with turnstile:
                talker = Talker(WIRES[wire], listens=listens)
                await talker.open(port, paths[number] if paths else "", headers or {})
                return talker

        started, used = time.monotonic(), _cpu_s()
        opened = await asyncio.gather(*(one(number) for number in range(sockets)))
        self._talkers += opened
        sessions = [talker.session() for talker in opened] if wire == "realtime" else []
        return {"wall_s": time.monotonic() - started, "load_cpu_s": _cpu_s() - used, "sessions": sessions}

    async def turn(
        self, *, chunks: int = 0, per_second: float = 0.0, spread_s: float = 0.0, text: str = ""
    ) -> JSON:
        """A turn on every socket, the beginnings spread evenly over ``spread_s``; ``text``: said instead of a pace."""
        for talker in self._talkers:
            talker.delays.clear()
            talker.client.received_bytes = 0
        said, count = text or str(Pace(chunks, per_second)), len(self._talkers)

        async def one(number: int, talker: Talker) -> None:
            await asyncio.sleep(0 if talker.listens else spread_s * number / count)
            await talker.turn(said, chunks)

        started, used = time.monotonic(), _cpu_s()
        await asyncio.gather(*(one(number, talker) for number, talker in enumerate(self._talkers)))
        wall_s, cpu_s = time.monotonic() - started, _cpu_s() - used
        delays = sorted(delay for talker in self._talkers for delay in talker.delays) or [0.0]
        return {
            "chunks": len(delays),
            "received_bytes": sum(talker.client.received_bytes for talker in self._talkers),
            "wall_s": wall_s,
            **{f"{name}_ms": share_of(delays, share) for name, share in _SHARES.items()},
            "load_cpu_s": cpu_s,
        }

    async def replay(self, *, port: int, path: str) -> JSON:
        """A socket on the Realtime wire that is told an answer from its beginning: until its end has come."""
        talker = Talker(WIRES["realtime"])
        talker.begin(0)
        started = time.monotonic()
        await talker.open(port, path, {})
        await talker.end()
        wall_s = time.monotonic() - started
        await talker.client.close()
        return {"wall_s": wall_s, "bytes": talker.client.received_bytes, "chunks": len(talker.delays)}

    async def stop(self, *, chunks: int) -> JSON:
        """On the first socket (Realtime): an answer flat out, stopped when it has begun; the milliseconds to its end."""
        talker = self._talkers[0]
        talker.begin(chunks)
        for frame in talker.wire.ask(str(Pace(chunks, 0))):
            talker.client.send(frame)
        await talker.some.wait()
        asked = time.monotonic()
        talker.client.send(json.dumps({"type": "response.cancel"}))
        await talker.end()
        return {"ms": (time.monotonic() - asked) * 1000, "told": len(talker.delays)}

    async def close(self) -> JSON:
        """All sockets, in order."""
        turnstile = asyncio.Semaphore(_AT_ONCE)

        async def one(talker: Talker) -> None:
            async with turnstile:
                await talker.client.close()

        await asyncio.gather(*(one(talker) for talker in self._talkers))
        self._talkers.clear()
        return {}


_AT_ONCE = 20
_SHARES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


async def serve() -> None:
    generator = Generator()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        run: Callable[..., Any] = getattr(generator, command.pop("do"))
        try:
            async with asyncio.timeout(command.pop("patience_s", _PATIENCE_S)):
                answer = await run(**command)
        except (OSError, TimeoutError) as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


class LoadError(Exception):
    """What the load generator could not do."""


class Load(AbstractContextManager["Load"]):
    """The load generator's process."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.peers.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def open(self, **command: Any) -> JSON:
        return self._do("open", **command)

    def turn(self, **command: Any) -> Turns:
        return Turns(**self._do("turn", **command))

    def replay(self, **command: Any) -> JSON:
        return self._do("replay", **command)

    def stop(self, **command: Any) -> JSON:
        return self._do("stop", **command)

    def close(self) -> None:
        self._do("close")

    def _do(self, name: str, **command: Any) -> JSON:
        """Raises `LoadError`."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"do": name, **command}) + "\n")
        self._process.stdin.flush()
        answer: JSON = json.loads(self._process.stdout.readline() or '{"failed": "it is gone"}')
        if "failed" in answer:
            raise LoadError(answer["failed"])
        return answer


if __name__ == "__main__":
    uvloop.run(serve())
