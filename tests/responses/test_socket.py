"""`client.responses.connect()` of OpenAI's client for Python: lanes, errors, what is said into an answer; each frame is one of
the SDK's own types."""

from typing import Any

import pytest
from openai import OpenAI
from websockets.exceptions import InvalidStatus

from tests.responses.conftest import Client
from tests.responses.sdk import kinds, text_of
from tests.responses.socket_sdk import checked_frame, until_over
from tests.responses.test_python import FUNCTION, TEXT
from tests.support.server import ServerProcess
from tests.support.waiting import eventually


async def test_a_response_in_the_order_of_the_http_stream(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    async with client.responses.connect() as socket:
        await socket.response.create(model="demo", input="count to 5", stream=True)
        events = await until_over(socket)
        assert kinds(events) == TEXT
        assert text_of(events) == events[-1].response.output_text == "1, 2, 3, 4, 5."
        again = await client.responses.retrieve(events[0].response.id, stream=True)
        assert [one.to_dict() async for one in again] == [one.to_dict() for one in events]
        await socket.response.create(
            model="demo", input="what did I say first", previous_response_id=events[0].response.id
        )
        assert "count to 5" in (await until_over(socket))[-1].response.output_text


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager")  # made for an older one
def test_the_client_that_is_not_async(shared_server: ServerProcess, transactional_db: None) -> None:
    with (
        OpenAI(api_key="guest", base_url=f"{shared_server.url}/v1") as client,
        client.responses.connect() as socket,
    ):
        socket.response.create(model="demo", input="count to 3")
        told = []
        for event in socket:
            told.append(checked_frame(event))
            if event.type == "response.completed":
                break
        assert kinds(told) == TEXT


async def test_lanes_go_side_by_side_and_each_in_its_order(server: ServerProcess, client_of: Client) -> None:
    async with client_of(server).responses.connect() as socket:
        await socket.response.create(model="demo", input="count to 60", stream_id="long")
        await socket.response.create(model="demo", input="count to 3", stream_id="short")
        await socket.response.create(model="demo", input="count to 4", stream_id="short")
        lanes: dict[str, list[Any]] = {"long": [], "short": []}
        ends = []
        async for event in socket:
            lanes[event.stream_id].append(checked_frame(event))
            if event.type == "response.completed":
                ends.append((event.stream_id, event.response.output_text[-3:]))
                if len(ends) == 3:
                    break
    assert ends == [("short", " 3."), ("short", " 4."), ("long", "60.")]
    assert kinds(lanes["long"]) == TEXT
    assert kinds(lanes["short"]) == TEXT + TEXT


async def test_a_function_of_the_clients(server: ServerProcess, client_of: Client) -> None:
    async with client_of(server).responses.connect() as socket:
        await socket.response.create(
            model="demo", input="Weather in Oslo?", tools=[FUNCTION], tool_choice="required"
        )
        asked = (await until_over(socket))[-1].response
        (call,) = asked.output
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "4 degrees, rain"}
        await socket.response.create(
            model="demo", input=[output], tools=[FUNCTION], previous_response_id=asked.id
        )
        assert "4 degrees, rain" in (await until_over(socket))[-1].response.output_text


async def test_what_is_not_stored_is_gone_on_from_on_its_own_connection(
    server: ServerProcess, client_of: Client
) -> None:
    client = client_of(server)
    async with client.responses.connect() as socket:
        await socket.response.create(model="demo", input="my name is Ada", store=False)
        first = (await until_over(socket))[-1].response
        await socket.response.create(
            model="demo", input="what is my name", store=False, previous_response_id=first.id
        )
        assert "Ada" in (await until_over(socket))[-1].response.output_text
    async with client.responses.connect() as other:
        await other.response.create(model="demo", input="what is my name", previous_response_id=first.id)
        refused = checked_frame(await other.recv())
        assert (refused.status, refused.error.code) == (400, "previous_response_not_found")


REFUSED: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"previous_response_id": "resp_x"}, 400, "previous_response_not_found", "previous_response_id"),
    ({"tools": [{"type": "web_search"}]}, 400, "unsupported_parameter", "tools[0].type"),
    ({"background": "yes"}, 400, "invalid_event", "background"),
    ({"generate": False}, 400, "unsupported_parameter", "generate"),
    ({"model": "openai:nobody"}, 400, "model_not_allowed", "model"),
    ({"input": []}, 400, "missing_required_parameter", "input"),
    ({"stream_id": 5}, 400, "invalid_event", "stream_id"),
    ({"type": "response.cancel"}, 400, "unknown_event_type", "type"),
    ({"conversation": "conv_none"}, 404, "not_found", "conversation"),
]


