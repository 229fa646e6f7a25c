"""The same application under daphne, as ``manage.py runserver`` serves it."""

import pytest

from tests.support.sockets import realtime

from .conftest import StartServer


@pytest.mark.parametrize(
    ("path", "code"),
    [("/ws/session/?session_id=nobodys", 4404), ("/ws/session?last_event_id=none", 4400)],
)
async def test_a_refusal_says_why_and_closes_with_its_code(
    start_server: StartServer, path: str, code: int
) -> None:
    server = start_server(module="daphne", arguments=("realtime_ai.asgi:application",))
    async with realtime(server.ws_url, path) as client:
        assert client.created["type"] == "error"
        assert await client.closed() == code


async def test_a_turn(start_server: StartServer) -> None:
    server = start_server(module="daphne", arguments=("realtime_ai.asgi:application",))
    async with realtime(server.ws_url) as client:
        text, done = await client.ask("count to 300")
        assert done["response"]["output"][0]["content"][0]["text"] == text
