"""AG-UI's wire by hand, where its clients hide it: a process that dies, several who ask at once, what is refused."""

import asyncio
import contextlib
import json
from typing import Any

import httpx2
import pytest

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_server import GeminiServer
from tests.sockets.conftest import StartServer
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop
from tests.support.log import committed
from tests.support.server import ServerProcess
from tests.support.sockets import realtime

__all__ = ["gemini", "ledger", "start_shop"]

GUEST = {"Authorization": "Bearer guest"}
TEN = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."
Event = dict[str, Any]


def asking(text: str, *, run_id: str = "r1", message_id: str = "m1", **more: Any) -> dict[str, Any]:
    messages = [{"id": message_id, "role": "user", "content": text}]
    return {"threadId": "talk", "runId": run_id, "messages": messages, **more}


def events_of(body: str) -> list[Event]:
    assert "\r" not in body
    return [
        json.loads(line.removeprefix("data: ")) for line in body.splitlines() if line.startswith("data: ")
    ]


def said(events: list[Event]) -> str:
    """As a client has it in the end."""
    text = ""
    for event in events:
        if event["type"] == "MESSAGES_SNAPSHOT":
            text = "".join(one.get("content", "") for one in event["messages"] if one["role"] == "assistant")
        elif event["type"] == "TEXT_MESSAGE_CONTENT":
            text += event["delta"]
    return text


async def read_until(
    client: httpx2.AsyncClient, server: ServerProcess, body: dict[str, Any], *, events: int, then: Any
) -> list[Event]:
    """What came of the stream; after so many events something is done."""
    seen: list[Event] = []
    with contextlib.suppress(httpx2.HTTPError):
        async with client.stream("POST", f"{server.url}/ag-ui", json=body) as response:
            async for line in response.aiter_lines():
                seen += events_of(line)
                if line and len(seen) == events:
                    then()
    return seen


async def test_an_answer_outlives_the_process_that_gave_it(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="15")
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        seen = await read_until(client, server, asking("Count to 100"), events=30, then=server.kill)
        assert seen[-1]["type"] == "TEXT_MESSAGE_CONTENT"  # nothing says that it were whole
        server.start()
        address = f"{server.url}/ag-ui/agent/default/connect"
        there = events_of((await client.post(address, json=asking("", run_id="other"))).text)
        again = events_of((await client.post(f"{server.url}/ag-ui", json=asking("Count to 100"))).text)
    answer = ", ".join(str(number) for number in range(1, 101)) + "."
    assert said(there).endswith(answer)
    assert said(again) == answer
    assert there[0]["runId"] == again[0]["runId"] == "r1"
    assert there[-1]["type"] == again[-1]["type"] == "RUN_FINISHED"


async def test_a_run_is_stopped_by_its_name_though_another_waits_behind_it(
    slow_server: ServerProcess,
) -> None:
    address = f"{slow_server.url}/ag-ui"
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        running = asyncio.create_task(client.post(address, json=asking("Count to 500")))
        await committed("response_started")
        next_one = asking("Count to 3", run_id="r2", message_id="m2")
        waiting = asyncio.create_task(client.post(address, json=next_one))
        await committed("response_queued", times=2)
        stop = f"{address}/agent/default/stop/talk"
        assert (await client.post(stop, json={"runId": "r1"})).json() == {"stopped": True}
        told = [events_of((await one).text)[-1] for one in (running, waiting)]
        assert (await client.post(stop, json={"runId": "r1"})).json() == {"stopped": False}
    assert [event["type"] for event in told] == ["RUN_ERROR", "RUN_FINISHED"]
    assert told[0]["code"] == "abort"


async def test_a_server_that_goes_down_says_so(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="30", DRAIN_SECONDS="0.2")
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        seen = await read_until(
            client, server, asking("Count to 200"), events=20, then=server.process.terminate
        )
    assert seen[-1]["type"] == "RUN_ERROR"
    assert seen[-1]["code"] == "server_restarting"


