"""The items of a conversation as clients keep them: what stands before which, and a past that is told item by item."""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_server import GeminiServer
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, Realtime, realtime
from tests.support.waiting import eventually

from .conftest import StartServer
from .shop import Ledger, StartShop, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "start_shop"]


def message(role: str, text: str, **fields: Any) -> Frame:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **fields}


async def put(client: Realtime, item: Frame, **event: Any) -> Frame:
    await client.send(type="conversation.item.create", item=item, **event)
    return await client.until("conversation.item.done")


def order(frames: Sequence[Frame]) -> list[str]:
    """The conversation as a client keeps it: each item behind the one that it is told."""
    ids: list[str] = []
    for frame in frames:
        match frame["type"]:
            case "conversation.item.added":
                previous = frame["previous_item_id"]
                assert previous is None or previous in ids, (
                    f"{frame['item']['id']} behind an unknown {previous}"
                )
                ids.insert(0 if previous is None else ids.index(previous) + 1, frame["item"]["id"])
            case "conversation.item.deleted":
                ids.remove(frame["item_id"])
    return ids


async def replayed(server: ServerProcess, client: Realtime) -> list[Frame]:
    """All that the session has to tell, to somebody who comes later."""
    last = next(frame["event_id"] for frame in reversed(client.frames) if frame["event_id"][:6] == "event_")
    path = f"/v1/realtime?{client.back}&last_event_id=event_{client.session_id}_0"
    async with realtime(server.ws_url, path) as again:
        while not again.frames or again.frames[-1]["event_id"] != last:
            await again.recv()
    return again.frames


