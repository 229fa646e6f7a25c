"""Whoever has gone leaves nothing that waits for a collection of garbage: a crowd's memory is free once its sessions have ended."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect

from sessions_app.models import Session, SessionStatus
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import plain, realtime
from tests.support.waiting import eventually

from .conftest import StartServer

CROWD = 25
Visit = Callable[[ServerProcess], Awaitable[None]]


@pytest.fixture
def counting(start_server: StartServer, tmp_path: Path) -> Callable[..., ServerProcess]:
    return partial(
        start_server,
        log=tmp_path / "log",
        module="tests.sockets.counting_server",
        SESSION_GRACE_SECONDS="0",
        PYTHONUNBUFFERED="1",
    )


def told(server: ServerProcess) -> list[tuple[int, int]]:
    assert server.log
    lines = [line.split() for line in server.log.read_text().splitlines() if line.startswith("garbage:")]
    return [(int(found), int(due)) for _, found, due in lines]


async def counts(server: ServerProcess) -> tuple[int, int]:
    """Objects that a full collection finds, and after how many new ones there is one."""
    before = len(told(server))
    server.signal(signal.SIGUSR2)

    async def again() -> None:
        assert len(told(server)) > before

    await eventually(again)
    return told(server)[-1]


async def garbage(server: ServerProcess) -> int:
    """Once everybody's session has ended."""

    async def ended() -> None:
        others = Session.objects.exclude(status=SessionStatus.ENDED)
        assert not await in_db_thread(others.exists)  # a request for the metrics has garbage of its own

    await eventually(ended)
    await asyncio.sleep(0.5)  # the last ones' timers
    return (await counts(server))[0]


async def ask_by_realtime(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        await client.ask("count to 3")


async def ask_in_plain(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        await client.send("count to 3")
        await client.until("3")


async def look_in_by_realtime(server: ServerProcess) -> None:
    async with realtime(server.ws_url):
        pass


async def look_in_by_plain(server: ServerProcess) -> None:
    async with plain(server.ws_url):
        pass


async def ask_over_http(server: ServerProcess) -> None:
    headers = {"Authorization": "Bearer guest"}
    body = {"model": "demo", "input": "count to 3", "stream": True}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
        answer = await client.post("/v1/responses", json=body)
    assert "response.completed" in answer.text


async def ask_on_the_responses_socket(server: ServerProcess) -> None:
    headers = {"Authorization": "Bearer guest"}
    async with connect(
        f"{server.ws_url}/v1/responses", additional_headers=headers, compression=None
    ) as socket:
        await socket.send(json.dumps({"type": "response.create", "model": "demo", "input": "count to 3"}))
        async with asyncio.timeout(30):
            while "response.completed" not in str(await socket.recv()):
                pass


@pytest.mark.parametrize(
    "visit",
    [
        look_in_by_realtime,
        look_in_by_plain,
        ask_by_realtime,
        ask_in_plain,
        ask_over_http,
        ask_on_the_responses_socket,
    ],
)
async def test_a_crowd_leaves_no_garbage(counting: Callable[..., ServerProcess], visit: Visit) -> None:
    server = counting(NO_COLLECTIONS="1")
    await visit(server)
    await garbage(server)  # of the start
    await asyncio.gather(*(visit(server) for _ in range(CROWD)))
    assert await garbage(server) < CROWD


async def test_a_full_collection_is_far_away(counting: Callable[..., ServerProcess]) -> None:
    """It stands still for a tenth of a second for each few hundred answers: Python's own is due after 70,000 objects."""
    _, objects = await counts(counting())
    assert objects >= 5_000_000
