"""Where tools run: beside the server, so that what a tool does hurts no session.

A sync tool runs in a thread. A thread cannot be stopped: one that hangs is left alone, and takes nothing but a thread of
its own tool's few. An async tool runs in an event loop of the tools' own: one that blocks it (`time.sleep`, a blocking
client) delays other async tools. One that has blocked for ``STUCK_SECONDS`` is left alone in its loop, too: the calls that
come after it get a new one.
"""

import asyncio
import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from channels.db import DatabaseSyncToAsync, aclose_old_connections

from chat.errors import ToolError
from chat.supervision import heard

P = ParamSpec("P")
R = TypeVar("R")
logger = logging.getLogger(__name__)

THREADS_PER_TOOL = 4
MAX_WAITING_PER_TOOL = 256
BLOCKING_SECONDS = 0.25
"""A step of a coroutine, from one await to the next, that takes longer is told of in the log."""
STUCK_SECONDS = 3.0


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


class Call:
    """One call of a function, to be run once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = self._given_up = False

    async def run(self) -> Any:
        """What came of it, or a `Raised`. Cancelling this cancels an async function, which may take its time to end, and
        leaves a sync one to itself. Raises `ToolError` when too many wait already."""
        raise NotImplementedError

    def blocking(self) -> bool:
        """Whether it is this call that holds its event loop up."""
        return False

    def give_up(self) -> bool:
        """Whether the call has started; if not, it will not any more."""
        with self._lock:
            self._given_up = True
            return self._taken

    def _take(self) -> None:
        """The moment at which it starts. Raises CancelledError when it was given up before."""
        with self._lock:
            if self._given_up:
                raise asyncio.CancelledError
            self._taken = True


def call_of(
    function: Callable[P, Any],
    then: Callable[[Any], Any] = lambda result: result,
    *,
    name: str,
    threads: int | None = None,
    room: "Room | None" = None,
    place: "ToolLoop | None" = None,
) -> Callable[P, Call]:
    """Given the arguments: the call, which gives ``then(result)``, made where the function ran.

    ``threads`` counts for a sync function, ``room`` and ``place`` (None: the loop of all tools) for an async one. What looks sync and
    gives something to await, as an async function in a plain decorator does, is awaited as an async one.
    """

    def make(*args: P.args, **kwargs: P.kwargs) -> Call:
        def in_loop(awaitable: Callable[[], Awaitable[Any]]) -> _LoopCall:
            async def work() -> Any:
                return then(await awaitable())

            return _LoopCall(work, name=name, room=room, place=place)

        def work() -> Any:
            result = function(*args, **kwargs)
            return in_loop(lambda: result) if inspect.isawaitable(result) else then(result)

        if inspect.iscoroutinefunction(function):
            return in_loop(lambda: function(*args, **kwargs))
        return _ThreadCall(function, work, threads=threads)

    return make


class _Job(NamedTuple):
    future: "Future[Any]"
    run: Callable[[], Any]


class Lane(Executor):
    """At most ``threads`` calls of one function at once, in daemon threads; the others wait in line, in order.

    The threads of `ThreadPoolExecutor` would be waited for when the process ends.
    """

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
_lanes_of_objects: dict[int, tuple[Callable[..., Any], Lane]] = {}
"""Of what is called and is no key there, as ``operator.attrgetter("is_staff")``: by its id, which is kept with it."""


def _lane_of(function: Callable[..., Any], new: Lane) -> Lane:
    try:
        return _lanes.setdefault(function, new)
    except TypeError:
        return _lanes_of_objects.setdefault(id(function), (function, new))[1]


class _ThreadCall(Call):
    """In a thread of the function's lane, whose database connection goes back to the pool afterwards."""

    def __init__(self, function: Callable[..., Any], work: Callable[[], Any], *, threads: int | None) -> None:
        super().__init__()
        lane = Lane(getattr(function, "__qualname__", "?"), threads or THREADS_PER_TOOL)
        self._lane = _lane_of(function, lane)
        self._work = work

    async def run(self) -> Any:
        result = await DatabaseSyncToAsync(self._caught, thread_sensitive=False, executor=self._lane)()
        return await result.run() if isinstance(result, _LoopCall) else result

    def _caught(self) -> Any:
        try:
            self._take()
            return self._work()
        except BaseException as error:  # noqa: BLE001 - see `Raised`
            return Raised(error)


class _Step(NamedTuple):
    tool: str
    since: float
    """By time.monotonic()."""


class ToolLoop:
    """An event loop in a daemon thread of its own: the process can end while it hangs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._step: _Step | None = None
        self._left = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def enter(self, tool: str) -> None:
        self._step = _Step(tool, time.monotonic())

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

    def blocked_by(self) -> _Step | None:
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


class _LoopCall(Call):
    def __init__(
        self,
        work: Callable[[], Coroutine[Any, Any, Any]],
        *,
        name: str,
        room: Room | None,
        place: ToolLoop | None,
    ) -> None:
        super().__init__()
        self._work = work
        self._name = name
        self._room = room
        self._place = place or shared_loop()
        self._closes_connections = place is None
        self._cut = False

    async def run(self) -> Any:
        try:
            return await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(self._in_place(), self._place.loop)
            )
        except asyncio.CancelledError:
            self._cut = True
            raise

    def blocking(self) -> bool:
        step = self._place.blocked_by()
        return step is not None and step.tool == self._name

    async def _in_place(self) -> Any:
        task = asyncio.current_task()
        assert task
        self._place.hold(task)
        try:
            async with self._room.here() if self._room else nullcontext():
                self._take()
                try:
                    return await _Watched(self._work(), self._place, self._name)
                finally:
                    if self._closes_connections:
                        await aclose_old_connections()  # of the thread in which Django's async ORM works
        except BaseException as error:
            if self._cut and not isinstance(error, asyncio.CancelledError):
                logger.warning("tool %s failed after it was cut off", self._name, exc_info=error)
            return Raised(error)


class _Watched:
    """Awaits a coroutine and notes for how long each of its steps holds the loop."""

    def __init__(self, work: Coroutine[Any, Any, Any], place: ToolLoop, tool: str) -> None:
        self._work = work
        self._place = place
        self._tool = tool

    def __await__(self) -> Generator[Any, Any, Any]:
        given: Any = None
        thrown: BaseException | None = None
        while True:
            self._place.enter(self._tool)
            try:
                waits_for = self._work.throw(thrown) if thrown else self._work.send(given)
            except StopIteration as done:
                return done.value
            finally:
                self._place.leave()
            try:
                given, thrown = (yield waits_for), None
            except BaseException as error:  # noqa: BLE001 - the coroutine's own to take
                given, thrown = None, error
