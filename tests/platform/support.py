"""A supervisor as its user has it: a program, with an environment and a folder of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import psutil

from realtime_ai.env import BASE_DIR
from tests.plugin.reaper import Reaper

START_S = 120.0
"""Generous: eight of these may start at once on two cores."""


def clean_environment(**variables: str) -> dict[str, str]:
    """Nothing of the developer's own settings, and no free choice of port or folder."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"ENV_FILE": os.devnull, "HOST": "127.0.0.1", "PORT": "0"} | variables


def run_python(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path leaves room for a Unix socket, and that others may search."""
    with tempfile.TemporaryDirectory(prefix="rt-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        yield Path(name)


class Supervised:
    """``make run`` (or ``serve``) without make; used with ``with``, which leaves nothing of it behind."""

    def __init__(
        self,
        var_dir: Path,
        mode: str = "run",
        *,
        command: Sequence[str] = (),
        root: Path = BASE_DIR,
        **variables: str,
    ) -> None:
        """``command`` (in ``root``) takes the place of the one that ``make`` calls."""
        self.var_dir = var_dir
        self.output = var_dir / "output"
        self._command = list(command) or [sys.executable, "-m", "realtime_ai.supervisor", mode]
        self._root = root
        self._variables = variables

    def __enter__(self) -> Self:
        self.var_dir.mkdir(exist_ok=True)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._root,
                env=clean_environment(VAR_DIR=str(self.var_dir), **self._variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._reaper = Reaper()
        self._reaper.register(folder=self.var_dir, pid=self.process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.everything():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait(10)
        self._reaper.close()

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def wait_until_up(self) -> str:
        """The address it prints, once it answers there."""
        deadline = time.monotonic() + START_S
        while "Ctrl-C stops everything." not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)
        line = next(line for line in self.text.splitlines() if line.startswith("Chat "))
        return line.split()[1].rstrip("/")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal to it alone; the seconds until it was gone."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return time.monotonic() - started

    def everything(self) -> list[psutil.Process]:
        """What runs for this folder: known by its environment, or (PostgreSQL) by its data folder."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                return False
            in_data = any(str(self.var_dir) in part for part in process.cmdline())
            return in_data or process.environ().get("VAR_DIR") == str(self.var_dir)
        return False

    def wait_until_nothing_is_left(self, timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while left := self.everything():
            assert time.monotonic() < deadline, [process.cmdline() for process in left]
            time.sleep(0.05)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
