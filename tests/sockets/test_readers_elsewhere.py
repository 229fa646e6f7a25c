"""Several readers of one session through another process than its own: a second tab, a colleague who watches."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from django.db import connection

from bench.delay_proxy import DelayProxy
from bench.support import upstream_of
from tests.support.sockets import realtime

from .conftest import StartServer
from .test_storage import through

WORDS = 150


class CountingProxy(DelayProxy):
    """Counts what is asked of the log."""

    asked = 0

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read = reader.read

        async def counted(size: int) -> bytes:
            data = await read(size)
            self.asked += data.count(b'FROM "session_events"')
            return data

        reader.read = counted  # type: ignore[method-assign,assignment]
        await super()._pipe(reader, writer)


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[CountingProxy]:
    with CountingProxy(upstream_of(connection.settings_dict)) as proxy:
        yield proxy


@pytest.mark.parametrize("readers", [1, 2, 3])
async def test_each_of_them_hears_every_word_and_asks_the_log_for_none(
    readers: int, start_server: StartServer, proxy: CountingProxy, redis_url: str
) -> None:
    env = {"REDIS_URL": redis_url, "DEMO_DELAY_MS": "15"}
    home, away = start_server(**env), start_server(DATABASE_URL=through(proxy), **env)
    async with realtime(home.ws_url, "/ws/session/shared") as here, AsyncExitStack() as stack:
        path = "/ws/session/shared?last_event_id=event_shared_0"
        there = [await stack.enter_async_context(realtime(away.ws_url, path)) for _ in range(readers)]
        await here.say(f"count to {WORDS}")
        for one in there:
            await one.until("response.output_text.delta")
        before = proxy.asked
        for one in (here, *there):
            await one.until("response.done")
        assert proxy.asked - before < WORDS / 10
        for one in there:
            assert one.frames[1:] == here.frames[1:]


async def test_who_only_reads_an_answer_is_not_silent(start_server: StartServer, redis_url: str) -> None:
    """Neither on the session's own process nor on another one, nor who asked for it there."""
    env = {"REDIS_URL": redis_url, "SOCKET_IDLE_SECONDS": "1", "DEMO_DELAY_MS": "20"}
    home, away = start_server(**env), start_server(**env)
    async with (
        realtime(home.ws_url, "/ws/session/shared") as here,
        realtime(away.ws_url, "/ws/session/shared") as there,
        realtime(away.ws_url, "/ws/session/shared") as asker,
    ):
        await asker.say(f"count to {WORDS}")
        for one in (here, there, asker):
            assert (await one.until("response.done"))["response"]["status"] == "completed"
        async with realtime(away.ws_url, "/ws/session/shared") as silent:
            assert await silent.closed() == 4408
        for one in (here, there, asker):
            assert await one.closed() == 4408
