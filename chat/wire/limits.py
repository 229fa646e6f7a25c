"""Bounds on what one socket and one address may do."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chat.conf import conf
from chat.errors import RateLimited, TooManySockets

PER_ROUND = 4
"""What a socket's end costs, some tenths of a millisecond, times this is how long everybody else waits at a stretch."""


class Pacer:
    """A few at a time: what thousands of sockets want of the event loop in one instant is spread over many of its rounds.

    For one event loop at a time.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._going_in: asyncio.AbstractEventLoop | None = None

    async def turn(self) -> None:
        """Returns in one of the loop's next rounds, in the order of asking."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if self._going_in is not loop:
            self._going_in = loop
            loop.call_soon(self._round, loop)
        await future

    def _round(self, loop: asyncio.AbstractEventLoop) -> None:
        let_go = 0
        while self._waiting and let_go < PER_ROUND:
            future = self._waiting.popleft()
            if not future.done() and future.get_loop() is loop:  # else its task was cancelled meanwhile
                future.set_result(None)
                let_go += 1
        if self._waiting:
            loop.call_soon(self._round, loop)
        else:
            self._going_in = None


class FrameBudget:
    """A token bucket for one socket: a burst of ``max_frames_per_10_seconds``, refilled evenly over 10 seconds."""

    def __init__(self) -> None:
        self._left = float(conf().max_frames_per_10_seconds)
        self._at = time.monotonic()

    def spend(self) -> None:
        """Raises `RateLimited`."""
        most = conf().max_frames_per_10_seconds
        now = time.monotonic()
        self._left = min(most, self._left + (now - self._at) * most / 10)
        self._at = now
        if self._left < 1:
            raise RateLimited
        self._left -= 1


_WINDOW_SECONDS = 10.0


@dataclass(slots=True)
class _Window:
    """The connects of one address since its first one, for ten seconds on a clock that nobody sets back."""

    began_at: float
    connects: int = 0


_windows: dict[str, _Window] = {}
"""In the order in which they began, so that the old ones lie in front."""


def spend_connect(address: str) -> None:
    """One more connect of an address; each may make a session. Raises `TooManySockets`."""
    now = time.monotonic()
    while (oldest := next(iter(_windows), None)) and _windows[oldest].began_at + _WINDOW_SECONDS <= now:
        del _windows[oldest]
    window = _windows.setdefault(address, _Window(now))
    window.connects += 1
    if window.connects > conf().max_connects_per_10_seconds:
        raise TooManySockets


_sockets_by_address: Counter[str] = Counter()


@contextmanager
def socket_of(address: str) -> Iterator[None]:
    """Count one open socket of an address. Raises `TooManySockets`."""
    if _sockets_by_address[address] >= conf().max_sockets_per_address:
        raise TooManySockets
    _sockets_by_address[address] += 1
    try:
        yield
    finally:
        _sockets_by_address[address] -= 1
        if not _sockets_by_address[address]:
            del _sockets_by_address[address]
