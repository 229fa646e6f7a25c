"""PostgreSQL ends in immediate mode while several sessions stream, twice: the answers go on, and nothing that was
acknowledged is lost."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.platform.support import short_folder
from tests.reliability.private_postgres import PrivatePostgres
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, joined, realtime

TALKS = 8
CRASHES = 2
TURN_S = 90.0


@pytest.fixture
def postgres() -> Iterator[PrivatePostgres]:
    with short_folder() as folder, PrivatePostgres(folder) as server:
        yield server


async def test_a_database_that_crashes_under_load(
    start_server: StartServer, postgres: PrivatePostgres
) -> None:
    server = start_server(DATABASE_URL=postgres.url, DEMO_DELAY_MS="15", SESSION_GRACE_SECONDS="0.5")
    over = asyncio.Event()
    talks = [asyncio.create_task(_talk(server, f"talk{number}", over)) for number in range(TALKS)]
    for _ in range(CRASHES):
        await asyncio.sleep(1.0)
        await asyncio.to_thread(postgres.stop_immediately)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(postgres.start)
    over.set()
    for client in await asyncio.gather(*talks):
        await asyncio.to_thread(_check_log, postgres, client)


async def _talk(server: ServerProcess, session_id: str, over: asyncio.Event) -> Realtime:
    """Questions and answers until the crashes are over, and one more."""
    async with realtime(server.ws_url, f"/ws/session/{session_id}") as client:
        assert client.created["type"] == "session.created", client.created
        last = False
        while not last:
            last = over.is_set()
            await client.say("count to 120")
            done = await client.until("response.done", timeout_s=TURN_S)
            assert done["response"]["status"] == "completed", done
    return client


def _check_log(postgres: PrivatePostgres, client: Realtime) -> None:
    """What the client was told stands in the log, word for word, in rows without a gap."""
    rows = postgres.rows(
        "SELECT first_seq, seq, event_type, content, payload FROM session_events WHERE session_id = %s ORDER BY seq",
        client.session_id,
    )
    assert [row["first_seq"] for row in rows] == [1, *(row["seq"] + 1 for row in rows[:-1])]
    of_type = {kind: [row for row in rows if row["event_type"] == kind] for kind in _TYPES}
    accepted = [
        frame["item"]["id"]
        for frame in client.frames
        if frame["type"] == "conversation.item.done" and frame["item"]["role"] == "user"
    ]
    assert [row["payload"]["item_id"] for row in of_type["user_message"]] == accepted
    answers = [row["content"] for row in of_type["assistant_message"]]
    assert len(answers) == len(of_type["response_done"]) == len(accepted) >= CRASHES
    assert "".join(answers) == joined(client.frames)
    assert "".join(row["content"] for row in of_type["assistant_delta"]) == joined(client.frames)


_TYPES = ("user_message", "assistant_delta", "assistant_message", "response_done")
