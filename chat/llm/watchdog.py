"""Bounded waits without a timer for each."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

R = TypeVar("R")


class Watchdog:
    """The waits of one stream, which follow each other, under one timer.

    `asyncio.timeout` makes a timer for every wait and takes it back; this one stays, and is set again only where it rings
    and finds itself early.
    """

    def __init__(self) -> None:
        self._waiting: asyncio.Task[object] | None = None
        self._until = 0.0
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    async def wait(self, work: Awaitable[R], until: float) -> R:
        """Raises TimeoutError at ``until``, in the event loop's time; ``work`` is cancelled then."""
        task = self._waiting = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._until, self._expired = until, False
        if self._timer is None or self._rings_at > until:
            self._set(until)
        try:
            return await work
        except asyncio.CancelledError:
            if self._expired and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._waiting = None

    def close(self) -> None:
        """Nothing more is to come, and the timer need not hold on to whoever waited."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _set(self, when: float) -> None:
        self.close()
        self._rings_at = when
        self._timer = asyncio.get_running_loop().call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._until > asyncio.get_running_loop().time():
            self._set(self._until)
        else:
            self._expired = True
            self._waiting.cancel()
