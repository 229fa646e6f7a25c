"""A database that is there and will not do: read-only, ending connections, silent, slow, full. To a client each is an
outage like any other: what was acknowledged is kept, nobody is thrown out, and it is over when the database is well."""

import asyncio
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from bench.support import upstream_of
from tests.platform.support import short_folder
from tests.reliability.private_postgres import PrivatePostgres
from tests.sockets.conftest import StartServer
from tests.support.database import database_url
from tests.support.moody_proxy import Fatal, Mood, MoodyProxy
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, joined, realtime

BACK_S = 3.0


@pytest.fixture
def postgres() -> Iterator[PrivatePostgres]:
    with short_folder() as folder, PrivatePostgres(folder) as server:
        yield server


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[MoodyProxy]:
    with MoodyProxy(upstream_of(connection.settings_dict)) as proxy:
        yield proxy


def through(proxy: MoodyProxy) -> str:
    return database_url(host="127.0.0.1", port=str(proxy.port), sslmode="disable")


def make_read_only(postgres: PrivatePostgres, *, read_only: bool) -> None:
    """As a host does whose disk is full: for new connections, and the old ones end. Back again, those that came meanwhile
    stay as they are."""
    with psycopg.connect(
        postgres.url, autocommit=True, options="-c default_transaction_read_only=off"
    ) as link:
        if not read_only:
            link.execute("ALTER DATABASE realtime_ai RESET default_transaction_read_only")
            return
        link.execute("ALTER DATABASE realtime_ai SET default_transaction_read_only = on")
        link.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'realtime_ai' AND pid <> pg_backend_pid()"
        )


def ready(server: ServerProcess) -> int:
    try:
        with urllib.request.urlopen(f"{server.url}/readyz", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def look(server: ServerProcess, session_id: str) -> int | None:
    """Somebody comes to a stored session, from outside: the code that a socket is refused with; None when let in."""
    async with realtime(server.ws_url, f"/ws/session/{session_id}") as client:
        return None if client.created["type"] == "session.created" else await client.closed()


async def deltas(client: Realtime, count: int) -> None:
    for _ in range(count):
        await client.until("response.output_text.delta")


def check_log_of_server(log: Path) -> None:
    text = log.read_text(encoding="utf-8")
    assert "Traceback" not in text, text
    assert len(re.findall(r"the database is away", text)) == 1, text


async def test_a_read_only_database_is_an_outage(
    start_server: StartServer, postgres: PrivatePostgres, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    server = start_server(log=log, DATABASE_URL=postgres.url, DEMO_DELAY_MS="20", SESSION_GRACE_SECONDS="0.2")
    for number in range(4):
        assert await look(server, f"stored{number}") is None
    async with realtime(server.ws_url, "/ws/session/talk") as client:
        await client.say("count to 300")
        await deltas(client, 5)
        assert await asyncio.to_thread(ready, server) == 200
        await asyncio.to_thread(make_read_only, postgres, read_only=True)
        await deltas(client, 5)  # it goes on streaming
        await asyncio.sleep(1.5)
        assert await look(server, "stored1") == 1013
        assert await asyncio.to_thread(ready, server) == 503
        await asyncio.to_thread(make_read_only, postgres, read_only=False)
        back_at = time.monotonic()
        while await look(server, "stored2") is not None:
            assert time.monotonic() - back_at < BACK_S
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
    looks = await asyncio.gather(*(look(server, f"new{number}") for number in range(24)))
    assert looks == [None] * 24  # no connection of the outage is handed out
    assert await asyncio.to_thread(ready, server) == 200
    texts = postgres.rows(
        "SELECT content FROM session_events WHERE session_id = 'talk' AND event_type = 'assistant_message'"
    )
    assert [row["content"] for row in texts] == [joined(client.frames)]
    check_log_of_server(log)


@pytest.mark.parametrize(
    "fatal",
    [
        Fatal("XX000", "the pooler has lost its server"),
        Fatal("57P01", "terminating connection due to administrator command"),
    ],
    ids=lambda fatal: fatal.sqlstate,
)
async def test_a_passing_fatal_of_a_pooler_costs_nothing(
    start_server: StartServer, proxy: MoodyProxy, fatal: Fatal, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    server = start_server(log=log, DATABASE_URL=through(proxy), DEMO_DELAY_MS="20")
    async with (
        realtime(server.ws_url) as one,
        realtime(server.ws_url, "/ws/session/two") as two,
        realtime(server.ws_url, "/ws/session/three") as three,
    ):
        for client in (one, two, three):
            await client.say("count to 80")
        for client in (one, two, three):
            await deltas(client, 3)
        proxy.be(Mood.FATAL, fatal=fatal)
        await asyncio.sleep(0.3)
        proxy.be(Mood.WELL)
        for client in (one, two, three):
            done = await client.until("response.done")
            assert done["response"]["status"] == "completed"
            assert not [frame for frame in client.frames if frame["type"] == "error"]
    assert "Traceback" not in log.read_text(encoding="utf-8")


async def test_connections_that_a_network_swallowed_are_given_up(
    start_server: StartServer, proxy: MoodyProxy, tmp_path: Path
) -> None:
    """No reset comes, and none of them ever answers again: the log's writer, the lease and the pool make new ones."""
    log = tmp_path / "server.log"
    server = start_server(log=log, DATABASE_URL=through(proxy), DEMO_DELAY_MS="20")
    async with realtime(server.ws_url, "/ws/session/talk") as client:
        await client.say("count to 100")
        await deltas(client, 3)
        proxy.be(Mood.SWALLOW)
        proxy.be(Mood.WELL)
        done = await client.until("response.done", timeout_s=20)
        assert done["response"]["status"] == "completed"
        assert done["response"]["output"][0]["content"][0]["text"] == joined(client.frames)
        assert await asyncio.to_thread(ready, server) == 200
    check_log_of_server(log)


async def test_a_slow_database_makes_nothing_fail(start_server: StartServer, proxy: MoodyProxy) -> None:
    server = start_server(DATABASE_URL=through(proxy), DEMO_DELAY_MS="20")
    async with realtime(server.ws_url, "/ws/session/talk") as client:
        proxy.be(Mood.SLOW, slow_s=2.0)
        _, done = await client.ask("count to 20")
        assert done["response"]["status"] == "completed"
        proxy.be(Mood.WELL)


async def test_nobody_new_gets_a_connection_and_those_that_have_one_go_on(
    start_server: StartServer, proxy: MoodyProxy
) -> None:
    """A pooler whose places are all taken: the turns are served, and so the process is ready."""
    server = start_server(DATABASE_URL=through(proxy), DATABASE_POOL_MAX="2")
    async with realtime(server.ws_url, "/ws/session/talk") as client:
        await client.ask("count to 3")
        assert await asyncio.to_thread(ready, server) == 200
        proxy.be(Mood.FULL)
        for _ in range(4):
            _, done = await client.ask("count to 3")
            assert done["response"]["status"] == "completed"
            await asyncio.sleep(0.6)  # each of these looks is a new one
            assert await asyncio.to_thread(ready, server) == 200
