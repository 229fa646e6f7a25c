"""The server's own tools over the Responses API, those that need a person's yes, and answers by a schema: on the local Gemini."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.fakes.gemini_script import say
from tests.fakes.gemini_server import GeminiServer
from tests.responses.conftest import Client
from tests.responses.sdk import checked, checked_response, kinds
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "start_shop"]

PAY = ("pay", {"amount": 5, "to": "Ann"})


async def test_a_tool_of_the_servers_runs_within_the_answer(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client, ledger: Ledger
) -> None:
    gemini.then(calls(("look_up", {"shelf": "A"})), say("It is empty."))
    client = client_of(start_shop())
    stream = await client.responses.create(input="What is on shelf A?", stream=True)
    events = [checked(event) async for event in stream]
    assert kinds(events)[3:9] == [
        "output_item.added",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
        "output_item.done",
    ]
    call, message = events[-1].response.output
    assert (call.type, call.status, call.output) == ("mcp_call", "completed", "Shelf A is empty.")
    assert message.content[0].text == "It is empty."
    assert ledger.lines() == ["looked at A"]


@pytest.mark.parametrize("approve", [True, False])
async def test_a_tool_that_needs_a_yes_waits_for_it(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client, ledger: Ledger, approve: bool
) -> None:
    """As the agents' SDKs answer: the request is repeated before its answer."""
    gemini.then(calls(PAY), say("So be it."))
    client = client_of(start_shop())
    asked = checked_response(await client.responses.create(input="Pay Ann"))
    (request,) = asked.output
    assert (request.type, request.name, json.loads(request.arguments)) == ("mcp_approval_request", *PAY)
    assert (asked.status, ledger.lines()) == ("completed", [])
    answer: Any = {
        "type": "mcp_approval_response",
        "approval_request_id": request.id,
        "approve": approve,
    }
    done = checked_response(
        await client.responses.create(input=[request.to_dict(), answer], previous_response_id=asked.id)
    )
    assert done.output_text == "So be it."
    assert len(ledger.lines()) == approve
    made = [item for item in done.output if item.type == "mcp_call"]
    assert [(item.approval_request_id, item.output) for item in made] == (
        [(request.id, "Paid 5 to Ann.")] if approve else []
    )
    listed = await client.responses.input_items.list(done.id)
    assert [item.type for item in listed.data] == ["mcp_approval_response"]
    with pytest.raises(openai.ConflictError) as refused:
        await client.responses.create(input=[answer], previous_response_id=done.id)
    assert refused.value.code == "already_decided"
    assert refused.value.response.headers["x-should-retry"] == "false"


async def test_a_conversation_keeps_a_copy_of_what_was_asked_and_decided_elsewhere(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client, ledger: Ledger, key: str
) -> None:
    """As the sessions of OpenAI's agents do: each answer is given in a session of its own, and all of its items are kept in a
    conversation, the answer to the question before it was sent."""
    gemini.then(calls(PAY), say("So be it."))
    client = client_of(start_shop(), key)
    conversation = await client.conversations.create(items=[])
    said: Any = {"role": "user", "content": "Pay Ann"}
    await client.conversations.items.create(conversation.id, items=[said])
    (request,) = (await client.responses.create(input=[said])).output
    question: Any = request.to_dict()
    answer: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}
    await client.conversations.items.create(conversation.id, items=[question])
    kept = await client.conversations.items.create(conversation.id, items=[answer])
    assert (kept.data, ledger.lines()) == ([], [])
    done = await client.responses.create(input=[said, question, answer])
    assert (done.output_text, len(ledger.lines())) == ("So be it.", 1)
    await client.conversations.items.create(conversation.id, items=[one.to_dict() for one in done.output])
    items = (await client.conversations.items.list(conversation.id, order="asc")).data
    assert [item.type for item in items] == ["message", "function_call", "function_call_output", "message"]
    copied = await client.conversations.create(items=[said, question, answer])
    assert [one.type for one in (await client.conversations.items.list(copied.id)).data] == ["message"]


async def test_a_conversations_own_question_is_not_decided_by_its_items(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client, ledger: Ledger, key: str
) -> None:
    gemini.then(calls(PAY))
    client = client_of(start_shop(), key)
    conversation = await client.conversations.create(items=[])
    (request,) = (await client.responses.create(input="Pay Ann", conversation=conversation.id)).output
    answer: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}
    with pytest.raises(openai.BadRequestError, match="decided by POST /v1/responses"):
        await client.conversations.items.create(conversation.id, items=[answer])
    assert ledger.lines() == []


