"""Where sync tools run: daemon threads, a few for each tool.

A thread cannot be stopped. So a sync tool that hangs keeps its thread, and nothing but the same tool's threads: each
tool has a lane of its own. Daemon threads, because the process must be able to end while one hangs; the threads of
`concurrent.futures.ThreadPoolExecutor` would be waited for.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, NamedTuple, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from channels.db import DatabaseSyncToAsync

from chat.errors import ToolError
from chat.tools.start import Start

P = ParamSpec("P")
R = TypeVar("R")

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
