"""The signals that mean "stop", turned into something to wait for."""

import contextlib
import os
import select
import signal
from types import FrameType

from realtime_ai.supervisor.errors import Stopped

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Counts stop signals from now on. A pipe wakes whoever waits: no handler runs code of ours."""

    def __init__(self) -> None:
        self.count = 0
        self._read_fd, write_fd = os.pipe()
        for fd in (self._read_fd, write_fd):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        for number in _STOP:
            signal.signal(number, self._note)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a child's end wakes us, too

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1

    def wait(self, seconds: float) -> None:
        """Sleep, but wake at any signal."""
        select.select([self._read_fd], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            os.read(self._read_fd, 4096)

    def check(self) -> None:
        """Raises `Stopped` once a stop was asked for."""
        if self.count:
            raise Stopped
