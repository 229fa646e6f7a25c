"""Responses outside the conversation, and what the model is given to look at instead of it."""

import json
from typing import Any

from tests.fakes.gemini_server import GeminiServer
from tests.support.sockets import Realtime, realtime

from .shop import StartShop, calls, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "start_shop"]


def message(role: str, text: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


async def respond(client: Realtime, **response: Any) -> dict[str, Any]:
    await client.send(type="response.create", response=response)
    return dict((await client.until("response.done"))["response"])


def contents(gemini: GeminiServer) -> str:
    return json.dumps(gemini.requests[-1]["contents"])


async def test_it_leaves_no_trace_in_the_conversation(start_shop: StartShop, gemini: GeminiServer) -> None:
    server = start_shop()
    async with realtime(server.ws_url) as client:
        await client.ask("My name is Ada")
        seen = len(client.frames)
        done = await respond(
            client,
            conversation="none",
            metadata={"purpose": "title"},
            input=[message("user", "A title for zebras, please")],
        )
        frames = client.frames[seen:]
        assert (done["status"], done["conversation_id"]) == ("completed", None)
        assert done["metadata"] == {"purpose": "title"}
        assert not [frame for frame in frames if frame["type"].startswith("conversation.item")]
        assert "zebras" in contents(gemini)
        assert "Ada" not in contents(gemini)
        await client.ask("Who am I?")
        assert "zebras" not in contents(gemini)
        assert "Ada" in contents(gemini)


async def test_without_input_it_sees_the_conversation(start_shop: StartShop, gemini: GeminiServer) -> None:
    server = start_shop()
    async with realtime(server.ws_url) as client:
        await client.ask("My name is Ada")
        await respond(client, conversation="none", instructions="Summarise.")
        assert "Ada" in contents(gemini)


async def test_references_and_calls_in_the_input(start_shop: StartShop, gemini: GeminiServer) -> None:
    server = start_shop()
    async with realtime(server.ws_url) as client:
        await client.ask("My name is Ada")
        said = next(frame["item"] for frame in client.frames if frame["type"] == "conversation.item.done")
        await respond(
            client,
            conversation="none",
            input=[
                {"type": "item_reference", "id": said["id"]},
                {"type": "function_call", "call_id": "c1", "name": "get_time", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "noon"},
                message("user", "So?"),
            ],
        )
        assert "Ada" in contents(gemini)
        assert "noon" in contents(gemini)


async def test_input_within_the_conversation_counts_for_this_answer_alone(
    start_shop: StartShop, gemini: GeminiServer
) -> None:
    server = start_shop()
    async with realtime(server.ws_url) as client:
        await client.ask("My name is Ada")
        done = await respond(client, input=[message("user", "Say something about zebras")])
        assert done["conversation_id"] is not None
        assert "Ada" not in contents(gemini)
        await client.ask("And now?")
        asked = [content for content in gemini.requests[-1]["contents"] if content["role"] == "user"]
        assert [content["parts"][0]["text"] for content in asked] == ["My name is Ada", "And now?"]


async def test_a_reference_to_nothing_is_an_error(start_shop: StartShop) -> None:
    server = start_shop()
    async with realtime(server.ws_url) as client:
        await client.send(
            type="response.create",
            event_id="mine",
            response={"conversation": "none", "input": [{"type": "item_reference", "id": "item_none"}]},
        )
        error = (await client.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == (
            "item_not_found",
            "response.input[0]",
            "mine",
        )


async def test_tools_run_there_but_none_that_needs_a_yes(start_shop: StartShop, gemini: GeminiServer) -> None:
    gemini.then(calls(("calculate", {"expression": "6*7"}), ("pay", {"amount": 5, "to": "Ann"})))
    server = start_shop()
    async with realtime(server.ws_url) as client:
        done = await respond(client, conversation="none", input=[message("user", "Do it")])
        first, second, *_ = done["output"]
        assert first["output"] is not None
        assert "approval" in second["error"]["message"]


async def test_it_is_not_refused_while_an_answer_runs(start_shop: StartShop) -> None:
    server = start_shop(TURN_POLICY="reject")
    async with realtime(server.ws_url) as client:
        await client.say("Tell me a long story")
        await client.until("response.created")
        await client.send(
            type="response.create", response={"conversation": "none", "input": [message("user", "Hi")]}
        )
        ends = [(await client.until("response.done"))["response"] for _ in range(2)]
        assert [end["conversation_id"] is None for end in ends] == [False, True]
