import os
import time
from collections.abc import Iterator

import pytest

from tests.sockets.conftest import live_sessions, server, start_server
from tests.support.server import ServerProcess

from .node_packages import install, node_command

__all__ = ["server", "slow_server", "start_server"]


@pytest.fixture(scope="session")
def shared_server(django_db_setup: None) -> Iterator[ServerProcess]:
    """Sessions end with their last socket: no test waits for another's. Some of the shop's tools need a person's yes."""
    env = {"DJANGO_SETTINGS_MODULE": "tests.shop.quiet_settings", "SHOP_LEDGER": os.devnull}
    shared = ServerProcess(SESSION_GRACE_SECONDS="0", **env).start()
    yield shared
    shared.close()


@pytest.fixture(scope="session")
def shared_slow_server(django_db_setup: None) -> Iterator[ServerProcess]:
    slow = ServerProcess(
        DEMO_DELAY_MS="20",
        SESSION_GRACE_SECONDS="0",
        DJANGO_SETTINGS_MODULE="tests.support.quiet_settings",
    ).start()
    yield slow
    slow.close()


@pytest.fixture
def slow_server(shared_slow_server: ServerProcess, transactional_db: None) -> Iterator[ServerProcess]:
    """Its model takes its time: an answer can be stopped, or another asked for meanwhile."""
    yield shared_slow_server
    deadline = time.monotonic() + 30
    while live_sessions(shared_slow_server) and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture(scope="session")
def node() -> list[str]:
    """The command that runs a program with OpenAI's npm packages."""
    command = node_command()
    install()
    return command
