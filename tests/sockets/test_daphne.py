"""The same application under daphne, as ``manage.py runserver`` serves it."""

import pytest

from tests.support.server import ServerProcess
from tests.support.sockets import realtime

from .conftest import StartServer


@pytest.fixture
def daphne(start_server: StartServer) -> ServerProcess:
    return start_server(module="daphne realtime_ai.asgi:application", SOCKET_IDLE_SECONDS="1")


async def test_a_turn_a_refusal_and_a_silent_socket(daphne: ServerProcess) -> None:
    async with realtime(daphne.ws_url) as client:
        text, done = await client.ask("count to 300")
        assert done["response"]["output"][0]["content"][0]["text"] == text
        assert await client.closed() == 4408
    async with realtime(daphne.ws_url, "/ws/session?session_id=nobodys") as client:
        assert client.created["error"]["code"] == "session_not_found"
        assert await client.closed() == 4404
