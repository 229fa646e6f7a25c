"""A program beside the test: started, watched, stopped, or killed."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from realtime_ai.processes import FD_VARIABLE
from tests.support.pythons import start_python

ROOT = Path(__file__).parents[2]


class Program:
    """``manage.py ARGUMENTS``, its lines in ``log``. It ends with this process, however that ends."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self.log = log
        child_end, self._lifeline = os.pipe()
        with log.open("wb") as output:
            self.process = start_python(
                ["manage.py", *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", FD_VARIABLE: str(child_end), **environment},
                output=output.fileno(),
                pass_fds=[child_end],
            )
        os.close(child_end)

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_line(self, text: str, *, timeout_s: float = 90) -> None:
        wait_until(
            lambda: text in self.output, timeout_s=timeout_s, what=lambda: f"{text!r} in\n{self.output}"
        )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> float:
        """SIGTERM; the seconds it took to end."""
        started = time.monotonic()
        self.process.terminate()
        self.process.wait(15)
        return time.monotonic() - started

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(5)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        os.close(self._lifeline)


def wait_until(true: Callable[[], object], *, timeout_s: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what()}")
        time.sleep(0.05)
