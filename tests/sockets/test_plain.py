"""The plain dialect, as a browser console or a script uses it."""

import asyncio
import json

import pytest

from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.log import committed
from tests.support.server import ServerProcess
from tests.support.sockets import plain
from tests.support.waiting import eventually


async def test_a_message_is_answered_in_pieces(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        await client.send("count to 5")
        text = await client.until("5")
    assert all(str(number) in text for number in range(1, 6))


@pytest.mark.parametrize("key", ["message", "text"])
async def test_a_json_frame_with_a_message_counts_as_that_message(server: ServerProcess, key: str) -> None:
    async with plain(server.ws_url) as client:
        await client.send(json.dumps({key: "count to 3"}))
        await client.until("3")
        session_id = client.session_id
    messages = await in_db_thread(
        lambda: list(SessionEvent.objects.filter(session_id=session_id, event_type="user_message"))
    )
    assert [message.content for message in messages] == ["count to 3"]


async def test_the_session_is_stored_and_ends_after_the_grace(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        await client.send("count to 3")
        await client.until("3")
        session_id = client.session_id

    async def ended() -> Session:
        session = await in_db_thread(lambda: Session.objects.get(pk=session_id))
        assert session.status == "ended"
        return session

    session = await eventually(ended)
    assert session.end_time is not None
    assert session.duration_seconds == pytest.approx(
        (session.end_time - session.start_time).total_seconds(), abs=0.01
    )
    assert (session.user_messages, session.assistant_messages) == (1, 1)
    assert session.end_reason == "left"


async def test_the_next_message_has_the_context_of_the_ones_before(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        await client.send("My name is Ada.")
        await client.until("Ada")
        await client.send("What is my name?")
        assert "Ada" in await client.until("Ada")


async def test_coming_back_to_an_ended_session_brings_its_history(server: ServerProcess) -> None:
    async with plain(server.ws_url, "/ws/session/demo123") as client:
        assert client.session_id == "demo123"
        await client.send("My name is Ada.")
        await client.until("Ada")

    async def ended() -> None:
        assert (await in_db_thread(lambda: Session.objects.get(pk="demo123"))).status == "ended"

    await eventually(ended)
    async with plain(server.ws_url, "/ws/session/demo123") as client:
        await client.send("What is my name?")
        await client.until("Ada")
    types = await in_db_thread(
        lambda: list(
            SessionEvent.objects.filter(session_id="demo123")
            .order_by("seq")
            .values_list("event_type", flat=True)
        )
    )
    assert types.count("session_started") == 1
    assert types.count("session_reopened") == 1


async def test_messages_sent_at_once_are_answered_one_after_the_other(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        for number in (3, 4, 5):
            await client.send(f"count to {number}")
        await asyncio.sleep(0.5)
        session_id = client.session_id

    async def answered() -> list[str]:
        events = await in_db_thread(
            lambda: list(
                SessionEvent.objects.filter(
                    session_id=session_id, event_type__in=["response_started", "response_done"]
                )
                .order_by("seq")
                .values_list("event_type", flat=True)
            )
        )
        assert len(events) == 6
        return events

    assert await eventually(answered) == ["response_started", "response_done"] * 3


async def test_leaving_does_not_stop_the_answer(start_server: object) -> None:
    server = start_server(DEMO_DELAY_MS="20", SESSION_GRACE_SECONDS="0.2")  # type: ignore[operator]
    async with plain(server.ws_url) as client:
        await client.send("count to 40")
        await client.until("2")
        session_id = client.session_id

    async def whole() -> str:
        message = await in_db_thread(
            lambda: SessionEvent.objects.filter(session_id=session_id, event_type="assistant_message").first()
        )
        assert message is not None
        return message.content or ""

    assert "40" in await eventually(whole)
    assert (await in_db_thread(lambda: Session.objects.get(pk=session_id))).failed_responses == 0


async def test_a_message_whose_turn_never_came_is_known_to_the_next(start_server: object) -> None:
    """Accepted is accepted: it was waiting for its answer when the server was stopped."""
    server = start_server(DEMO_DELAY_MS="50")  # type: ignore[operator]
    async with plain(server.ws_url, "/ws/session/kept") as client:
        await client.send("count to 500")
        await client.until("2")
        await client.send("My name is Ada.")
        await committed("user_message", times=2, session_id="kept")
        server.stop()
    other = start_server()  # type: ignore[operator]
    async with plain(other.ws_url, "/ws/session/kept") as client:
        await client.send("What is my name?")
        assert "Ada" in await client.until("Ada")
