import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.server import ServerProcess

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def start_server(transactional_db: None) -> Iterator[StartServer]:
    """Starts servers with an environment of their own; all are stopped at the end."""
    started: list[ServerProcess] = []

    def start(*, log: Path | None = None, **env: str) -> ServerProcess:
        server = ServerProcess(**env)
        server.log = log
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


@pytest.fixture(scope="session")
def shared_server(django_db_setup: None) -> Iterator[ServerProcess]:
    server = ServerProcess(
        SESSION_GRACE_SECONDS="0.3", DJANGO_SETTINGS_MODULE="tests.support.quiet_settings"
    ).start()
    yield server
    server.close()


@pytest.fixture
def server(shared_server: ServerProcess, transactional_db: None) -> Iterator[ServerProcess]:
    """A server that many tests share, one after the other; each leaves it without a session."""
    yield shared_server
    deadline = time.monotonic() + 30
    while live_sessions(shared_server) and time.monotonic() < deadline:
        time.sleep(0.05)


def live_sessions(server: ServerProcess) -> int:
    """By its own metrics."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("live_sessions ")).split()[1]))
