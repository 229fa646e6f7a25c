"""OpenAI's client for Python against the Responses API: what it asks for, it gets, and each event is one of its own types."""

import asyncio
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.responses.conftest import Client
from tests.responses.sdk import checked, checked_response, kinds, text_of
from tests.sockets.conftest import StartServer
from tests.support.log import committed
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

TEXT = [
    "created",
    "queued",
    "in_progress",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "completed",
]
FUNCTION = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}


async def test_an_answer_that_is_not_streamed(server: ServerProcess, client_of: Client) -> None:
    response = await client_of(server).responses.create(
        model="demo", input="count to 3", instructions="Be brief.", metadata={"a": "b"}
    )
    checked_response(response)
    assert (response.status, response.output_text) == ("completed", "1, 2, 3.")
    assert (response.instructions, response.metadata, response.model) == ("Be brief.", {"a": "b"}, "demo")
    assert response.usage
    assert response.usage.total_tokens > 0
    assert response.completed_at
    assert response.conversation is None


async def test_a_name_of_the_vendors_own_stands_for_the_servers_model(
    server: ServerProcess, client_of: Client
) -> None:
    client = client_of(server)
    for name in ("gpt-4o", "gpt-5", "o3", "chatgpt-4o-latest"):
        assert (await client.responses.create(model=name, input="count to 3")).model == "demo"
    with pytest.raises(openai.BadRequestError, match="does not offer the model"):
        await client.responses.create(model="mistral-large", input="count to 3")


async def test_a_stream_in_the_order_that_all_clients_take(server: ServerProcess, client_of: Client) -> None:
    stream = await client_of(server).responses.create(model="demo", input="count to 5", stream=True)
    events = [checked(event) async for event in stream]
    assert kinds(events) == TEXT
    numbers = [event.sequence_number for event in events]
    assert numbers[0] == 0
    assert numbers == sorted(set(numbers))
    assert text_of(events) == events[-1].response.output_text == "1, 2, 3, 4, 5."


