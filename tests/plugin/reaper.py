"""Ends what a test run started when the run itself is gone, however it went.

Run as a program with a pipe as its stdin: ``pid N`` and ``folder PATH`` lines register, the pipe's end is the signal.
Standard library only: it starts in 20 ms.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_PATIENCE_S = 12.0
"""A supervisor takes up to 10 s to stop what it has started."""


class Reaper:
    """The pipe's end that a test run holds."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", __file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def register(self, *, folder: Path, pid: int | None = None) -> None:
        self._tell(f"folder {folder}" if pid is None else f"folder {folder}\npid {pid}")

    def close(self) -> None:
        """Everything is stopped already: there is nothing to reap."""
        self._tell("done")
        self._process.communicate(timeout=5)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    pids: list[int] = []
    folders: list[str] = []
    for line in sys.stdin:
        kind, _, value = line.rstrip("\n").partition(" ")
        if kind == "pid":
            pids.append(int(value))
        elif kind == "folder":
            folders.append(value)
        elif kind == "done":
            return
    for number, wait_s in ((signal.SIGINT, _PATIENCE_S), (signal.SIGKILL, 0.1)):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + wait_s
        while any(map(_exists, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
