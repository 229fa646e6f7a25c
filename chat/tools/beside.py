"""Where async tools run: an event loop of the tools' own, in a thread beside the server's.

So a tool that blocks (`time.sleep`, a blocking client) delays other async tools, and no session. One that has blocked
for ``STUCK_SECONDS`` is left alone in its loop: the calls that come after it get a new one.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from channels.db import DatabaseSyncToAsync, aclose_old_connections

from chat.errors import ToolError
from chat.supervision import heard

R = TypeVar("R")
logger = logging.getLogger(__name__)


# The one moment at which a call starts, or never will: "was not started" has to stay true.


class Start:
    """Taken in the tool's own thread, given up in the server's; whoever is first decides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = self._given_up = False

    def take(self) -> None:
        """Raises CancelledError when the call was given up before."""
        with self._lock:
            if self._given_up:
                raise asyncio.CancelledError
            self._taken = True

    def give_up(self) -> bool:
        """Whether the call has started; if not, it will not any more."""
        with self._lock:
            self._given_up = True
            return self._taken


# Where sync tools run: daemon threads, a few for each tool.
#
# A thread cannot be stopped. So a sync tool that hangs keeps its thread, and nothing but the same tool's
# threads: each tool has a lane of its own. Daemon threads, because the process must be able to end while
# one hangs; the threads of `concurrent.futures.ThreadPoolExecutor` would be waited for.


P = ParamSpec("P")

THREADS_PER_TOOL = 4
MAX_WAITING_PER_TOOL = 256


class _Job(NamedTuple):
    future: "Future[Any]"
    run: Callable[[], Any]


class Raised(NamedTuple):
    """What a function raised, carried as a value: a SystemExit or StopIteration must not reach the event loop."""

    error: BaseException

    def as_exception(self, what: str) -> Exception:
        """For whoever can take an Exception only."""
        if isinstance(self.error, Exception):
            return self.error
        wrapped = RuntimeError(f"{what} raised {type(self.error).__name__}")
        wrapped.__cause__ = self.error
        return wrapped


class Lane(Executor):
    """At most ``threads`` calls at once; the others wait in line, in order."""

    def __init__(self, name: str, threads: int = THREADS_PER_TOOL) -> None:
        self._name = name
        self._threads = threads
        self._running = 0
        self._waiting: deque[_Job] = deque()
        self._lock = threading.Lock()

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Raises `ToolError` when too many wait already."""
        future: Future[R] = Future()
        job = _Job(future, partial(function, *args, **kwargs))
        with self._lock:
            if self._running >= self._threads:
                self._wait(job)
                return future
            self._running += 1
        try:
            threading.Thread(target=self._work, args=(job,), name=f"tool {self._name}", daemon=True).start()
        except RuntimeError as error:  # no more threads in this system
            with self._lock:
                self._running -= 1
            raise ToolError("The server is too busy to run this now. Try again later.") from error
        return future

    def _wait(self, job: _Job) -> None:
        if len(self._waiting) >= MAX_WAITING_PER_TOOL:
            raise ToolError("Too many calls of this tool wait already. Try again later.")
        self._waiting.append(job)
        job.future.add_done_callback(lambda _: self._forget(job))

    def _forget(self, job: _Job) -> None:
        """Out of the line with a call that nobody waits for any more."""
        if job.future.cancelled():
            with self._lock:
                if job in self._waiting:
                    self._waiting.remove(job)

    def _work(self, job: _Job | None) -> None:
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                try:
                    job.future.set_result(job.run())
                except BaseException as error:  # noqa: BLE001 - the future hands it on
                    job.future.set_exception(error)
            job = self._next()

    def _next(self) -> _Job | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._running -= 1
            return None


_lanes: "WeakKeyDictionary[Callable[..., Any], Lane]" = WeakKeyDictionary()


class ThreadCall:
    """One call of a sync function; ``work`` calls it, in a thread of the function's lane."""

    def __init__(
        self,
        function: Callable[..., Any],
        work: Callable[[], Any],
        *,
        threads: int | None = None,
    ) -> None:
        self._start = Start()
        self._function = function
        self._work = work
        self._threads = threads or THREADS_PER_TOOL

    async def run(self) -> Any:
        """What the work returns, or a `Raised`. Cancelling it leaves the work to itself, if it runs already.

        The thread's database connection goes back to the pool when the work returns. Raises `ToolError`.
        """
        lane = _lanes.get(self._function)
        if lane is None:
            name = getattr(self._function, "__qualname__", "?")
            lane = _lanes.setdefault(self._function, Lane(name, self._threads))
        return await DatabaseSyncToAsync(self._caught, thread_sensitive=False, executor=lane)()

    def give_up(self) -> bool:
        return self._start.give_up()

    def blocking(self) -> bool:
        """A thread holds nobody up."""
        return False

    def _caught(self) -> Any:
        try:
            self._start.take()
            return self._work()
        except BaseException as error:  # noqa: BLE001 - see `Raised`
            return Raised(error)


