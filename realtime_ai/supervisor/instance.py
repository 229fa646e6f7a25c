"""One supervisor per ``VAR_DIR``, and what a killed one left behind."""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from realtime_ai.embedded_postgres.server import write_private
from realtime_ai.supervisor.plan import SupervisorError


@contextlib.contextmanager
def sole_instance(var_dir: Path) -> Iterator[None]:
    """Held for as long as this supervisor runs; the kernel gives it back however that ends.

    Raises `SupervisorError` when another supervisor holds it.
    """
    try:
        var_dir.mkdir(parents=True, exist_ok=True)
        file = (var_dir / "supervisor.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise _cannot_write(var_dir, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise SupervisorError(
                f"already running in this checkout (process {file.read().strip() or 'unknown'}). Stop that one first, "
                f"or set VAR_DIR and PORT for a second one."
            ) from None
        try:
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        except OSError as error:  # a full disk
            raise _cannot_write(var_dir, error) from error
        yield


def _cannot_write(var_dir: Path, error: OSError) -> SupervisorError:
    return SupervisorError(f"VAR_DIR: cannot write to {var_dir} ({error.strerror}). Set VAR_DIR elsewhere.")


class ChildRecord:
    """The children on disk, so that the next supervisor knows them: pid and start time name a process for good."""

    def __init__(self, var_dir: Path) -> None:
        self._file = var_dir / "children.json"

    def write(self, pids: list[int]) -> None:
        known = []
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                known.append({"pid": pid, "started": psutil.Process(pid).create_time()})
        # A full disk costs the next supervisor this; it must not keep this one from running on, or from stopping the rest.
        with contextlib.suppress(OSError):
            write_private(self._file, json.dumps(known))

    def leftovers(self) -> list[psutil.Process]:
        """Children of a former supervisor that still run."""
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        found = []
        for entry in known:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(entry["pid"])
                same = abs(process.create_time() - entry["started"]) < 0.05
                if same and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def stop_leftovers(self, *, patience_s: float = 8.0) -> int:
        """They have seen their supervisor go and are ending; whoever has not by then is killed. How many there were."""
        found = self.leftovers()
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGCONT)  # one that was stopped hears it only then
        deadline = time.monotonic() + patience_s
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._file.unlink(missing_ok=True)
        return len(found)
