"""The project's own server as a process of its own, on a free port and a test's database."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from realtime_ai.processes import FD_VARIABLE
from tests.support.database import database_url
from tests.support.pythons import Process, start_python

ROOT = Path(__file__).resolve().parent.parent.parent


class ServerProcess:
    """uvicorn with the project's ASGI application (or another ``module``, with its arguments, that takes ``--fd``); ``env`` is laid over a
    test's plain environment.

    It may be started again after its end, on the same port. It ends with this process, however that ends.
    """

    def __init__(
        self,
        *,
        module: str = "realtime_ai.server",
        **env: str,
    ) -> None:
        self._module = module.split()
        self.log: Path | None = None
        """The file that takes what it prints; None: the test's own output."""
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            "ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": "realtime_ai.settings.development",
            "DATABASE_URL": database_url(),
            "DATABASE_POOL_MAX": "4",
            "SECRET_KEY": "for-tests-only-" + "0123456789" * 4,
            "LLM_MODEL": "demo",
            "DEMO_DELAY_MS": "0",
            "LOG_LEVEL": "WARNING",
            "MAX_CONNECTS_PER_10_SECONDS": "100000",
            **env,
        }
        self._process: Process | None = None
        self._child_end, self._lifeline = os.pipe()
        self.env[FD_VARIABLE] = str(self._child_end)

    @property
    def process(self) -> Process:
        assert self._process, "not started"
        return self._process

    def start(self, *, timeout_s: float = 60.0) -> "ServerProcess":
        """Raises AssertionError with the server's exit when it does not come up."""
        self._process = self._spawn()
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            assert self._process.poll() is None, f"the server ended with {self._process.returncode}"
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.02)
        return self

    def _spawn(self) -> Process:
        log = self.log.open("ab") if self.log else None
        try:
            return start_python(
                ["-m", *self._module, "--fd", str(self._socket.fileno())],
                cwd=ROOT,
                env=self.env,
                output=log.fileno() if log else None,
                pass_fds=[self._socket.fileno(), self._child_end],
                group=True,
            )
        finally:
            if log:
                log.close()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, *, timeout_s: float = 15.0) -> int:
        """SIGTERM, then wait; the exit status. A server that does not stop is killed and fails the test."""
        if self._process and self._process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                return self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self._process.returncode if self._process else 0

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait(5)

    def close(self) -> None:
        self.kill()
        self._socket.close()
        for end in (self._child_end, self._lifeline):
            os.close(end)
