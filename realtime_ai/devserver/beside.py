"""What ``manage.py runserver`` starts: the worker beside the server, and the server that the autoreloader starts again and again.

Both end with this process, however it ends (`realtime_ai.processes`).
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

from django.utils import autoreload

from realtime_ai.env import BASE_DIR
from realtime_ai.processes import FD_VARIABLE, Child, StopSignals, lifeline

Tell = Callable[[str], object]

_TICK_S = 0.2
_STOP_S = 9.0
_RELOAD = 3
"""The exit status with which the autoreloader's child asks to be started again."""


class WorkerBeside:
    """``manage.py worker`` as a child, started again when it ends before it is told to."""

    def __init__(self, tell: Tell, lifeline_fd: int) -> None:
        self._tell = tell
        self._child = Child(
            "worker",
            [sys.executable, str(BASE_DIR / "manage.py"), "worker"],
            environment=os.environ,
            lifeline_fd=lifeline_fd,
        )
        self._lock = threading.Lock()
        self._renewing = False
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._look_after, name="worker's watch", daemon=True)

    def start(self) -> None:
        self._child.start()
        self._tell(
            f"Worker: process {self._child.pid}, beside the server, writes the summaries "
            "(--no-worker or RUNSERVER_WORKER=0: none)."
        )
        self._watch.start()

    def renew(self) -> None:
        """The code has changed: another one, as soon as its jobs are done or put back."""
        with self._lock:
            self._renewing = self._child.pid is not None
        self._child.signal(signal.SIGTERM)

    def stop(self) -> None:
        self._stopping.set()
        self._watch.join()
        self._child.signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        while self._child.pid and time.monotonic() < deadline:
            time.sleep(0.05)
        self._child.kill()

    def _look_after(self) -> None:
        while not self._stopping.wait(_TICK_S):
            with self._lock:
                if self._renewing and self._child.pid is None:
                    self._renewing = False
                    self._child.start()
                elif not self._renewing and (line := self._child.revive(time.monotonic())):
                    self._tell(line)


@contextlib.contextmanager
def worker_beside(wanted: bool, tell: Tell) -> Iterator["WorkerBeside | None"]:
    if not wanted:
        tell("No worker beside the server: summaries wait for `manage.py worker`.")
        yield None
        return
    with lifeline() as fd:
        worker = WorkerBeside(tell, fd)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()


def serve_reloading(worker: WorkerBeside | None) -> int:
    """The autoreloader's parent. Unlike Django's own it passes a stop on to its child and waits, instead of killing it.

    Returns the exit status.
    """
    signals = StopSignals()
    with lifeline() as fd:
        os.set_inheritable(fd, True)
        environment = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true", FD_VARIABLE: str(fd)}
        while True:
            # in our own process group and with our own stdin, for a debugger's sake; with the descriptors, as Django does it
            server = subprocess.Popen(autoreload.get_child_arguments(), env=environment, close_fds=False)
            status = _wait(server, signals)
            if status != _RELOAD or signals.count:
                return status
            if worker:
                worker.renew()


def _wait(server: "subprocess.Popen[bytes]", signals: StopSignals) -> int:
    told = 0
    while (status := server.poll()) is None:
        if signals.count > told:
            server.send_signal(signal.SIGTERM if told == 0 else signal.SIGKILL)
            told = signals.count
        signals.wait(1.0)
    return status