async def test_several_who_ask_the_same_have_one_answer(slow_server: ServerProcess) -> None:
    address = f"{slow_server.url}/ag-ui"
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        bodies = [asking("Count to 40"), asking("Count to 40"), asking("Count to 40", run_id="r2")]
        told = await asyncio.gather(*(client.post(address, json=body) for body in bodies))
    answer = ", ".join(str(number) for number in range(1, 41)) + "."
    events = [events_of(response.text) for response in told]
    assert [said(one) for one in events] == [answer] * 3
    assert [one[0]["runId"] for one in events] == ["r1", "r1", "r2"]
    assert await in_db_thread(SessionEvent.objects.filter(event_type="user_message").count) == 1
    assert await in_db_thread(SessionEvent.objects.filter(event_type="response_done").count) == 1


async def test_what_a_client_tells_of_elsewhere_is_taken_once(server: ServerProcess) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    before = [
        {"id": "s1", "role": "system", "content": "Be kind."},
        {"id": "u0", "role": "user", "content": "My name is Grace"},
        {"id": "a0", "role": "assistant", "content": "Hello Grace.", "toolCalls": [call]},
        {"id": "t0", "role": "tool", "toolCallId": "c1", "content": "seen"},
        {"id": "x0", "role": "activity", "activityType": "plan", "content": {"steps": []}},
        {"id": "item_" + "0" * 24, "role": "assistant", "content": "cut off in mid-"},
        {
            "id": "u1",
            "role": "user",
            "content": [
                {"type": "text", "text": "What is my name?"},
                {"type": "image", "source": {"type": "url", "value": "https://example.com/a.png"}},
            ],
        },
    ]
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        body = {"threadId": "talk", "runId": "r1", "messages": before}
        told = events_of((await client.post(f"{server.url}/ag-ui", json=body)).text)
        assert "Grace" in said(told)
        after = [*before, {"id": "u2", "role": "user", "content": "Count to 10"}]
        body = {"threadId": "talk", "runId": "r2", "messages": after}
        assert said(events_of((await client.post(f"{server.url}/ag-ui", json=body)).text)) == TEN
        address = f"{server.url}/ag-ui/agent/default/connect"
        _, snapshot, _ = events_of((await client.post(address, json={**body, "messages": []})).text)
    told_ids = [message["id"] for message in snapshot["messages"]]
    assert told_ids[:5] == ["s1", "u0", "a0", "c1", "t0"]
    assert [message["role"] for message in snapshot["messages"][5:]] == ["user", "assistant"] * 2