async def test_each_item_says_what_stands_before_it(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        first = await put(client, message("user", "What is 6*7?", id="u1"), previous_item_id="root")
        assert first["previous_item_id"] is None
        await client.send(type="response.create")
        await client.until("response.done")
        second = await put(client, message("user", "count to 3", id="u2"))
        await client.send(type="response.create")
        done = await client.until("response.done")
        late = await put(client, message("system", "Be brief.", id="s1"), previous_item_id="u1")
        output = [
            frame["item"]["id"] for frame in client.frames if frame["type"] == "response.output_item.done"
        ]
        replay = await replayed(server, client)
    call, text, answer = output
    assert second["previous_item_id"] == text
    assert done["response"]["output"][0]["id"] == answer
    assert late["previous_item_id"] == "u1"
    assert order(client.frames) == ["u1", "s1", call, text, "u2", answer]
    for frame in client.frames:
        if frame["type"] in ("conversation.item.added", "conversation.item.done"):
            assert "previous_item_id" in frame
    logged = [frame for frame in client.frames if frame["event_id"].startswith("event_")]
    assert replay[-len(logged) :] == logged


async def test_an_answer_stands_behind_what_it_answers_whatever_came_meanwhile(
    start_server: StartServer,
) -> None:
    server = start_server(DEMO_DELAY_MS="20")
    async with realtime(server.ws_url) as client:
        await put(client, message("user", "count to 12", id="u1"))
        await client.send(type="response.create")
        await client.until("response.output_text.delta")
        await put(client, message("user", "count to 3", id="u2"))
        await client.send(type="response.create")
        await client.until("response.done")
        await client.until("response.done")
        await put(client, message("user", "and now?", id="u3"))
    answers = [frame["item"]["id"] for frame in client.frames if frame["type"] == "response.output_item.done"]
    assert order(client.frames) == ["u1", answers[0], "u2", answers[1], "u3"]


async def test_nothing_stands_behind_what_is_gone(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        await put(client, message("user", "Hello", id="u1"))
        await put(client, message("user", "Hello again", id="u2"))
        await client.send(type="conversation.item.delete", item_id="u2")
        await client.until("conversation.item.deleted")
        assert (await put(client, message("user", "count to 3", id="u3")))["previous_item_id"] == "u1"
        for item_id in ("u1", "u3"):
            await client.send(type="conversation.item.delete", item_id=item_id)
            await client.until("conversation.item.deleted")
        assert (await put(client, message("user", "count to 3", id="u4")))["previous_item_id"] is None


PAST = [
    message("user", "What is the weather in Berlin?", id="u1"),
    {
        "type": "function_call",
        "id": "c1",
        "call_id": "call_past",
        "name": "settle_account",
        "arguments": '{"amount": 5}',
    },
    {"type": "function_call_output", "id": "o1", "call_id": "call_past", "output": "rain, all day"},
    message("assistant", "It rains in Berlin.", id="a1"),
]


async def tell_the_past(client: Realtime) -> None:
    """As LiveKit does: each behind the one before it."""
    previous = "root"
    for item in PAST:
        done = await put(client, item, previous_item_id=previous, event_id=f"tell_{item['id']}")
        assert done["item"]["id"] == item["id"]
        assert done["item"]["x_client_event_id"] == f"tell_{item['id']}"
        assert done["item"]["status"] == "completed"
        previous = item["id"]


async def test_a_past_that_is_told_is_the_models_own(start_shop: StartShop, gemini: GeminiServer) -> None:
    server = start_shop()
    async with realtime(server.ws_url) as client:
        await tell_the_past(client)
        await client.ask("And tomorrow?")
        replay = await replayed(server, client)
    contents = gemini.requests[-1]["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user", "model", "user"]
    said = json.dumps(contents)
    assert said.index("Berlin?") < said.index("settle_account") < said.index("rain, all day")
    assert said.index("rain, all day") < said.index("It rains in Berlin.") < said.index("And tomorrow?")
    assert order(client.frames)[:4] == order(replay)[:4] == ["u1", "c1", "o1", "a1"]
    kept = [frame["item"] for frame in replay if frame["type"] == "conversation.item.done"]
    assert [(item["type"], item.get("role")) for item in kept[:4]] == [
        ("message", "user"),
        ("function_call", None),
        ("function_call_output", None),
        ("message", "assistant"),
    ]


async def test_a_call_that_is_told_is_never_run(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    """Nor is it after a crash: it is a tool of this server's, with side effects."""
    server = start_shop(SESSION_LEASE_SECONDS="1")
    call = {
        "type": "function_call",
        "id": "c9",
        "call_id": "call_9",
        "name": "ship",
        "arguments": '{"parcel": "A"}',
    }
    async with realtime(server.ws_url) as client:
        await put(client, message("user", "Ship it"))
        await put(client, call)
        await client.send(type="response.create", response={})
        await client.until("response.done")
    server.kill()
    server.start()

    async def come_back() -> None:
        """As soon as the dead process's lease has run out."""
        async with realtime(server.ws_url, f"/v1/realtime?{client.back}") as again:
            assert again.created["type"] == "session.created", again.created
            await again.ask("Well?")

    await eventually(come_back)
    assert ledger.lines() == []
    results = await in_db_thread(lambda: SessionEvent.objects.filter(event_type="tool_result").count())
    assert results == 0
    assert "No result was given" in json.dumps(gemini.requests[-1]["contents"])


async def test_what_makes_no_sense_of_a_past_is_refused_by_name(server: ServerProcess) -> None:
    async def refused(item: Frame) -> tuple[str, str]:
        await client.send(type="conversation.item.create", item=item)
        error = (await client.until("error"))["error"]
        return error["code"], error["param"]

    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    async with realtime(server.ws_url) as client:
        output = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
        assert await refused(output) == ("item_not_found", "item.call_id")
        await put(client, {**call, "id": "c1"})
        assert await refused(call) == ("item_exists", "item.call_id")
        assert await refused({**call, "call_id": "call_2", "id": "c1"}) == ("item_exists", "item.id")
        await put(client, output)
        assert await refused(output) == ("item_not_found", "item.call_id")
        told = message("assistant", " ")
        assert await refused(told) == ("empty_message", "item.content")


async def test_staff_read_the_past_that_was_told(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        await tell_the_past(client)
        text, _ = await client.ask("count to 3")
    page = await in_db_thread(transcript, client.session_id)
    assert "What is the weather in Berlin?" in page
    assert "It rains in Berlin." in page
    assert "settle_account" in page
    assert "rain, all day" in page
    assert text in page
    counted = await in_db_thread(Session.objects.get, pk=client.session_id)
    assert (counted.user_messages, counted.assistant_messages, counted.responses) == (2, 2, 1)


def transcript(session_id: str) -> str:
    staff = User.objects.create_superuser("ada", password="x")
    browser = Client()
    browser.force_login(staff)
    response = browser.get(f"/admin/sessions_app/session/{session_id}/change/")
    assert response.status_code == 200
    return response.content.decode()