async def test_the_clients_own_helpers(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    async with client.responses.stream(model="demo", input="count to 5") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "1, 2, 3, 4, 5."
    half = next(event.sequence_number for event in events if event.type == "response.output_text.delta")
    async with client.responses.stream(response_id=final.id, starting_after=half) as rest:
        again = [event async for event in rest]
        assert (await rest.get_final_response()).output_text == final.output_text
    assert again[0].sequence_number > half
    assert again[-1].type == "response.completed"


def test_the_client_that_is_not_async(shared_server: ServerProcess, transactional_db: None) -> None:
    with OpenAI(api_key="guest", base_url=f"{shared_server.url}/v1") as client:
        first = client.responses.create(model="demo", input="my name is Ada")
        second = client.responses.create(model="demo", input="what is my name", previous_response_id=first.id)
        assert "Ada" in second.output_text
        assert second.previous_response_id == first.id


@pytest.mark.parametrize("background", [False, True])
async def test_any_cut_gives_exactly_the_rest(
    server: ServerProcess, client_of: Client, background: bool
) -> None:
    client = client_of(server)
    stream = await client.responses.create(
        model="demo", input="count to 12", stream=True, background=background
    )
    whole = [checked(event).to_dict() async for event in stream]
    response_id = whole[0]["response"]["id"]
    for place, event in enumerate(whole):
        rest = await client.responses.retrieve(
            response_id, stream=True, starting_after=event["sequence_number"]
        )
        assert [one.to_dict() async for one in rest] == whole[place + 1 :]


async def test_a_reader_that_comes_while_it_runs(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    stream = await client.responses.create(model="demo", input="count to 60", stream=True, background=True)
    seen: list[Any] = []
    async for event in stream:
        seen.append(event.to_dict())
        if len(seen) == 20:
            break
    await stream.close()
    rest = await client.responses.retrieve(
        seen[0]["response"]["id"], stream=True, starting_after=seen[-1]["sequence_number"]
    )
    seen += [event.to_dict() async for event in rest]
    again = await client.responses.retrieve(seen[0]["response"]["id"], stream=True)
    assert seen == [event.to_dict() async for event in again]
    assert seen[-1]["type"] == "response.completed"


async def test_in_the_background(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    response = await client.responses.create(model="demo", input="count to 40", background=True)
    checked_response(response)
    assert (response.status, response.background, response.output) == ("queued", True, [])

    async def done() -> Any:
        now = await client.responses.retrieve(response.id)
        assert now.status == "completed", now.status
        return now

    assert (await eventually(done)).output_text.endswith("39, 40.")


async def test_cancel(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    response = await client.responses.create(model="demo", input="count to 2000", background=True)

    async def runs() -> None:
        assert (await client.responses.retrieve(response.id)).output_text

    await eventually(runs)
    cancelled = checked_response(await client.responses.cancel(response.id))
    assert (cancelled.status, cancelled.x_reason) == ("cancelled", "client_cancelled")
    assert [item.status for item in cancelled.output] == ["incomplete"]
    events = [checked(event) async for event in await client.responses.retrieve(response.id, stream=True)]
    assert (events[-1].type, events[-1].response.status) == ("response.incomplete", "cancelled")
    assert text_of(events) == cancelled.output_text
    assert (await client.responses.cancel(response.id)).to_dict() == cancelled.to_dict()


async def test_a_lost_connection_stops_what_is_not_in_the_background(
    server: ServerProcess, client_of: Client
) -> None:
    client = client_of(server)
    stream = await client.responses.create(model="demo", input="count to 2000", stream=True)
    first = await anext(aiter(stream))
    await stream.close()

    async def stopped() -> None:
        assert (await client.responses.retrieve(first.response.id)).status == "cancelled"

    await eventually(stopped)


async def test_a_function_of_the_clients(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    stream = await client.responses.create(
        model="demo",
        input="What is the weather in Oslo?",
        tools=[FUNCTION],
        stream=True,
        tool_choice="required",
    )
    events = [checked(event) async for event in stream]
    calls = [item for item in events[-1].response.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather"]
    assert kinds(events)[3:] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    output = {"type": "function_call_output", "call_id": calls[0].call_id, "output": "4 degrees, rain"}
    answer = await client.responses.create(
        model="demo", input=[output], tools=[FUNCTION], previous_response_id=events[-1].response.id
    )
    assert "4 degrees, rain" in checked_response(answer).output_text
    listed = await client.responses.input_items.list(answer.id)
    assert [item.to_dict()["output"] for item in listed.data] == ["4 degrees, rain"]


async def test_the_whole_history_is_taken_as_well(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    first = await client.responses.create(model="demo", input="my name is Grace")
    history = [
        {"role": "user", "content": "my name is Grace"},
        {"role": "assistant", "id": first.output[0].id, "content": first.output_text},
        {"type": "item_reference", "id": first.output[0].id},
        {"role": "user", "content": [{"type": "input_text", "text": "what is my name"}]},
    ]
    history.pop(1)
    second = await client.responses.create(model="demo", input=history)
    assert "Grace" in second.output_text


async def test_another_answer_to_an_earlier_response(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    one = await client.responses.create(model="demo", input="my name is Ada")
    two = await client.responses.create(model="demo", input="my name is Bob", previous_response_id=one.id)
    other = await client.responses.create(model="demo", input="what is my name", previous_response_id=one.id)
    same = await client.responses.create(model="demo", input="what is my name", previous_response_id=two.id)
    assert "Ada" in other.output_text
    assert "Bob" in same.output_text


async def test_what_is_not_offered_is_told_as_an_error(server: ServerProcess, client_of: Client) -> None:
    """A page for people would be an error without a name."""
    client = client_of(server)
    for asked, call in (
        (client.embeddings.create(model="demo", input="x"), "POST /v1/embeddings"),
        (client.moderations.create(input="x"), "POST /v1/moderations"),
        (client.files.retrieve("file_1"), "GET /v1/files/file_1"),
        (client.files.delete("file_1"), "DELETE /v1/files/file_1"),
        (client.files.list(), "GET /v1/files"),
        (client.get("/realtime/client_secrets", cast_to=object), "GET /v1/realtime/client_secrets"),
        (client.post("/realtime", cast_to=object), "POST /v1/realtime"),
        (client.vector_stores.list(), "GET /v1/vector_stores"),
        (client.post("/realtime/calls", cast_to=object), "POST /v1/realtime/calls"),
    ):
        with pytest.raises(openai.NotFoundError) as refused:
            await asked
        assert (refused.value.code, refused.value.type) == ("not_found", "invalid_request_error")
        assert f"{call} is not offered here." in refused.value.message


async def test_conversations(server: ServerProcess, client_of: Client, key: str) -> None:
    client = client_of(server, key)
    conversation = await client.conversations.create(
        items=[{"type": "message", "role": "user", "content": "my name is Ada"}], metadata={"topic": "names"}
    )
    assert conversation.metadata == {"topic": "names"}
    answer = await client.responses.create(
        model="demo", input="what is my name", conversation=conversation.id
    )
    assert "Ada" in answer.output_text
    assert answer.conversation
    assert answer.conversation.id == conversation.id
    items = (await client.conversations.items.list(conversation.id, order="asc")).data
    assert [(item.type, item.role) for item in items] == [
        ("message", "user"),
        ("message", "user"),
        ("message", "assistant"),
    ]
    await client.conversations.items.delete(str(items[0].id), conversation_id=conversation.id)
    page = await client.conversations.items.list(conversation.id, limit=1)
    assert [item.id for item in page.data] == [items[2].id]
    assert page.has_more
    changed = await client.conversations.update(conversation.id, metadata={"topic": "none"})
    assert changed.metadata == {"topic": "none"}
    added = await client.conversations.items.create(
        conversation.id, items=[{"type": "message", "role": "user", "content": "and again"}]
    )
    found = await client.conversations.items.retrieve(str(added.data[0].id), conversation_id=conversation.id)
    assert found.to_dict() == added.data[0].to_dict()
    assert (await client.conversations.delete(conversation.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(conversation.id)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "000000100999", "9" * 40])
async def test_a_page_is_never_longer_than_pages_are(
    server: ServerProcess, client_of: Client, key: str, limit: str
) -> None:
    client = client_of(server, key)
    made = await client.conversations.create()
    with pytest.raises(openai.BadRequestError) as refused:
        await client.get(f"/conversations/{made.id}/items?limit={limit}", cast_to=object)
    assert refused.value.param == "limit"


async def test_delete(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    response = await client.responses.create(model="demo", input="count to 3")
    await client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(response.id)


async def test_what_is_not_to_be_stored_is_not_given_out(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    response = await client.responses.create(model="demo", input="count to 3", store=False)
    assert (response.output_text, response.store) == ("1, 2, 3.", False)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(response.id)


async def test_models(server: ServerProcess, client_of: Client) -> None:
    client = client_of(server)
    assert [model.id async for model in client.models.list()] == ["demo"]
    assert (await client.models.retrieve("demo")).owned_by == "demo"


async def test_nobody_else_finds_it(server: ServerProcess, client_of: Client, key: str) -> None:
    mine = await client_of(server, key).responses.create(model="demo", input="count to 3")
    assert mine.conversation
    stranger = client_of(server)
    for call in (
        stranger.responses.retrieve(mine.id),
        stranger.responses.cancel(mine.id),
        stranger.responses.delete(mine.id),
        stranger.responses.create(model="demo", input="x", previous_response_id=mine.id),
        stranger.responses.create(model="demo", input="x", conversation=mine.conversation.id),
        stranger.responses.create(
            model="demo", input=[{"type": "item_reference", "id": str(mine.output[0].id)}]
        ),
    ):
        with pytest.raises(openai.NotFoundError):
            await call


class Answer(BaseModel):
    city: str


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"tools": [{"type": "web_search"}]}, "unsupported_parameter", "tools[0].type"),
    ({"text": {"format": {"type": "json_object"}}}, "invalid_event", "text.format.type"),
    ({"prompt": {"id": "pmpt_1"}}, "unsupported_parameter", "prompt"),
    ({"max_tool_calls": 3}, "unsupported_parameter", "max_tool_calls"),
    ({"model": "openai:nobody"}, "model_not_allowed", "model"),
    ({"input": [{"type": "computer_call_output"}]}, "unsupported_item", "input[0].type"),
    ({"input": ""}, "empty_message", "input.content"),
    ({"background": True, "store": False}, "unsupported_parameter", "store"),
    ({"nonsense": 1}, "unknown_parameter", "nonsense"),
    ({"tool_choice": "nobody"}, "unsupported_parameter", "tool_choice"),
    ({"previous_response_id": "a", "conversation": "b"}, "invalid_event", "previous_response_id"),
]


@pytest.mark.parametrize(("body", "code", "param"), REFUSED, ids=lambda one: str(one)[:40])
async def test_what_is_not_offered_is_refused_by_its_name(
    server: ServerProcess, client_of: Client, body: dict[str, Any], code: str, param: str
) -> None:
    given = {"model": "demo", "input": "x", **body}
    with pytest.raises(openai.BadRequestError) as refused:
        await client_of(server).post("/responses", body=given, cast_to=object)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.type == "invalid_request_error"
    assert refused.value.request_id
    assert refused.value.request_id.startswith("req_")


NUL: list[tuple[str, str, str]] = [
    ("get", "/responses/resp_%00", "path"),
    ("post", "/responses/resp_%00/cancel", "path"),
    ("delete", "/responses/resp_%00", "path"),
    ("get", "/responses/resp_%00/input_items", "path"),
    ("get", "/conversations/conv_%00", "path"),
    ("get", "/conversations/conv_1/items?after=item_%00", "after"),
    ("get", "/conversations/conv_1/items/item_%00", "path"),
    ("get", "/models?a%00b=1", "query"),
]


@pytest.mark.parametrize(("method", "path", "param"), NUL)
async def test_an_address_that_no_database_can_look_for_makes_no_sense(
    server: ServerProcess, client_of: Client, key: str, method: str, path: str, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await getattr(client_of(server, key), method)(path, cast_to=object)
    assert (refused.value.code, refused.value.param) == ("invalid_text", param)


async def test_who_shows_nothing_or_something_wrong(server: ServerProcess, client_of: Client) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        await client_of(server, "sk-wrong").responses.create(model="demo", input="x")
    assert refused.value.code == "invalid_credentials"


async def test_what_is_left_is_told_to_who_is_refused_as_well(
    start_server: StartServer, client_of: Client, key: str
) -> None:
    client = client_of(start_server(MESSAGES_PER_MINUTE="1"), key)
    answered = await client.responses.with_raw_response.create(model="demo", input="count to 3")
    assert answered.headers["x-ratelimit-remaining-requests"] == "0"
    messages: Any = [{"role": "user", "content": "count to 3"}]
    for asked in (
        client.responses.create(model="demo", input="count to 3"),
        client.chat.completions.create(model="demo", messages=messages),
    ):
        with pytest.raises(openai.RateLimitError) as refused:
            await asked
        told = refused.value.response.headers
        assert int(told["retry-after"]) > 30
        assert told["x-ratelimit-limit-requests"] == "1"
        assert told["x-ratelimit-remaining-requests"] == "0"
        assert float(told["x-ratelimit-reset-requests"].removesuffix("s")) > 30


async def test_a_body_that_comes_again_is_the_same_turn(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    """With the SDK's own word that it repeats itself, or under a key."""
    client = client_of(server, key)
    body = {"model": "demo", "input": "count to 30"}

    async def post(**headers: str) -> Any:
        return await client.post("/responses", body=body, cast_to=object, options={"headers": headers})

    first = asyncio.create_task(post())
    await committed("response_started")
    repeated = await post(**{"x-stainless-retry-count": "1"})
    assert repeated == await first
    assert (await post())["id"] != repeated["id"]
    named = await post(**{"Idempotency-Key": "one"})
    assert await post(**{"Idempotency-Key": "one"}) == named
    assert (await post(**{"Idempotency-Key": "two"}))["id"] != named["id"]
    at_once = await asyncio.gather(*(post(**{"Idempotency-Key": "three"}) for _ in range(4)))
    assert len({one["id"] for one in at_once}) == 1


async def test_two_guests_of_one_address_are_not_each_others_repeats(
    server: ServerProcess, client_of: Client
) -> None:
    """Nothing tells them apart, and a key that one of them counts up may be the other's as well."""
    same = {"Idempotency-Key": "message-1"}

    async def asked(text: str) -> Any:
        return await client_of(server).responses.create(model="demo", input=text, extra_headers=same)

    first = await asked("my name is Ada")
    other = await asked("count to 3")
    assert "Ada" in first.output_text
    assert "Ada" not in other.output_text
    assert (await asked("my name is Ada")).id == first.id


@pytest.mark.parametrize("stream", [True, False])
async def test_who_asks_again_keeps_an_answer_whose_first_connection_is_lost(
    server: ServerProcess, client_of: Client, key: str, stream: bool
) -> None:
    """The server may hear of the loss only when the client has long come back."""
    client = client_of(server, key)
    same = {"Idempotency-Key": "one"}
    lost = await client.responses.create(model="demo", input="count to 300", stream=True, extra_headers=same)
    await anext(aiter(lost))
    again = asyncio.create_task(
        client.responses.create(model="demo", input="count to 300", stream=stream, extra_headers=same)
    )
    await asyncio.sleep(0.5)
    await lost.close()
    told = await again
    last = [checked(event) async for event in told][-1].response if stream else told
    assert last.status == "completed"