@pytest.mark.parametrize(("body", "status", "code", "param"), REFUSED, ids=lambda one: str(one)[:40])
async def test_an_error_is_nested_and_the_socket_stays_open(
    server: ServerProcess, client_of: Client, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    async with client_of(server).responses.connect() as socket:
        await socket.send({"type": "response.create", "input": "x", "stream_id": "one", **body})
        refused = checked_frame(await socket.recv())
        assert (refused.type, refused.status) == ("error", status)
        assert (refused.error.code, refused.error.param) == (code, param)
        assert refused.stream_id == (
            "one" if body.get("stream_id", "one") == "one" and "type" not in body else None
        )
        await socket.response.create(model="demo", input="count to 3")
        assert kinds(await until_over(socket)) == TEXT


async def test_a_handshake_is_refused_as_a_request_is(server: ServerProcess, client_of: Client) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with client_of(server, "sk-wrong").responses.connect():
            pass
    assert refused.value.response.status_code == 401
    assert b"invalid_credentials" in refused.value.response.body


async def test_what_is_said_into_an_answer_is_taken_up_by_the_next(
    server: ServerProcess, client_of: Client
) -> None:
    client = client_of(server)
    async with client.responses.connect() as socket:
        await socket.response.create(
            model="demo",
            input="count to 2000",
            instructions="Be brief.",
            stream_id="one",
            metadata={"a": "b"},
        )
        told = await until_over(socket, until=lambda event: event.type == "response.output_text.delta")
        first = told[0].response
        await socket.response.steer(previous_response_id=first.id, input="count to 4")
        told += await until_over(socket, until=lambda event: event.type == "response.steer.accepted")
        accepted = told[-1]
        assert (accepted.steer.previous_response_id, accepted.stream_id) == (first.id, "one")
        told += await until_over(socket)
        stopped = told[-1]
        assert stopped.type == "response.incomplete"
        assert (stopped.response.status, stopped.response.incomplete_details.reason) == (
            "incomplete",
            "steered",
        )
        numbers = [event.sequence_number for event in told]
        assert numbers == sorted(numbers)
        following = await until_over(socket)
        assert kinds(following) == TEXT
        next_one = following[-1].response
        assert (next_one.previous_response_id, next_one.output_text) == (first.id, "1, 2, 3, 4.")
        assert (next_one.instructions, next_one.metadata) == ("Be brief.", {"a": "b"})
        assert {event.stream_id for event in following} == {"one"}
        listed = await client.responses.input_items.list(next_one.id)
        assert [item.content[0].text for item in listed.data] == ["count to 4"]
        await socket.response.steer(previous_response_id=first.id, input="too late")
        late = checked_frame(await socket.recv())
        assert (late.type, late.error.code) == ("response.steer.failed", "response_already_completed")
        assert (late.steer.previous_response_id, late.steer.input) == (first.id, "too late")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"previous_response_id": "resp_x", "input": "x"}, "response_not_found"),
        ({"previous_response_id": "resp_x", "input": ""}, "invalid_input"),
        ({"previous_response_id": "resp_x", "input": [{"role": "system", "content": "x"}]}, "invalid_input"),
    ],
)
async def test_words_that_are_not_taken_go_back(
    server: ServerProcess, client_of: Client, frame: dict[str, Any], code: str
) -> None:
    async with client_of(server).responses.connect() as socket:
        await socket.send({"type": "response.steer", **frame})
        failed: Any = await socket.recv()
        assert (failed.type, failed.error.code, failed.steer.input) == (
            "response.steer.failed",
            code,
            frame["input"],
        )


async def test_what_runs_in_the_background_goes_on_without_its_socket(
    server: ServerProcess, client_of: Client
) -> None:
    """So does what was said into it."""
    client = client_of(server)
    socket = await client.responses.connect().enter()
    await socket.response.create(model="demo", input="count to 2000", background=True)
    (first,) = await until_over(socket, lambda event: event.type == "response.created")
    assert first.response.background
    await until_over(socket, lambda event: event.type == "response.output_text.delta")
    await socket.send(
        {
            "type": "response.steer",
            "previous_response_id": first.response.id,
            "input": "count to 60",
        }
    )
    told = await until_over(
        socket, lambda event: event.type == "response.created" and event.response.id != first.response.id
    )
    await socket.close(code=1000)

    async def whole() -> None:
        response = await client.responses.retrieve(told[-1].response.id)
        assert (response.status, response.background) == ("completed", True)
        assert response.output_text.endswith("60.")

    await eventually(whole)


@pytest.mark.parametrize("code", [1000, 1001])
async def test_who_leaves_stops_what_it_has_asked_for(
    server: ServerProcess, client_of: Client, code: int
) -> None:
    client = client_of(server)
    socket = await client.responses.connect().enter()
    await socket.response.create(model="demo", input="count to 2000")
    first = checked_frame(await socket.recv())
    await socket.close(code=code)

    async def stopped() -> None:
        assert (await client.responses.retrieve(first.response.id)).status == "cancelled"

    await eventually(stopped)
