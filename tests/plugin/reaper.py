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
from typing import IO


def start_reaper() -> IO[str]:
    """The pipe to write registrations to. Keep it open for as long as the things shall live."""
    reaper = subprocess.Popen(
        [sys.executable, "-S", __file__], stdin=subprocess.PIPE, text=True, start_new_session=True
    )
    reaper.returncode = 0  # it outlives us on purpose: no ResourceWarning about that
    assert reaper.stdin is not None
    return reaper.stdin


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
    for number in (signal.SIGINT, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(1.5 if number == signal.SIGINT else 0.1)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
