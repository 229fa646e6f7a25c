"""OpenAI's Python client and the turns that are not one after the other: those that wait for their turn, for a person's
yes, and those outside of the conversation."""

from typing import Any

import pytest

from tests.support.server import ServerProcess

from .talk import Talk, talk, text_of


def of_type(client: Talk, event_type: str) -> list[Any]:
    return [event for event in client.events if event.type == event_type]


# Turns that wait


async def test_a_turn_that_waits_is_told_so_at_once(slow_server: ServerProcess) -> None:
    async with talk(slow_server.ws_url) as client:
        await client.say("count to 20")
        await client.connection.response.create(event_id="first")
        await client.until("response.output_text.delta")
        await client.say("count to 3")
        await client.connection.response.create(event_id="second", response={"metadata": {"which": "second"}})
        waiting = (await client.until("response.created")).response
        assert (waiting.status, waiting.x_queued, waiting.metadata) == (
            "in_progress",
            {"position": 1},
            {"which": "second"},
        )
        first = (await client.until("response.done")).response
        second = (await client.until("response.done")).response
    assert text_of(first).endswith("19, 20.")
    assert (second.id, text_of(second), second.metadata) == (waiting.id, "1, 2, 3.", {"which": "second"})
    created = [event.response for event in of_type(client, "response.created")]
    assert [response.id for response in created] == [first.id, waiting.id, waiting.id]
    assert "x_queued" not in created[-1].to_dict()


async def test_a_turn_that_waits_is_taken_back(slow_server: ServerProcess) -> None:
    async with talk(slow_server.ws_url) as client:
        await client.say("count to 20")
        await client.connection.response.create()
        await client.until("response.output_text.delta")
        await client.connection.response.create()
        waiting = (await client.until("response.created")).response
        await client.connection.response.cancel(response_id=waiting.id)
        cancelled = (await client.until("response.done")).response
        assert (cancelled.id, cancelled.status, cancelled.output) == (waiting.id, "cancelled", [])
        assert text_of((await client.until("response.done")).response).endswith("19, 20.")


# A person's yes


async def asked_for(client: Talk) -> Any:
    """The request to read the letter, from a response that ended with it."""
    response = await client.ask('read_letter "home"')
    (request,) = response.output
    assert response.status == "completed"
    assert (request.type, request.name, request.server_label) == (
        "mcp_approval_request",
        "read_letter",
        "server",
    )
    assert request.arguments == '{"name":"home"}'
    done = of_type(client, "conversation.item.done")
    assert done[-1].item.to_dict() == request.to_dict()
    return request


@pytest.mark.parametrize("approve", [True, False])
async def test_a_tool_that_a_person_has_to_allow(server: ServerProcess, approve: bool) -> None:
    async with talk(server.ws_url) as client:
        request = await asked_for(client)
        await client.connection.conversation.item.create(
            item={
                "type": "mcp_approval_response",
                "id": "my_word",
                "approval_request_id": request.id,
                "approve": approve,
                "reason": "because I say so",
            }
        )
        answer = (await client.until("conversation.item.done")).item
        assert (answer.type, answer.id, answer.approve) == ("mcp_approval_response", "my_word", approve)
        assert answer.approval_request_id == request.id
        response = (await client.until("response.done")).response
        assert response.status == "completed"
        calls = [item for item in response.output if item.type == "mcp_call"]
        if approve:
            assert [(call.approval_request_id, call.output) for call in calls] == [
                (request.id, "The letter home says: hello.")
            ]
        else:
            assert calls == []
            assert "because I say so" in text_of(response)
        assert text_of(await client.ask("count to 3")) == "1, 2, 3."


async def test_a_yes_from_another_socket_of_the_session(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        request = await asked_for(client)
        async with talk(server.ws_url, client.place.query) as other:
            yes: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}
            await other.connection.conversation.item.create(item=yes)
            response = (await client.until("response.done")).response
            assert response.output[0].output == "The letter home says: hello."
            await other.until("response.done")
            await other.connection.conversation.item.create(item=yes, event_id="again")
            error = (await other.until("error")).error
    assert (error.code, error.event_id) == ("already_decided", "again")


