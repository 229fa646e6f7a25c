"""The Realtime dialect over a real socket: a turn, its tools, its settings, its stop."""

import asyncio
import json
from typing import Any

from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, joined, realtime

from .conftest import StartServer

TEXT_TURN = [
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


def kinds(frames: list[Frame]) -> list[str]:
    """The types in order, a run of one type as one."""
    types = [frame["type"] for frame in frames]
    return [kind for index, kind in enumerate(types) if index == 0 or types[index - 1] != kind]


async def stored(session_id: str, *types: str) -> list[SessionEvent]:
    return await in_db_thread(
        lambda: list(SessionEvent.objects.filter(session_id=session_id, event_type__in=types).order_by("seq"))
    )


async def test_a_text_turn_has_its_frames_in_order(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        assert client.created["type"] == "session.created"
        assert client.created["session"]["model"] == "demo"
        assert "demo model" in client.created["x_notice"]
        text, done = await client.ask("count to 5")
    assert kinds(client.frames[1:]) == TEXT_TURN
    response = done["response"]
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["text"] == text
    assert response["usage"]["output_tokens"] > 0


async def test_what_is_acknowledged_is_in_the_database(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        await client.say("count to 5")
        item = (await client.until("conversation.item.done"))["item"]
        messages = await stored(client.session_id, "user_message")
        assert [message.payload["item_id"] for message in messages] == [item["id"]]
        await client.until("response.done")
        final = await stored(client.session_id, "assistant_message", "response_done")
        assert [event.event_type for event in final] == ["assistant_message", "response_done"]
        assert final[0].content == joined(client.frames)


async def test_deltas_join_to_the_final_text(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        text, _ = await client.ask("count to 300")
        done = [frame for frame in client.frames if frame["type"] == "response.output_text.done"]
        assert [frame["text"] for frame in done] == [text]


async def test_a_server_tool_shows_as_an_mcp_call_and_is_logged_around(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        text, done = await client.ask("What is 17.5% of 2340?")
        assert "409.5" in text
    kinds_seen = kinds(client.frames)
    for wanted in (
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
    ):
        assert wanted in kinds_seen
    call, message = done["response"]["output"]
    assert (call["type"], call["name"], call["server_label"]) == ("mcp_call", "calculate", "server")
    assert "409.5" in call["output"]
    assert message["type"] == "message"
    events = await stored(client.session_id, "tool_call", "tool_result", "response_done")
    assert [event.event_type for event in events] == ["tool_call", "tool_result", "response_done"]


async def test_a_clients_own_tool_is_called_and_answered(server: ServerProcess) -> None:
    tool = {
        "type": "function",
        "name": "get_time",
        "description": "The time in a zone.",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
    }
    async with realtime(server.ws_url) as client:
        await client.send(type="session.update", session={"type": "realtime", "tools": [tool]})
        updated = await client.until("session.updated")
        assert updated["session"]["tools"][0]["name"] == "get_time"
        _, done = await client.ask("What time is it in Tokyo?")
        call = done["response"]["output"][0]
        assert (call["type"], call["name"]) == ("function_call", "get_time")
        await client.send(
            type="conversation.item.create",
            item={"type": "function_call_output", "call_id": call["call_id"], "output": "it is 12:34"},
        )
        await client.send(type="response.create")
        done = await client.until("response.done")
        assert "12:34" in done["response"]["output"][0]["content"][0]["text"]


async def test_session_update_is_kept_with_the_session(server: ServerProcess) -> None:
    async with realtime(server.ws_url, "/ws/session/kept") as client:
        await client.send(
            type="session.update",
            session={"type": "realtime", "instructions": "Be brief.", "max_output_tokens": 7},
        )
        session = (await client.until("session.updated"))["session"]
        assert (session["instructions"], session["max_output_tokens"]) == ("Be brief.", 7)
        _, done = await client.ask("count to 100")
        assert done["response"]["status"] == "incomplete"
        assert done["response"]["status_details"]["reason"] == "max_output_tokens"
    await asyncio.sleep(0.5)
    async with realtime(server.ws_url, "/ws/session/kept") as client:
        assert client.created["session"]["instructions"] == "Be brief."


async def test_a_wrong_setting_is_named(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        await client.send(
            type="session.update", event_id="mine", session={"type": "realtime", "max_output_tokens": "many"}
        )
        error = (await client.until("error"))["error"]
        assert error["event_id"] == "mine"
        assert error["param"] == "session.max_output_tokens"


async def test_stop_ends_the_answer_and_keeps_what_there_was(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="20")
    async with realtime(server.ws_url) as client:
        await client.say("count to 500")
        await client.until("response.output_text.delta")
        await client.send(type="response.cancel")
        done = await client.until("response.done")
        assert done["response"]["status"] == "cancelled"
        partial = joined(client.frames)
        assert done["response"]["output"][0]["status"] == "incomplete"
        assert done["response"]["output"][0]["content"][0]["text"] == partial
        messages = await stored(client.session_id, "assistant_message")
        assert [message.content for message in messages] == [partial]
        _, done = await client.ask("count to 3")
        assert done["response"]["status"] == "completed"


async def test_a_long_answer_does_not_block_a_stop_from_another_socket(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="20")
    async with (
        realtime(server.ws_url, "/ws/session/shared") as one,
        realtime(server.ws_url, "/ws/session/shared") as two,
    ):
        await one.say("count to 500")
        await two.until("response.output_text.delta")
        await two.send(type="response.cancel")
        assert (await one.until("response.done"))["response"]["status"] == "cancelled"


async def test_two_sockets_see_one_identical_sequence(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="5")
    async with realtime(server.ws_url, "/ws/session/shared") as one:
        await one.say("count to 60")
        await one.until("response.output_text.delta")
        async with realtime(server.ws_url, "/ws/session/shared?last_event_id=event_shared_0") as late:
            await one.until("response.done")
            await late.until("response.done")
            assert late.frames[1:] == one.frames[1:]


async def test_the_same_event_again_is_not_run_twice(server: ServerProcess) -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "count to 3"}]}
    async with realtime(server.ws_url) as client:
        for prefix in (f"event_{client.session_id}_", "evt_"):  # the place in the stream is told once
            await client.send(type="conversation.item.create", event_id="only-once", item=item)
            assert (await client.until("conversation.item.done"))["event_id"].startswith(prefix)
        for _ in range(2):
            await client.send(type="response.create", event_id="answer-once")
        await client.until("response.done")
        await client.send(type="response.create", event_id="answer-once")
        await asyncio.sleep(0.3)
        assert len(await stored(client.session_id, "user_message")) == 1
        assert len(await stored(client.session_id, "response_started")) == 1


async def test_turn_policy_reject(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="20")
    async with realtime(server.ws_url) as client:
        await client.send(type="session.update", session={"type": "realtime", "x_turn_policy": "reject"})
        await client.until("session.updated")
        await client.say("count to 100")
        await client.until("response.created")
        await client.send(type="response.create", event_id="second")
        error = (await client.until("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] == "second"


async def test_turn_policy_interrupt(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="20")
    async with realtime(server.ws_url) as client:
        await client.send(type="session.update", session={"type": "realtime", "x_turn_policy": "interrupt"})
        await client.until("session.updated")
        await client.say("count to 500")
        await client.until("response.output_text.delta")
        await client.say("count to 3")
        assert (await client.until("response.done"))["response"]["status"] == "cancelled"
        assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_interruptions_in_quick_succession_leave_no_response_open(server: ServerProcess) -> None:
    """A response may be stopped before it has taken its first step; it still has an end."""
    async with realtime(server.ws_url) as client:
        await client.send(type="session.update", session={"type": "realtime", "x_turn_policy": "interrupt"})
        await client.until("session.updated")
        for number in range(15):
            await client.say(f"count to {number + 20}")
        for _ in range(15):
            await client.until("response.done")
    started = await stored(client.session_id, "response_started")
    done = await stored(client.session_id, "response_done")
    assert [one.payload["response_id"] for one in started] == [one.payload["response_id"] for one in done]
    assert done[-1].payload["status"] == "completed"


async def test_the_queue_is_bounded(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="50")
    async with realtime(server.ws_url) as client:
        await client.say("count to 500")
        await client.until("response.output_text.delta")
        for _ in range(17):
            await client.send(type="response.create")
        error = (await client.until("error"))["error"]
        assert error["code"] == "queue_full"


async def test_items_can_be_retrieved_and_deleted(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        item: dict[str, Any] = {
            "type": "message",
            "id": "item_mine",
            "role": "user",
            "content": [{"type": "input_text", "text": "My name is Ada."}],
        }
        await client.send(type="conversation.item.create", item=item)
        await client.until("conversation.item.done")
        await client.send(type="conversation.item.retrieve", item_id="item_mine")
        assert (await client.until("conversation.item.retrieved"))["item"]["content"] == item["content"]
        await client.send(type="conversation.item.delete", item_id="item_mine")
        await client.until("conversation.item.deleted")
        text, _ = await client.ask("What is my name?")
        assert "Ada" not in text


async def test_resume_gives_exactly_the_rest(start_server: StartServer) -> None:
    """Cut after every twentieth frame of a turn with a tool, in this process and after the session has ended."""
    server = start_server(SESSION_GRACE_SECONDS="0.2")
    async with realtime(server.ws_url) as client:
        await client.ask("What is 6*7?")
        await client.ask("count to 100")
        whole, back = client.frames[1:], client.back
    await asyncio.sleep(0.6)
    for cut in range(0, len(whole), 20):
        last_event_id = whole[cut]["event_id"]
        path = f"/ws/session?{back}&last_event_id={last_event_id}"
        async with realtime(server.ws_url, path) as client:
            assert client.created["x_stream"]["resumed"] is True
            rest = [await client.recv() for _ in whole[cut + 1 :]]
            assert json.dumps(rest) == json.dumps(whole[cut + 1 :])


async def test_a_session_that_an_sdk_opens_by_its_model(server: ServerProcess) -> None:
    async with realtime(server.ws_url, "/v1/realtime?model=demo") as client:
        _, done = await client.ask("count to 3")
        assert done["response"]["status"] == "completed"
    session = await in_db_thread(lambda: Session.objects.get(pk=client.session_id))
    assert (session.model, session.source) == ("demo", "realtime")
