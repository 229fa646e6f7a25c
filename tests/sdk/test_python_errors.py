"""What goes wrong, as OpenAI's Python client sees it: events of type ``error``, or the end of the connection."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess

from .talk import talk, text_of

HELLO: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


async def count_of(session_id: str, event_type: str) -> int:
    rows = SessionEvent.objects.filter(session_id=session_id, event_type=event_type)
    return await in_db_thread(rows.count)


@contextmanager
def closed_with(code: int) -> Iterator[None]:
    with pytest.raises(ConnectionClosedError) as caught:
        yield
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == code


WRONG: list[tuple[Any, str, str | None]] = [
    ({"type": "response.creat"}, "unknown_event_type", "type"),
    ({"type": "input_audio_buffer.append", "audio": ""}, "unsupported_event", "type"),
    ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
    (
        {"type": "response.create", "response": {"temperature": 1}},
        "unknown_parameter",
        "response.temperature",
    ),
    (
        {"type": "response.create", "response": {"output_modalities": ["audio"]}},
        "unsupported_modality",
        "response.output_modalities[0]",
    ),
    (
        {"type": "response.create", "response": {"max_output_tokens": 0}},
        "invalid_event",
        "response.max_output_tokens",
    ),
    ({"type": "conversation.item.delete", "item_id": "none"}, "item_not_found", "item_id"),
    ({"type": "conversation.item.retrieve", "item_id": "none"}, "item_not_found", "item_id"),
    ({"type": "response.cancel"}, "response_cancel_not_active", None),
]


async def test_a_wrong_event_is_an_error_and_the_session_goes_on(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        for number, (event, code, param) in enumerate(WRONG):
            wrong: Any = {**event, "event_id": f"wrong_{number}"}
            await client.connection.send(wrong)
            error = (await client.until("error")).error
            assert (error.type, error.code) == ("invalid_request_error", code)
            assert (error.event_id, error.param) == (f"wrong_{number}", param)
            assert text_of(await client.ask("count to 3")) == "1, 2, 3."


async def test_no_json_at_all(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        await client.connection.send_raw("{not json")
        assert (await client.until("error")).error.code == "invalid_json"
        await client.connection.send_raw(b"bytes")
        assert (await client.until("error")).error.code == "binary_frame"
        assert text_of(await client.ask("count to 3")) == "1, 2, 3."


async def test_the_same_event_again_is_not_run_twice(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        item, response = client.connection.conversation.item, client.connection.response
        session_id = (await client.next()).session.id
        await item.create(item=HELLO, event_id="said")
        said = (await client.until("conversation.item.done")).item
        await item.create(item=HELLO, event_id="said")
        assert (await client.until("conversation.item.done")).item.id == said.id
        await response.create(event_id="asked")
        first = (await client.until("response.done")).response
        await response.create(event_id="asked")
        again = (await client.until("response.created")).response
        assert again.id == first.id
        assert text_of(await client.ask("count to 3")) == "1, 2, 3."
    assert await count_of(session_id, "user_message") == 2
    assert await count_of(session_id, "response_started") == 2


async def test_a_stop(slow_server: ServerProcess) -> None:
    async with talk(slow_server.ws_url) as client:
        await client.say("count to 500")
        await client.connection.response.create()
        created = (await client.until("response.created")).response
        await client.until("response.output_text.delta")
        await client.connection.response.cancel(response_id="resp_of_nobody", event_id="wrong")
        assert (await client.until("error")).error.code == "response_cancel_not_active"
        await client.connection.response.cancel(response_id=created.id)
        response = (await client.until("response.done")).response
        assert (response.status, response.status_details.reason) == ("cancelled", "client_cancelled")
        assert text_of(response) == client.text
        assert response.output[0].status == "incomplete"
        assert text_of(await client.ask("count to 3")) == "1, 2, 3."


async def test_a_second_response_beside_the_first_where_that_is_refused(slow_server: ServerProcess) -> None:
    reject: Any = {"type": "realtime", "x_turn_policy": "reject"}
    async with talk(slow_server.ws_url) as client:
        await client.connection.session.update(session=reject)
        await client.say("count to 500")
        await client.connection.response.create()
        await client.until("response.output_text.delta")
        await client.connection.response.create(event_id="second")
        error = (await client.until("error")).error
        assert (error.code, error.event_id) == ("conversation_already_has_active_response", "second")
        await client.connection.response.cancel()
        assert (await client.until("response.done")).response.status == "cancelled"


async def test_a_key_that_is_not_valid(server: ServerProcess) -> None:
    async with talk(server.ws_url, api_key="sk-nobodys") as client:
        assert (await client.until("error")).error.code == "invalid_credentials"
        with closed_with(4401):
            await client.next()


@pytest.mark.parametrize("model", ["gpt-realtime", "demo"])
async def test_a_model_by_habit_or_by_name(server: ServerProcess, model: str) -> None:
    async with talk(server.ws_url, {"model": model}) as client:
        assert (await client.next()).session.model == "demo"
        assert text_of(await client.ask("count to 3")) == "1, 2, 3."


async def test_a_model_that_is_not_offered(server: ServerProcess) -> None:
    async with talk(server.ws_url, {"model": "o17-large"}) as client:
        error = (await client.until("error")).error
        assert (error.code, error.type) == ("model_not_allowed", "invalid_request_error")
        with closed_with(4400):
            await client.next()


@pytest.mark.parametrize("place", ["", "event_nobodys_7"])
async def test_a_session_that_does_not_exist(server: ServerProcess, place: str) -> None:
    async with talk(server.ws_url, {"session_id": "nobodys", "last_event_id": place}) as client:
        assert (await client.until("error")).error.code == "session_not_found"
        with closed_with(4404):
            await client.next()


async def test_a_place_that_is_not_the_sessions(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        await client.next()
        place = {**client.place.query, "last_event_id": "event_other_1"}
        async with talk(server.ws_url, place) as other:
            assert (await other.until("error")).error.code == "invalid_cursor"
            with closed_with(4400):
                await other.next()


async def test_a_refusal_is_no_reason_to_try_again(server: ServerProcess) -> None:
    async with talk(server.ws_url, {"session_id": "nobodys"}, resume=True) as client:
        await client.until("error")
        with closed_with(4404):
            await client.next()
    assert client.place.close_codes == []


async def test_sockets_that_share_a_session(slow_server: ServerProcess) -> None:
    async with talk(slow_server.ws_url) as one:
        session_id = (await one.next()).session.id
        place = {"session_id": session_id, "resume_token": one.place.query["resume_token"]}
        async with talk(slow_server.ws_url, place) as two:
            assert (await two.next()).session.id == session_id
            await two.say("count to 8")
            await two.connection.response.create()
            done = await asyncio.gather(one.until("response.done"), two.until("response.done"))
    assert done[0].to_dict() == done[1].to_dict()
    assert [e.to_dict() for e in one.events[1:]] == [e.to_dict() for e in two.events[1:]]
