"""A few at a time: what thousands of sockets want of the event loop in one instant is spread over many of its rounds."""

import asyncio
from collections import deque

PER_ROUND = 4
"""What a socket's end costs, some tenths of a millisecond, times this is how long everybody else waits at a stretch."""


class Pacer:
    """For one event loop at a time."""

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