async def test_a_question_that_a_client_passes_over_stays_open(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client, ledger: Ledger
) -> None:
    """Pydantic AI knows no such item: it asks again, with a complaint, and the program answers behind its back."""
    gemini.then(calls(PAY), say("Fine, I leave it."), say("So be it."))
    client = client_of(start_shop())
    said: Any = {"role": "user", "content": "Pay Ann"}
    asked = await client.responses.create(input=[said])
    complaint: Any = {"role": "user", "content": "Validation feedback:\nPlease return text."}
    again = await client.responses.create(input=[said, complaint])
    assert (again.output_text, ledger.lines()) == ("Fine, I leave it.", [])
    answer: Any = {
        "type": "mcp_approval_response",
        "approval_request_id": asked.output[0].id,
        "approve": True,
    }
    done = await client.responses.create(input=[answer], previous_response_id=asked.id)
    assert (done.output_text, len(ledger.lines())) == ("So be it.", 1)


async def test_outputs_that_are_told_again_are_no_news(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client
) -> None:
    """Semantic Kernel's agent names the response before, and tells its turn from the beginning all the same. Another output of
    the same call is refused."""
    look: Any = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
    gemini.then(calls(("look", {})), calls(("look", {})), say("Rain both times."))
    client = client_of(start_shop())
    turn: list[Any] = [{"role": "user", "content": "Look twice"}]
    response = await client.responses.create(input=turn, tools=[look])
    for output in ("rain at first", "rain again"):
        (call,) = response.output
        turn.append({"type": "function_call_output", "call_id": call.call_id, "output": output})
        response = await client.responses.create(input=turn, tools=[look], previous_response_id=response.id)
    assert response.output_text == "Rain both times."
    told = json.dumps(gemini.requests[-1]["contents"])
    assert (told.count("rain at first"), told.count("rain again")) == (1, 1)
    with pytest.raises(openai.BadRequestError, match="no open function call"):
        await client.responses.create(
            input=[{**turn[1], "output": "sun"}], tools=[look], previous_response_id=response.id
        )


class Weather(BaseModel):
    city: str
    degrees: int


async def test_an_answer_by_a_schema_is_parsed(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client
) -> None:
    gemini.then(say('{"city": "Oslo",', ' "degrees": 4}'))
    parsed = await client_of(start_shop()).responses.parse(input="The weather?", text_format=Weather)
    assert parsed.output_parsed == Weather(city="Oslo", degrees=4)
    config = gemini.requests[-1]["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert set(config["responseJsonSchema"]["required"]) == {"city", "degrees"}


async def test_a_schema_with_what_not_every_model_keeps_to_is_refused(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client
) -> None:
    """Whatever a tool's schema would say in words, or leave out."""
    client = client_of(start_shop())
    bounds: list[Any] = [
        {"pattern": "^x$"},
        {"multipleOf": 5},
        {"exclusiveMinimum": True},
        {"not": {"const": 1}},
    ]
    for bound in bounds:
        inner = {"type": "array", "items": {"type": "integer", **bound}}
        schema = {
            "type": "object",
            "properties": {"a": inner},
            "required": ["a"],
            "additionalProperties": False,
        }
        wanted: Any = {"format": {"type": "json_schema", "name": "n", "strict": True, "schema": schema}}
        with pytest.raises(openai.BadRequestError, match="not every model keeps to"):
            await client.responses.create(input="Hi", text=wanted)
    assert gemini.requests == []


async def test_a_schema_that_is_not_strict_need_not_speak_of_further_properties(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client
) -> None:
    """As the command `llm` sends one for `--schema`, over either API; a strict one has to say it, as at the vendor."""
    days = {"type": "array", "items": _open(name={"type": "string"})}
    schema = _open(city={"type": "string"}, days=days)
    gemini.then(say('{"city": "Oslo", "days": []}'), say('{"city": "Oslo", "days": []}'))
    client = client_of(start_shop())
    form: Any = {"type": "json_schema", "json_schema": {"name": "output", "schema": schema}}
    completion = await client.chat.completions.create(
        model="gpt-5", messages=[{"role": "user", "content": "The weather?"}], response_format=form
    )
    assert json.loads(completion.choices[0].message.content) == {"city": "Oslo", "days": []}
    flat: Any = {"type": "json_schema", "name": "output", "schema": schema, "strict": False}
    response = await client.responses.create(input="The weather?", text={"format": flat})
    assert json.loads(response.output_text) == {"city": "Oslo", "days": []}
    asked = gemini.requests[-1]["generationConfig"]["responseJsonSchema"]
    assert (
        asked["additionalProperties"] is asked["properties"]["days"]["items"]["additionalProperties"] is False
    )
    with pytest.raises(openai.BadRequestError, match="additionalProperties: false"):
        await client.responses.create(input="The weather?", text={"format": {**flat, "strict": True}})


def _open(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