async def test_what_is_refused_is_told(server: ServerProcess) -> None:
    address = f"{server.url}/ag-ui"
    async with httpx2.AsyncClient(timeout=60) as client:
        assert (await client.post(address, json=asking("Hello"))).status_code == 401
        client.headers.update(GUEST)
        tool = {"name": "look", "description": "x", "parameters": {"type": "string"}}
        for body, code in [
            ({**asking("x"), "messages": []}, "missing_required_parameter"),
            ({**asking("x"), "messages": 5}, "invalid_event"),
            ({"messages": []}, "missing_required_parameter"),
            (asking(" "), "empty_message"),
            (asking("x", message_id="not an id"), "invalid_event"),
            (asking("x", forwardedProps={"model": "none"}), "model_not_allowed"),
            (asking("x", tools=[tool, tool]), "invalid_event"),
            (asking("x", tools=[tool]), "invalid_event"),
            ({**asking("x"), "messages": [{"id": "a", "role": "king", "content": "x"}]}, "invalid_event"),
            (
                {**asking("x"), "messages": [{"id": "a", "role": "user", "content": [{"type": "image"}]}]},
                "unsupported_content",
            ),
        ]:
            response = await client.post(address, json=body)
            assert (response.json()["error"]["code"], response.status_code // 100) == (code, 4), body
        elsewhere = await client.post(f"{address}/agent/none/run", json=asking("x", threadId="new"))
        assert elsewhere.json()["error"]["code"] == "assistant_not_found"
        nobodys = {"threadId": "none", "runId": "c", "messages": []}
        nothing = await client.post(f"{address}/agent/default/connect", json=nobodys)
        assert (nothing.status_code, events_of(nothing.text)) == (200, [])
        stopped = await client.post(f"{address}/agent/default/stop/none")
        assert (stopped.status_code, stopped.json()) == (200, {"stopped": False})
        assert (await client.get(f"{address}/threads")).status_code == 404


async def test_an_answer_to_no_question_is_refused_or_passed_over(server: ServerProcess) -> None:
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        unsure = [{"interruptId": "item_1", "status": "resolved", "payload": {"edited": True}}]
        await client.post(f"{server.url}/ag-ui", json=asking("Count to 3"))
        again = asking("Count to 10", run_id="r2", message_id="m2")
        refused = await client.post(f"{server.url}/ag-ui", json={**again, "resume": unsure})
        assert refused.json()["error"]["param"] == "resume"
        unknown = [{"interruptId": "item_1", "status": "cancelled"}]
        passed = await client.post(f"{server.url}/ag-ui", json={**again, "resume": unknown})
        assert said(events_of(passed.text)) == TEN


async def test_what_somebody_else_has_said_to_a_question_counts_and_the_client_is_told(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    """A front end gets no other word on a call that was refused."""
    gemini.then(calls(("pay", {"amount": 5, "to": "Ann"}), ("read_letter", {"name": "A"})))
    server = start_shop()
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        asked = events_of((await client.post(f"{server.url}/ag-ui", json=asking("Pay Ann"))).text)
        ids = [one["id"] for one in asked[-1]["outcome"]["interrupts"]]
        async with realtime(server.ws_url, "/ws/session/talk") as elsewhere:
            answer = {"type": "mcp_approval_response", "approval_request_id": ids[0], "approve": False}
            await elsewhere.send(type="conversation.item.create", item=answer)
            await elsewhere.until("conversation.item.done")
        words = [{"interruptId": one, "status": "resolved", "payload": {"approved": True}} for one in ids]
        body = {**asking("Pay Ann", run_id="r2"), "resume": words}
        done = events_of((await client.post(f"{server.url}/ag-ui", json=body)).text)
    results = {one["toolCallId"]: one["content"] for one in done if one["type"] == "TOOL_CALL_RESULT"}
    assert results.keys() == set(ids)
    assert "refused" in results[ids[0]]
    assert len(ledger.lines()) == 1


async def test_a_page_of_an_allowed_origin_may_ask(server: ServerProcess) -> None:
    address = f"{server.url}/ag-ui"
    wishes = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with httpx2.AsyncClient(timeout=60) as client:
        allowed = await client.options(address, headers={"Origin": "http://localhost:3000", **wishes})
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
        refused = await client.options(address, headers={"Origin": "https://elsewhere.example", **wishes})
        assert refused.status_code == 403
        there = {"Origin": "https://elsewhere.example", **GUEST}
        assert (await client.post(address, json=asking("Hello"), headers=there)).status_code == 403


@pytest.mark.parametrize("path", ["/ag-ui", "/ag-ui/agent/default/run"])
async def test_who_has_no_name_names_no_thread(start_server: StartServer, path: str) -> None:
    server = start_server(
        DJANGO_SETTINGS_MODULE="tests.support.quiet_settings", LOCAL_PAGES="0", SESSION_GRACE_SECONDS="0.3"
    )
    async with httpx2.AsyncClient(headers={**GUEST, "X-Forwarded-For": "198.51.100.7"}, timeout=60) as client:
        response = await client.post(f"{server.url}{path}", json=asking("Hello"))
        assert (response.status_code, response.json()["error"]["code"]) == (403, "chosen_id_refused")
        there = await client.post(f"{server.url}/ag-ui/agent/default/connect", json=asking("Hello"))
        assert events_of(there.text) == []
