from collections.abc import Callable, Iterator

import pytest

from tests.support.server import ServerProcess

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def start_server(transactional_db: None) -> Iterator[StartServer]:
    """Starts servers with an environment of their own; all are stopped at the end."""
    started: list[ServerProcess] = []

    def start(**env: str) -> ServerProcess:
        server = ServerProcess(**env)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


@pytest.fixture
def server(start_server: StartServer) -> ServerProcess:
    return start_server(SESSION_GRACE_SECONDS="0.3")
