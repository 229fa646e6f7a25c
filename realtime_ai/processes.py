"""Processes that another one of ours starts: how they are stopped, restarted, and end with it.

Each has a session of its own, so that a Ctrl-C reaches its parent alone, and holds the read end of a pipe of the parent's,
its lifeline. However the parent goes, also by SIGKILL, the kernel closes the other end. Unlike Linux's
``PR_SET_PDEATHSIG`` this works on every Unix and does not depend on which thread made the child.
"""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType

FD_VARIABLE = "REALTIME_AI_LIFELINE_FD"
_LAST_SECONDS = 9.0


@contextlib.contextmanager
def lifeline() -> Iterator[int]:
    """The end of a pipe for children: it closes with this process."""
    child_end, own_end = os.pipe()
    try:
        yield child_end
    finally:
        os.close(child_end)
        os.close(own_end)


def watch_supervisor() -> None:
    """In a child: stop, as on SIGTERM, when the supervisor is gone. Does nothing in a process without one."""
    number = os.environ.pop(FD_VARIABLE, None)
    if number is not None:
        threading.Thread(target=_wait, args=(int(number),), name="lifeline", daemon=True).start()


def _wait(fd: int) -> None:
    with contextlib.suppress(OSError):  # a pipe that cannot be read is as good as closed
        while os.read(fd, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LAST_SECONDS)
    os._exit(1)


class Stopped(Exception):
    """A signal asked to stop while something was still starting."""


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


_STEADY_S = 60.0
"""One that ran for so long has recovered: its next crash counts as the first."""
_LONGEST_PAUSE_S = 30.0


class Child:
    """One process, restarted with growing pauses when it crashes."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        lifeline_fd: int,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environment = dict(environment) | {FD_VARIABLE: str(lifeline_fd)}
        self._pass_fds = (lifeline_fd, *pass_fds)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._crashes = 0
        self._retry_at = 0.0

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            pass_fds=self._pass_fds,
            start_new_session=True,
        )

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.exit_code is None else None

    @property
    def ended_pid(self) -> int | None:
        """From its end until it is started again."""
        return self._process.pid if self._process and self.exit_code is not None else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs, and before its first start."""
        return self._process.poll() if self._process else None

    def revive(self, now: float) -> str | None:
        """Look after it once: what there is to tell, if anything. Restarts it when its pause is over."""
        code = self.exit_code
        if code is None:
            return None
        if self._retry_at == 0.0:
            self._crashes = 0 if now - self._started_at > _STEADY_S else self._crashes
            pause = min(0.5 * 2**self._crashes, _LONGEST_PAUSE_S)
            self._crashes += 1
            self._retry_at = now + pause
            return f"{self.name} ended ({describe_exit(code)}); starts again in {pause:g} s"
        if now >= self._retry_at:
            self._retry_at = 0.0
            try:
                self.start()
            except OSError as error:  # no memory, no process to be had: it may pass, and the others go on
                return f"{self.name} cannot be started ({error.strerror})"
            return f"{self.name} started again"
        return None

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def kill(self) -> None:
        """It and what it may have started."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def describe_exit(code: int) -> str:
    """``exit code 1``, or the signal's name."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