BLOCKING_SECONDS = 0.25
"""A step of a coroutine, from one await to the next, that takes longer is told of in the log."""
STUCK_SECONDS = 3.0


class Step(NamedTuple):
    tool: str
    since: float
    """By time.monotonic()."""


class ToolLoop:
    """An event loop in a daemon thread of its own: the process can end while it hangs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._step: Step | None = None
        self._left = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def enter(self, tool: str) -> None:
        self._step = Step(tool, time.monotonic())

    def leave(self) -> None:
        step, self._step = self._step, None
        took_s = time.monotonic() - step.since if step else 0.0
        if step and took_s >= BLOCKING_SECONDS:
            logger.warning(
                "tool %s blocked the event loop %r for %.2f s; await what waits, or write it as `def`",
                step.tool,
                self.name,
                took_s,
            )

    def blocked_by(self) -> Step | None:
        """The step that holds the loop up for too long already."""
        step = self._step
        return step if step and time.monotonic() - step.since >= STUCK_SECONDS else None

    def abandon(self) -> None:
        """It ends when its last task does."""
        self._left = True
        self.loop.call_soon_threadsafe(self._end_if_idle)

    def keep(self, work: Coroutine[Any, Any, R], *, name: str) -> "asyncio.Task[R]":
        """Run it as a task of this loop, which does not end before. In the loop's own thread."""
        task = heard(work, name=name)
        self.hold(task)
        return task

    def hold(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._left and not self._tasks:
            self.loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not (self._left and not self._tasks):
            try:
                self.loop.run_forever()
            except BaseException:
                logger.exception("a task in the event loop %r tried to end the process", self.name)
        self.loop.close()


_lock = threading.Lock()
_shared: ToolLoop | None = None


def shared_loop() -> ToolLoop:
    """The loop of the projects' async tools; a new one when a tool has blocked it for too long."""
    global _shared
    with _lock:
        if _shared and (stuck := _shared.blocked_by()):
            logger.error(
                "tool %s blocks the event loop of the tools; the others go on in a new one", stuck.tool
            )
            _shared.abandon()
            _shared = None
        _shared = _shared or ToolLoop("tools")
        return _shared


class Room:
    """At most ``size`` calls at once in one loop; the others wait, in order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def here(self) -> asyncio.Semaphore:
        return self._by_loop.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.size))


class LoopCall(Generic[R]):
    """One call of an async tool. ``place`` None: the shared loop."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, R]],
        *,
        room: Room | None = None,
        place: ToolLoop | None = None,
    ) -> None:
        self._start = Start()
        self._name = name
        self._work = work
        self._room = room
        self._place = place or shared_loop()
        self._closes_connections = place is None
        self._cut = False

    async def run(self) -> R | Raised:
        """What the work returns, or a `Raised`. Cancelling it cancels the work, which may take its time to end."""
        try:
            return await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(self._in_place(), self._place.loop)
            )
        except asyncio.CancelledError:
            self._cut = True
            raise

    def give_up(self) -> bool:
        return self._start.give_up()

    def blocking(self) -> bool:
        """Whether it is this tool that holds its loop up."""
        step = self._place.blocked_by()
        return step is not None and step.tool == self._name

    async def _in_place(self) -> R | Raised:
        task = asyncio.current_task()
        assert task
        self._place.hold(task)
        try:
            if self._room is None:
                return await self._started()
            async with self._room.here():
                return await self._started()
        except BaseException as error:  # noqa: BLE001 - see `Raised`
            return self._raised(error)

    async def _started(self) -> R:
        self._start.take()
        try:
            return await _Watched(self._work(), self._place, self._name)
        finally:
            if self._closes_connections:
                await aclose_old_connections()  # of the thread in which Django's async ORM works

    def _raised(self, error: BaseException) -> Raised:
        if self._cut and not isinstance(error, asyncio.CancelledError):
            logger.warning("tool %s failed after it was cut off", self._name, exc_info=error)
        return Raised(error)


class _Watched(Generic[R]):
    """Awaits a coroutine and notes for how long each of its steps holds the loop."""

    def __init__(self, work: Coroutine[Any, Any, R], place: ToolLoop, tool: str) -> None:
        self._work = work
        self._place = place
        self._tool = tool

    def __await__(self) -> Generator[Any, Any, R]:
        given: Any = None
        thrown: BaseException | None = None
        while True:
            self._place.enter(self._tool)
            try:
                waits_for = self._work.throw(thrown) if thrown else self._work.send(given)
            except StopIteration as done:
                result: R = done.value
                return result
            finally:
                self._place.leave()
            try:
                given, thrown = (yield waits_for), None
            except BaseException as error:  # noqa: BLE001 - the coroutine's own to take
                given, thrown = None, error
