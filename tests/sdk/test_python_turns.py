"""OpenAI's Python client against the server: turns, items, tools."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from chat.wire.realtime.server import SERVER_EVENT_TYPES
from tests.files.samples import png
from tests.protocol.sdk import validated
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess

from .talk import talk, text_of

TURN = [
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def test_a_turn_of_text(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        response = await client.ask("count to 5")
    assert client.types == ["session.created", *TURN]
    assert response.status == "completed"
    assert client.text == text_of(response) == "1, 2, 3, 4, 5."
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.output_tokens == 5


async def test_a_picture_goes_along(start_server: StartServer, tmp_path: Path) -> None:
    url = f"data:image/png;base64,{base64.b64encode(png(40, 30)).decode()}"
    content: Any = [
        {"type": "input_image", "image_url": url, "detail": "low"},
        {"type": "input_text", "text": "What is it?"},
    ]
    async with talk(start_server(VAR_DIR=str(tmp_path)).ws_url) as client:
        await client.connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}
        )
        shown = (await client.until("conversation.item.done")).item.content
        await client.connection.response.create()
        response = (await client.until("response.done")).response
    assert [part.type for part in shown] == ["input_text", "input_image"]
    assert "40 × 30 pixels" in text_of(response)


async def test_turn_after_turn_in_one_conversation(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        await client.ask("My name is Ada")
        first = await client.ask("What is my name?")
        second = await client.ask("What did I say first?")
    assert "Ada" in text_of(first)
    assert "My name is Ada" in text_of(second)
    assert first.conversation_id == second.conversation_id


async def test_the_client_loses_nothing_of_what_the_server_says(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        await client.say("What is 6*7?")
        await client.connection.response.create()
        event_type = ""
        while event_type != "response.done":
            frame = await client.connection.recv_bytes()
            validated(frame.decode())
            event = client.connection.parse_event(frame)
            assert event.to_dict() == json.loads(frame)
            event_type = event.type


async def test_every_event_that_the_server_has_is_one_of_the_clients(start_server: StartServer) -> None:
    """`Talk` holds each against the client's own type."""
    server = start_server(MESSAGES_PER_MINUTE="1000", TOKENS_PER_MINUTE="1000000")
    tools: Any = [WEATHER]
    async with talk(server.ws_url, {"history": "recent"}) as client:
        await client.until("x_history.done")
        await client.connection.session.update(session={"type": "realtime", "tools": tools})
        await client.ask("What is 6*7?")
        await client.ask("What time is it in Atlantis?")
        call = await client.ask('get_weather in "Berlin"')
        items = client.connection.conversation.item
        await items.retrieve(item_id=call.output[0].id)
        await items.delete(item_id=call.output[0].id)
        await client.until("conversation.item.deleted")
        await items.delete(item_id="none")
        await client.until("error")
        last = await client.ask("count to 3")
        await client.connection.send(
            {"type": "x_feedback.give", "item_id": last.output[0].id, "rating": "up"}  # type: ignore[arg-type]
        )
        until = (await client.until("x_feedback.given")).event_id
        ours: list[Any] = [
            {"type": "response.create", "response": {"x_retry_of": last.id}},
            {"type": "x_version.choose", "item_id": last.output[0].id},
            {"type": "x_history.get", "until": until},
            {"type": "x_ping"},
        ]
        for event, answer in zip(
            ours, ("response.done", "x_version.chosen", "x_history.given", "x_pong"), strict=True
        ):
            await client.connection.send(event)
            await client.until(answer)
    assert {event.type for event in client.events} == SERVER_EVENT_TYPES.keys()


