"""OpenAI's Python client loses its connection, comes back by itself and goes on where it was."""

import signal
from typing import Any

import pytest

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.sockets.conftest import StartServer
from tests.support.log import committed
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

from .front import Front
from .talk import Talk, talk, text_of


def told(client: Talk) -> list[dict[str, Any]]:
    """What came of the session's log; the greetings are each connection's own."""
    return [event.to_dict() for event in client.events if event.event_id.startswith("event_")]


def deltas(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def text_up_to(client: Talk, event_id: str) -> str:
    """The joined deltas of what came up to that place, that included."""
    ids = [event.event_id for event in client.events]
    return deltas(client.events[: ids.index(event_id) + 1])


async def replayed(server: ServerProcess, place: dict[str, str]) -> list[dict[str, Any]]:
    """The whole session, over a connection that nobody cuts; it has to end with a response."""
    start = {**place, "last_event_id": f"event_{place['session_id']}_0"}
    async with talk(server.ws_url, start) as client:
        done = await client.until("response.done")
        assert done.response.status == "completed"
        return told(client)


@pytest.mark.parametrize(
    "cuts", [[1500], [2600, 700], [4001, 5002, 6003, 7004], [20_000, 1]], ids=lambda cuts: f"{len(cuts)} cuts"
)
async def test_a_line_that_breaks_in_the_middle_of_an_answer(server: ServerProcess, cuts: list[int]) -> None:
    """After so many bytes, so in the middle of a frame, or of the handshake."""
    front = Front(server.port)
    front.cut_after_bytes = list(cuts)
    async with front.serving(), talk(f"ws://127.0.0.1:{front.port}", resume=True) as client:
        response = await client.ask("count to 300")
    assert front.connections == len(cuts) + 1
    assert len(client.place.close_codes) == len(cuts)
    assert client.text == text_of(response)
    assert client.text.endswith("299, 300.")
    assert told(client) == await replayed(server, client.place.query)


async def test_a_server_that_restarts_while_it_answers(start_server: StartServer, redis_url: str) -> None:
    """SIGTERM: it closes with 1012, and the next process behind the address gives the rest."""
    env = {"REDIS_URL": redis_url, "DEMO_DELAY_MS": "15", "DRAIN_SECONDS": "60"}
    one, two = start_server(**env), start_server(**env)
    front = Front(one.port)
    async with front.serving(), talk(f"ws://127.0.0.1:{front.port}", resume=True) as client:
        await client.say("count to 60")
        await client.connection.response.create()
        for _ in range(5):
            await client.until("response.output_text.delta")
        front.target = two.port
        one.signal(signal.SIGTERM)
        response = (await client.until("response.done")).response
        assert response.status == "completed"
        assert client.text == text_of(response)
        assert set(client.place.close_codes) == {1012}
        again = await client.ask("count to 3")
        assert text_of(again) == "1, 2, 3."
    ids = [event["event_id"] for event in told(client)]
    assert len(ids) == len(set(ids))


async def test_a_server_that_dies_while_it_answers(start_server: StartServer) -> None:
    """SIGKILL: the client tries until the lease has run out. What the log did not keep is taken back, what it kept is
    the end of the interrupted answer, and another try of it follows by itself."""
    env = {"REDIS_URL": "", "DEMO_DELAY_MS": "10", "SESSION_LEASE_SECONDS": "1"}
    one, two = start_server(**env), start_server(**env)
    front = Front(one.port)
    async with front.serving(), talk(f"ws://127.0.0.1:{front.port}", resume=True) as client:
        await client.say("count to 200")
        await client.deliver({"type": "response.create"})
        for _ in range(20):
            await client.until("response.output_text.delta")
        await committed("assistant_delta")
        front.target = two.port
        one.signal(signal.SIGKILL)
        created = await client.until("session.created")
        stopped = (await client.until("response.done")).response
        assert (stopped.status, stopped.status_details.x_reason) == ("incomplete", "interrupted")
        kept = client.events.index(created)
        assert text_of(stopped) == text_up_to(client, created.x_stream["last_event_id"]) + deltas(
            client.events[kept:]
        )
        again = len(client.events)
        response = (await client.until("response.done")).response
    assert (response.status, response.x_retry_of) == ("completed", stopped.id)
    assert text_of(response) == deltas(client.events[again:])
    assert text_of(response).endswith("199, 200.")


@pytest.mark.parametrize("lost", ["the message", "the acknowledgement"])
async def test_what_was_not_acknowledged_is_sent_again(server: ServerProcess, lost: str) -> None:
    """With the ids that it had the first time it is stored once, and answered once."""
    front = Front(server.port)
    async with front.serving(), talk(f"ws://127.0.0.1:{front.port}", resume=True) as client:
        session_id = (await client.next()).session.id
        front.deaf, front.mute = lost == "the message", True
        await client.say("count to 5")
        await client.deliver({"type": "response.create"})
        if lost == "the acknowledgement":
            await eventually(lambda: stored(session_id, "response_done"))
        front.deaf = front.mute = False
        await front.cut()
        response = (await client.until("response.done")).response
    assert text_of(response) == client.text == "1, 2, 3, 4, 5."
    assert await in_db_thread(lambda: kinds(session_id)) == ["user_message", "response_started"]


async def stored(session_id: str, event_type: str) -> None:
    assert await in_db_thread(
        SessionEvent.objects.filter(session_id=session_id, event_type=event_type).exists
    )


def kinds(session_id: str) -> list[str]:
    """What was said and what was asked for, in the log's order."""
    rows = SessionEvent.objects.filter(
        session_id=session_id, event_type__in=["user_message", "response_started"]
    )
    return list(rows.order_by("seq").values_list("event_type", flat=True))
