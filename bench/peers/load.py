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
from collections.abc import Callable
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
    """One socket and its turns."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.delays: list[float] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over: asyncio.Future[None] | None = None
        self.client: WsClient
        self.greeting = b""
        self._wanted = 0

    async def open(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.client = await WsClient.connect(port, path or self.wire.path, self._hear, headers)
        await self.ready

    async def turn(self, pace: Pace) -> None:
        self._wanted = len(self.delays) + pace.chunks
        self.over = asyncio.get_running_loop().create_future()
        for frame in self.wire.ask(str(pace)):
            self.client.send(frame)
        await asyncio.wait({self.over, self.client.closed}, return_when=asyncio.FIRST_COMPLETED)
        if not self.over.done():
            raise ConnectionError(f"closed with {self.client.close_code} in a turn")

    def _hear(self, message: bytes, now: float) -> None:
        if (answer := self.wire.answer_to(message)) is not None:
            self.client.send(answer)
        elif not self.ready.done():
            if self.wire.is_ready(message):
                self.greeting = message
                self.ready.set_result(None)
        elif self.over and not self.over.done():
            self.delays += [(now - float(stamp)) * 1000 for stamp in self.wire.stamps(message)]
            if self.wire.is_end(message, complete=len(self.delays) >= self._wanted):
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
        path: str = "",
        at_once: int = 20,
        headers: JSON | None = None,
    ) -> JSON:
        """Opens so many more sockets; how long that took."""
        turnstile = asyncio.Semaphore(at_once)

        async def one() -> Talker:
            async with turnstile:
                talker = Talker(WIRES[wire])
                await talker.open(port, path, headers or {})
                return talker

        started, used = time.monotonic(), _cpu_s()
        self._talkers += await asyncio.gather(*(one() for _ in range(sockets)))
        return {"wall_s": time.monotonic() - started, "load_cpu_s": _cpu_s() - used}

    async def turn(self, *, chunks: int, per_second: float, spread_s: float = 0.0) -> JSON:
        """A turn on every socket, the beginnings spread evenly over ``spread_s``."""
        for talker in self._talkers:
            talker.delays.clear()
            talker.client.received_bytes = 0
        pace, count = Pace(chunks, per_second), len(self._talkers)

        async def one(number: int, talker: Talker) -> None:
            await asyncio.sleep(spread_s * number / count)
            await talker.turn(pace)

        started, used = time.monotonic(), _cpu_s()
        await asyncio.gather(*(one(number, talker) for number, talker in enumerate(self._talkers)))
        wall_s, cpu_s = time.monotonic() - started, _cpu_s() - used
        delays = sorted(delay for talker in self._talkers for delay in talker.delays)
        return {
            "chunks": len(delays),
            "received_bytes": sum(talker.client.received_bytes for talker in self._talkers),
            "wall_s": wall_s,
            **{f"{name}_ms": share_of(delays, share) for name, share in _SHARES.items()},
            "load_cpu_s": cpu_s,
        }

    async def close(self) -> JSON:
        """All sockets, in order."""
        turnstile = asyncio.Semaphore(20)

        async def one(talker: Talker) -> None:
            async with turnstile:
                await talker.client.close()

        await asyncio.gather(*(one(talker) for talker in self._talkers))
        self._talkers.clear()
        return {}


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
