"""Bounds on what one socket may do, and on what many of them want at the same time."""

import asyncio
import time
from collections import deque

from chat.conf import conf
from chat.errors import RateLimited

PER_ROUND = 4
"""What a socket's end costs, some tenths of a millisecond, times this is how long everybody else waits at a stretch."""


class Pacer:
    """A few at a time: what thousands of sockets want of the event loop in one instant is spread over many of its rounds.

    For one event loop at a time.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._going = False

    async def turn(self) -> None:
        """Returns in one of the loop's next rounds, in the order of asking."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if not self._going:
            self._going = True
            loop.call_soon(self._round)
        await future

    def _round(self) -> None:
        let_go = 0
        while self._waiting and let_go < PER_ROUND:
            future = self._waiting.popleft()
            if not future.done():  # else its task was cancelled meanwhile
                future.set_result(None)
                let_go += 1
        self._going = bool(self._waiting)
        if self._going:
            asyncio.get_running_loop().call_soon(self._round)


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
