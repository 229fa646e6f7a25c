"""Bounded waits without a timer for each."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

R = TypeVar("R")


class Watchdog:
    """The waits of one stream, or of one socket, under one timer.

    `asyncio.timeout` makes a timer for every wait and takes it back; this one stays, and is set again only where it rings
    and finds itself early.
    """

    def __init__(self) -> None:
        self._ends: dict[asyncio.Task[object], float] = {}
        """Until when who waits."""
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._expired: set[asyncio.Task[object]] = set()

    async def wait(self, work: Awaitable[R], until: float) -> R:
        """Raises TimeoutError at ``until``, in the event loop's time; ``work`` is cancelled then."""
        task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._ends[task] = until
        if self._timer is None or self._rings_at > until:
            self._set(until)
        try:
            return await work
        except asyncio.CancelledError:
            if task in self._expired and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            del self._ends[task]
            self._expired.discard(task)

    def close(self) -> None:
        """Nothing more is to come, and the timer need not hold on to whoever waited. Who waits still is bounded as before."""
        if not self._ends:
            self._clear()

    def _clear(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _set(self, when: float) -> None:
        self._clear()
        self._rings_at = when
        self._timer = asyncio.get_running_loop().call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for task, until in self._ends.items():
            if until <= now and task not in self._expired:
                self._expired.add(task)
                task.cancel()
        if left := [until for task, until in self._ends.items() if task not in self._expired]:
            self._set(min(left))
