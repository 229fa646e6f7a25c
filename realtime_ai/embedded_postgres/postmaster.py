"""Whether a PostgreSQL runs on a data folder: ``postmaster.pid``, believed only after a look at the process.

The file outlives a crash, and its pid may by then be any other process.
"""

import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Postmaster:
    """A running server process."""

    process: psutil.Process
    socket_dir: Path | None
    ready: bool

    @property
    def pid(self) -> int:
        return self.process.pid


def find_postmaster(data: Path) -> Postmaster | None:
    """The server that runs on ``data``, or None: no file, a stale file, or a recycled pid."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    if not lines or not lines[0].strip().isdigit():
        return None
    process = _server_process(int(lines[0]), data)
    if process is None:
        return None
    lines += [""] * (8 - len(lines))
    socket_dir = Path(lines[4].strip()) if lines[4].strip() else None
    return Postmaster(process, socket_dir, ready=lines[7].strip() == "ready")


def _server_process(pid: int, data: Path) -> psutil.Process | None:
    """The process, if it is a postmaster (not one of its children) that works in ``data``."""
    try:
        process = psutil.Process(pid)
        command = process.cmdline()
        is_server = bool(command) and Path(command[0]).name == "postgres" and "-D" in command
        if is_server and Path(process.cwd()) == data.resolve():
            return process
    except psutil.Error:
        pass  # gone, or another user's: then it is not ours
    return None


def stop_process(process: psutil.Process, *, patience_s: float) -> None:
    """Fast shutdown; then an immediate one (the log is replayed at the next start); then SIGKILL."""
    for number, wait_s in ((signal.SIGINT, patience_s), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 2.0)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        if ended(process, wait_s):
            return


def end_orphans(data: Path) -> None:
    """End what outlived its postmaster on ``data``: busy or stopped, it does not notice, and no other can start there."""
    orphans = [process for process in psutil.process_iter() if _is_server_in(process, data)]
    for number, wait_s in ((signal.SIGQUIT, 1.0), (signal.SIGKILL, 5.0)):
        for process in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + wait_s
        orphans = [process for process in orphans if not ended(process, deadline - time.monotonic())]


def _is_server_in(process: psutil.Process, data: Path) -> bool:
    try:
        return Path(process.exe()).name == "postgres" and Path(process.cwd()) == data.resolve()
    except psutil.Error:
        return False


def ended(process: psutil.Process, timeout_s: float) -> bool:
    """psutil's own wait polls up to 40 ms apart; this one answers sooner and takes a zombie for ended."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
