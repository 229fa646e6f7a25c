"""Background tasks with an owner: none of them dies unheard (docs/decisions/0025); and a wait with an end."""

import asyncio
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, Self, TypeVar

from sessions_app.errors import DatabaseAway

logger = logging.getLogger(__name__)

R = TypeVar("R")

_AGAIN_SECONDS = 1.0


def heard(work: Coroutine[Any, Any, R], *, name: str) -> "asyncio.Task[R]":
    """``work`` as a task; what it raises is logged at once, with the name. Its owner keeps it."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


def _tell(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("%s died", task.get_name(), exc_info=error)


async def within(seconds: float, work: Coroutine[Any, Any, R]) -> R:
    """``work``'s result. Raises TimeoutError when it waits for longer; where it has not to wait, no timer is made."""
    try:
        waits_for = work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    async with asyncio.timeout(seconds):
        return await _rest_of(work, waits_for)


@types.coroutine
def _rest_of(work: Coroutine[Any, Any, R], waits_for: Any) -> Generator[Any, Any, R]:
    """A coroutine that waits already: what it waits for is handed on to the task, and what comes back to it."""
    while True:
        try:
            try:
                answer = yield waits_for
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to take
                waits_for = work.throw(error)
            else:
                waits_for = work.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class Held:
    """What is given back at an end, the last of it first. A context manager; the standard library's `ExitStack` does the same and takes
    0.8 KiB, of which each open socket had three."""

    __slots__ = ("_closing",)

    def __init__(self) -> None:
        self._closing: list[Callable[[], object]] = []

    def callback(self, function: Callable[..., object], *args: object) -> None:
        self._closing.append(partial(function, *args) if args else function)

    def close(self) -> None:
        """One that fails is told of, and keeps none of the others."""
        while self._closing:
            try:
                self._closing.pop()()
            except Exception:
                logger.exception("something could not be given back")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Tasks:
    """The background tasks of one owner, kept until they are done."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> "asyncio.Task[Any]":
        """To its end, however that comes."""
        task = heard(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def keep(self, work: Callable[[], Awaitable[None]], *, name: str) -> "asyncio.Task[Any]":
        """Again and again, until it is cancelled: a loop that dies is told of and begun anew, and so is one that ends."""
        return self.spawn(self._kept(work, name), name=name)

    async def _kept(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        while True:
            try:
                await work()
            except Exception:
                logger.exception("%s died, and is begun anew", name)
            await asyncio.sleep(_AGAIN_SECONDS)

    def cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()


class Looks:
    """Looks into the database again and again while there is somebody to look for, and not at all while there is nobody.

    ``check`` is the rarer, dearer look that goes before every so many. While the database is away what was found holds.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[None]],
        *,
        check: Callable[[], Awaitable[None]],
        looks_per_check: int,
        seconds: float,
        failed: str,
    ) -> None:
        """``failed``: what the log says when a look fails."""
        self._look, self._check = look, check
        self._looks_per_check, self._seconds, self._failed = looks_per_check, seconds, failed
        self._somebody = asyncio.Event()

    def begin(self) -> None:
        self._somebody.set()

    def pause(self) -> None:
        self._somebody.clear()

    async def keep(self) -> None:
        looks = 0
        while True:
            await self._somebody.wait()
            try:
                if looks % self._looks_per_check == 0:
                    await self._check()
                await self._look()
            except DatabaseAway:
                pass
            except Exception:
                logger.exception(self._failed)
            looks += 1
            await asyncio.sleep(self._seconds)
