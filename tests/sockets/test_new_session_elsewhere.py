"""A new session's first socket does not wait for the database; a second one may know its id sooner than the log does."""

from collections.abc import Iterator

import pytest
from django.db import connection

from bench.delay_proxy import DelayProxy
from bench.support import upstream_of
from tests.support.sockets import realtime
from tests.support.waiting import eventually

from .conftest import StartServer
from .test_storage import through


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[DelayProxy]:
    with DelayProxy(upstream_of(connection.settings_dict)) as proxy:
        yield proxy


async def test_a_socket_whose_new_session_was_opened_elsewhere_is_invited_back(
    start_server: StartServer, proxy: DelayProxy, redis_url: str
) -> None:
    away, near = (
        start_server(REDIS_URL=redis_url, DATABASE_URL=through(proxy)),
        start_server(REDIS_URL=redis_url),
    )
    async with realtime(away.ws_url) as warm:
        await warm.ask("Hello")
    proxy.cut()
    async with realtime(away.ws_url) as first:
        async with realtime(near.ws_url, f"/ws/session/{first.session_id}") as second:
            assert second.session_id == first.session_id
            await second.ask("Hello")
            proxy.mend()
            assert await first.closed() == 1012
        path = f"/ws/session?session_id={first.session_id}"

        async def back() -> None:
            async with realtime(away.ws_url, path) as again:
                assert again.created["type"] == "session.created", again.created
                _, done = await again.ask("Hello again")
                assert done["response"]["status"] == "completed"

        await eventually(back)
