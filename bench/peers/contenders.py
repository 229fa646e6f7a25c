"""Who is measured: our server as ``make serve`` starts it, and the relays, each with a PostgreSQL of its own (fsync on)."""

import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from bench.peers.environment import peers_python
from realtime_ai.embedded_postgres import EmbeddedPostgres
from realtime_ai.embedded_postgres.postmaster import find_postmaster
from realtime_ai.env import BASE_DIR
from tests.fakes import anthropic_server, gemini_server, openai_server
from tests.platform.support import Supervised, short_folder
from tests.plugin.reaper import Reaper

_PROGRAMS = Path(__file__).with_name("programs")
_START_S = 180.0
"""Generous: a busy machine takes a minute for a database and its migrations."""
_MANY = "1000000"

LLM_MODELS = {
    "gemini": "gemini:gemini-3.8-flash",
    "openai": "openai:gpt-6.1-terra",
    "anthropic": "anthropic:claude-sonnet-5-5",
    "compatible": "compatible:local",
}


class Server(ABC):
    """A context manager: one server with its database."""

    port: int
    pids: list[int]
    """Of its web processes."""
    postgres_pid: int
    database_url: str

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...


class Ours(Server):
    """Production settings, one web process, its own embedded PostgreSQL, no worker (``worker``: one).

    What bounds a crowd from one address is out of the way, for here all come from one; sessions end soon after their sockets, so
    that their ends do not fall into what is measured next.
    """

    def __init__(
        self, model_urls: Mapping[str, str], *, vendor: str = "gemini", worker: bool = False, **settings: str
    ) -> None:
        self._worker = worker
        self.settings = {
            "SECRET_KEY": secrets.token_urlsafe(60),
            "ALLOWED_HOSTS": "127.0.0.1",
            "INSECURE_HTTP": "1",
            "GUESTS_ALLOWED": "1",
            "LOG_LEVEL": "WARNING",
            "WEB_PROCESSES": "1",
            "SESSION_GRACE_SECONDS": "1",
            "MAX_SOCKETS_PER_ADDRESS": _MANY,
            "MAX_SOCKETS_PER_USER": _MANY,
            "MAX_CONNECTS_PER_10_SECONDS": _MANY,
            "LLM_MODEL": LLM_MODELS[vendor],
            "GEMINI_API_KEY": gemini_server.API_KEY,
            "OPENAI_API_KEY": openai_server.API_KEY,
            "COMPATIBLE_API_KEY": openai_server.API_KEY,
            "ANTHROPIC_API_KEY": anthropic_server.API_KEY,
            "GOOGLE_GEMINI_BASE_URL": model_urls["gemini"],
            "OPENAI_BASE_URL": model_urls["openai"],
            "COMPATIBLE_BASE_URL": model_urls["compatible"],
            "ANTHROPIC_BASE_URL": model_urls["anthropic"],
            **settings,
        }

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            var_dir = stack.enter_context(short_folder()) / "var"
            command = [sys.executable, "-m", "realtime_ai.supervisor", "serve"]
            command += [] if self._worker else ["--no-worker"]
            self._supervised = Supervised(var_dir, command=command, root=BASE_DIR, **self.settings)
            stack.enter_context(self._supervised)
            stack.callback(self._supervised.stop)
            self._wait()
            self._look_at(var_dir)
            self._stack = stack.pop_all()
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_S
        while "Ctrl-C stops everything." not in self.output:
            if self._supervised.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"our server did not start: {self.output[-2000:]}")
            time.sleep(0.05)

    def _look_at(self, var_dir: Path) -> None:
        line = next(line for line in self.output.splitlines() if line.startswith("Chat "))
        self.port = urlsplit(line.split()[1]).port or 0
        children = json.loads((var_dir / "children.json").read_text())
        web = int(self.settings["WEB_PROCESSES"])
        self.pids = [child["pid"] for child in children[:web]]
        self.database_url = self.settings.get("DATABASE_URL", "")
        if not self.database_url:
            postmaster = find_postmaster(var_dir / "postgres" / "data")
            assert postmaster
            self.postgres_pid = postmaster.pid
            self.database_url = (var_dir / "postgres" / "url").read_text().strip()

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def output(self) -> str:
        """What the supervisor and its children have printed."""
        return self._supervised.text


class Program(Server):
    """A server of `bench.peers.programs`, run by the peers' own Python."""

    def __init__(self, name: str, *arguments: str) -> None:
        self._name = name
        self._arguments = arguments

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="rt-peer-", dir="/tmp"))
            )
            reaper = Reaper()
            stack.callback(reaper.close)
            reaper.register(folder=self._folder)
            postgres = EmbeddedPostgres(self._folder / "pg", tell=lambda _line: None)
            stack.callback(postgres.stop)
            self.database_url = postgres.start()
            self.postgres_pid = postgres.pid or 0
            reaper.register(folder=self._folder, pid=self.postgres_pid)
            with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
                self.port = listener.getsockname()[1]
                self._process = self._start(listener)
            stack.callback(self._stop)
            reaper.register(folder=self._folder, pid=self._process.pid)
            self.pids = [self._process.pid]
            self._wait()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def _start(self, listener: socket.socket) -> "subprocess.Popen[bytes]":
        command = [str(peers_python()), str(_PROGRAMS / f"{self._name}.py"), "--fd", str(listener.fileno())]
        command += ["--database", self.database_url, *self._arguments]
        self._log = self._folder / "log"
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command,
                pass_fds=[listener.fileno()],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._name} did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def relay(model_urls: Mapping[str, str], vendor: str) -> Program:
    """``vendor`` may be ``gemini-aiohttp``."""
    url = model_urls[vendor.removesuffix("-aiohttp")]
    return Program("relay", "--vendor", vendor, "--model-url", url)


def chainlit(model_urls: Mapping[str, str]) -> Program:
    return Program("chainlit_server", "--model-url", model_urls["gemini"])


def server_of(name: str, model_urls: Mapping[str, str]) -> Server:
    """By the name that a contender's server has in a report: ``ours``, ``ours-openai``, ``relay-gemini-aiohttp``, ``chainlit``."""
    kind, _, vendor = name.partition("-")
    makers: dict[str, Any] = {
        "ours": lambda: Ours(model_urls, vendor=vendor or "gemini"),
        "relay": lambda: relay(model_urls, vendor or "gemini"),
        "chainlit": lambda: chainlit(model_urls),
    }
    server: Server = makers[kind]()
    return server