async def test_a_yes_after_the_session_has_ended(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        request = await asked_for(client)
    async with talk(server.ws_url, client.place.query) as client:
        yes: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}
        await client.connection.conversation.item.create(item=yes)
        response = (await client.until("response.done")).response
    assert response.output[0].output == "The letter home says: hello."


async def test_an_answer_to_no_request(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        await client.connection.conversation.item.create(
            item={
                "type": "mcp_approval_response",
                "id": "x",
                "approval_request_id": "item_none",
                "approve": True,
            },
            event_id="mine",
        )
        error = (await client.until("error")).error
    assert (error.code, error.param, error.event_id) == (
        "item_not_found",
        "item.approval_request_id",
        "mine",
    )


# Outside of the conversation


async def test_a_response_outside_of_the_conversation(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        await client.ask("My name is Ada")
        before = len(client.events)
        content: Any = [{"type": "input_text", "text": "My name is Bob"}]
        question: Any = [{"type": "input_text", "text": "What is my name?"}]
        await client.connection.response.create(
            response={
                "conversation": "none",
                "metadata": {"topic": "aside"},
                "input": [
                    {"type": "message", "role": "user", "content": content},
                    {"type": "message", "role": "user", "content": question},
                ],
            }
        )
        response = (await client.until("response.done")).response
        aside = [event.type for event in client.events[before:]]
        assert (response.status, response.conversation_id) == ("completed", None)
        assert response.metadata == {"topic": "aside"}
        assert "Bob" in text_of(response)
        assert [name for name in aside if name.startswith("conversation.")] == []
        assert {"response.created", "response.output_item.added", "response.output_text.delta"} <= set(aside)
        assert "Ada" in text_of(await client.ask("What is my name?"))


async def test_a_response_outside_that_looks_at_the_conversation(server: ServerProcess) -> None:
    async with talk(server.ws_url) as client:
        await client.say("My name is Ada")
        said = (await client.until("conversation.item.done")).item
        question: Any = [{"type": "input_text", "text": "What is my name?"}]
        await client.connection.send(
            {
                "type": "response.create",
                "response": {
                    "conversation": "none",
                    "input": [
                        {"type": "item_reference", "id": said.id},
                        {"type": "message", "role": "user", "content": question},
                    ],
                },
            }
        )
        assert "Ada" in text_of((await client.until("response.done")).response)


async def test_an_outside_response_runs_a_tool(server: ServerProcess) -> None:
    content: Any = [{"type": "input_text", "text": "What is 6*7?"}]
    async with talk(server.ws_url) as client:
        await client.connection.response.create(
            response={
                "conversation": "none",
                "input": [{"type": "message", "role": "user", "content": content}],
            }
        )
        response = (await client.until("response.done")).response
    assert [item.type for item in response.output] == ["mcp_call", "message"]
    assert "42" in text_of(response)
    assert not any(event.type.startswith("conversation.") for event in client.events)


# Coming back


async def test_any_place_of_such_a_session_is_one_to_come_back_to(slow_server: ServerProcess) -> None:
    """A turn that waits, one that is taken back and one outside, all in one another's way."""
    content: Any = [{"type": "input_text", "text": "What is 6*7?"}]
    aside: Any = {"conversation": "none", "input": [{"type": "message", "role": "user", "content": content}]}
    async with talk(slow_server.ws_url) as client:
        await client.say("count to 12")
        await client.connection.response.create()
        await client.until("response.output_text.delta")
        await client.connection.response.create(response=aside)
        await client.until("response.created")
        await client.say("count to 3")
        await client.connection.response.create()
        taken_back = (await client.until("response.created")).response.id
        await client.connection.response.create(response={"instructions": "Be brief."})
        await client.connection.response.cancel(response_id=taken_back)
        for _ in range(4):
            await client.until("response.done")
    whole = [event.to_dict() for event in client.events[1:]]
    for cut in range(1, len(whole), 4):
        query = {**client.place.query, "last_event_id": whole[cut - 1]["event_id"]}
        async with talk(slow_server.ws_url, query) as again:
            assert (await again.next()).x_stream["resumed"] is True
            while len(again.events) <= len(whole) - cut:
                await again.next()
        assert [event.to_dict() for event in again.events[1:]] == whole[cut:]
