"""All of the database's threads are taken by a crowd that leaves and one that comes: the lease is renewed all the same."""

import asyncio
import time
import urllib.request
from contextlib import AsyncExitStack

import psycopg

from tests.sockets.conftest import StartServer
from tests.support.database import database_url
from tests.support.server import ServerProcess
from tests.support.sockets import plain
from tests.support.waiting import eventually

LEASE_S = 5.0
CROWD = 16
"""Twice as many as there are threads."""


def lowest_rest_s(*, for_s: float) -> float:
    """Of the one server's lease, while nobody but us gets at a session."""
    lowest, deadline = LEASE_S, time.monotonic() + for_s
    with psycopg.connect(database_url(), autocommit=True) as link, psycopg.connect(database_url()) as holder:
        holder.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        while time.monotonic() < deadline:
            row = link.execute("SELECT max(expires_at) - now() FROM server_processes").fetchone()
            assert row
            lowest = min(lowest, row[0].total_seconds())
            time.sleep(0.05)
    return lowest


def is_ready(server: ServerProcess) -> bool:
    with urllib.request.urlopen(f"{server.url}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)


async def test_the_lease_does_not_wait_for_a_crowd(start_server: StartServer) -> None:
    server = start_server(SESSION_LEASE_SECONDS=f"{LEASE_S:g}", SESSION_GRACE_SECONDS="0.2")

    async def crowd_is_stored() -> None:
        assert await asyncio.to_thread(sessions) == CROWD

    async with AsyncExitStack() as those_who_leave:
        for number in range(CROWD):
            await those_who_leave.enter_async_context(plain(server.ws_url, f"/ws/session/leaves{number}"))
        await eventually(crowd_is_stored)
        assert await asyncio.to_thread(is_ready, server)
        watched = asyncio.create_task(asyncio.to_thread(lowest_rest_s, for_s=1.4 * LEASE_S))
        await asyncio.sleep(0.3)
    coming = [asyncio.create_task(come(server, f"comes{number}")) for number in range(CROWD)]
    await asyncio.sleep(1.0)
    assert await asyncio.to_thread(is_ready, server)
    assert await watched > LEASE_S / 2
    await asyncio.gather(*coming)


def sessions() -> int:
    with psycopg.connect(database_url(), autocommit=True) as link:
        row = link.execute("SELECT count(*) FROM sessions").fetchone()
    assert row
    return int(row[0])


async def come(server: ServerProcess, session_id: str) -> None:
    async with plain(server.ws_url, f"/ws/session/{session_id}") as client:
        assert client.session_id