async def test_handlers_instead_of_a_loop(server: ServerProcess) -> None:
    pieces: list[str] = []
    async with talk(server.ws_url) as client:
        client.connection.on("response.output_text.delta", lambda event: pieces.append(event.delta))
        client.connection.on("response.done", lambda event: client.connection.close())
        await client.say("count to 5")
        await client.connection.response.create()
        await asyncio.wait_for(client.connection.dispatch_events(), timeout=60)
    assert "".join(pieces) == "1, 2, 3, 4, 5."


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
async def test_the_client_without_asyncio(server: ServerProcess) -> None:
    def turn() -> str:
        client = OpenAI(api_key="guest", websocket_base_url=f"{server.ws_url}/v1")
        text = ""
        with client, client.realtime.connect(model="demo") as connection:
            connection.conversation.item.create(
                item={
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "count to 5"}],
                }
            )
            connection.response.create()
            for event in connection:
                if event.type == "response.output_text.delta":
                    text += event.delta
                elif event.type == "response.done":
                    return text
        return "closed"

    assert await asyncio.to_thread(turn) == "1, 2, 3, 4, 5."


async def test_what_is_sent_before_there_is_a_connection(server: ServerProcess) -> None:
    """The client keeps it and sends it all at once, before it has read a word of the server's."""
    client = openai.AsyncOpenAI(api_key="guest", websocket_base_url=f"{server.ws_url}/v1")
    manager = client.realtime.connect(model="demo")
    content: Any = [{"type": "input_text", "text": "count to 5"}]
    manager.send(
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "user", "content": content},
        }
    )
    manager.send({"type": "response.create"})
    text = ""
    async with client, manager as connection, asyncio.timeout(60):
        async for event in connection:
            if event.type == "response.output_text.done":
                text = event.text
                break
    assert text == "1, 2, 3, 4, 5."


async def test_a_tool_of_the_servers(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        response = await client.ask("What is 6*7?")
    call, message = response.output
    assert (call.type, call.server_label, call.name) == ("mcp_call", "server", "calculate")
    assert json.loads(call.arguments) == {"expression": "6*7"}
    assert "42" in call.output
    assert call.error is None
    assert "42" in client.text == message.content[0].text
    start = client.types.index("response.mcp_call_arguments.delta")
    assert client.types[start : start + 4] == [
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
    ]


async def test_a_tool_of_the_servers_that_fails(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        response = await client.ask("What time is it in Atlantis?")
    call = response.output[0]
    assert "response.mcp_call.failed" in client.types
    assert (call.output, call.error.type) == (None, "tool_execution_error")
    assert "Atlantis" in call.error.message
    assert response.status == "completed"


async def test_a_tool_of_the_clients_own(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        tools: Any = [WEATHER]
        await client.connection.session.update(session={"type": "realtime", "tools": tools})
        updated = await client.until("session.updated")
        assert updated.session.to_dict()["tools"] == tools
        response = await client.ask('get_weather in "Berlin"')
        (call,) = response.output
        assert (call.type, call.name, json.loads(call.arguments)) == (
            "function_call",
            "get_weather",
            {"city": "Berlin"},
        )
        done = [e for e in client.events if e.type == "response.function_call_arguments.done"]
        assert [(e.call_id, e.name, e.arguments) for e in done] == [(call.call_id, call.name, call.arguments)]
        await client.connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": "rain, all day"}
        )
        assert (await client.until("conversation.item.done")).item.output == "rain, all day"
        await client.connection.response.create()
        response = (await client.until("response.done")).response
    assert "rain, all day" in text_of(response)


async def test_items_are_made_looked_at_and_taken_out(server: ServerProcess) -> None:
    content: Any = [{"type": "input_text", "text": "My name is Ada."}]
    async with talk(server.ws_url) as client:
        items = client.connection.conversation.item
        await items.create(
            item={"id": "mine", "type": "message", "role": "user", "content": content},
            previous_item_id="root",
        )
        added = await client.until("conversation.item.added")
        assert (added.item.id, added.item.content[0].text) == ("mine", "My name is Ada.")
        await items.retrieve(item_id="mine")
        retrieved = (await client.until("conversation.item.retrieved")).item
        assert retrieved.content[0].text == "My name is Ada."
        await items.delete(item_id="mine")
        assert (await client.until("conversation.item.deleted")).item_id == "mine"
        response = await client.ask("What is my name?")
    assert "Ada" not in text_of(response)
