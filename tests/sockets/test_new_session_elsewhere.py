"""A new session's first socket does not wait for the database; a second one may know its id sooner than the log does."""

import signal
from collections.abc import Iterator

import pytest
from django.db import connection

from bench.delay_proxy import DelayProxy
from bench.support import upstream_of
from identity.guests import resume_token
from sessions_app.ids import uuid7
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
        async with realtime(near.ws_url, f"/ws/session/{first.session_id}?{first.back}") as second:
            assert second.session_id == first.session_id
            await second.ask("Hello")
            proxy.mend()
            assert await first.closed() == 1012
        path = f"/ws/session?{first.back}"

        async def back() -> None:
            async with realtime(away.ws_url, path) as again:
                assert again.created["type"] == "session.created", again.created
                _, done = await again.ask("Hello again")
                assert done["response"]["status"] == "completed"

        await eventually(back)


async def test_who_was_told_an_id_finds_its_session_through_any_process(
    start_server: StartServer, proxy: DelayProxy, redis_url: str
) -> None:
    """The second tab is sooner than the row, and does not take the session from the first one."""
    away, near = (
        start_server(REDIS_URL=redis_url, DATABASE_URL=through(proxy)),
        start_server(REDIS_URL=redis_url),
    )
    async with realtime(away.ws_url) as warm:
        await warm.ask("Hello")
    proxy.rtt_s = 0.4
    async with realtime(away.ws_url) as first:
        path = f"/ws/session?{first.back}"
        async with realtime(near.ws_url, path) as second:
            assert second.session_id == first.session_id, second.created
            await first.say("count to 5")
            for one in (first, second):
                assert (await one.until("response.done"))["response"]["status"] == "completed"


async def test_an_id_that_was_told_outlives_the_process_that_never_stored_it(
    start_server: StartServer, proxy: DelayProxy
) -> None:
    away, near = start_server(DATABASE_URL=through(proxy)), start_server()
    async with realtime(away.ws_url) as warm:
        await warm.ask("Hello")
    proxy.cut()
    async with realtime(away.ws_url) as first:
        await first.say("Hello")
        away.signal(signal.SIGKILL)
        await first.closed()
    path = f"/ws/session?{first.back}&last_event_id=event_{first.session_id}_0"
    async with realtime(near.ws_url, path) as again:
        assert again.session_id == first.session_id, again.created
        _, done = await again.ask("Hello")
        assert done["response"]["status"] == "completed"


async def test_an_id_of_long_ago_that_has_no_session_is_not_found(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server()
    with monkeypatch.context() as patch:
        patch.setattr("sessions_app.ids.time.time_ns", lambda: 1_700_000_000_000_000_000)
        old = uuid7()
    path = f"/ws/session?session_id={old}&resume_token={resume_token(old)}"
    async with realtime(server.ws_url, path) as client:
        assert client.created["error"]["code"] == "session_not_found"
        assert await client.closed() == 4404
