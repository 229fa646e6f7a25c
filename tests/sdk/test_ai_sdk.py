"""npm's `ai`, the chat behind `useChat`, against a running server; and the same wire by hand where the client hides it."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_server import GeminiServer
from tests.files.samples import png
from tests.responses.test_files import data_url
from tests.sockets.conftest import StartServer
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop
from tests.support.log import committed
from tests.support.server import ServerProcess
from tests.support.sockets import realtime

from .node_packages import run

__all__ = ["gemini", "ledger", "start_shop"]

GUEST = {"Authorization": "Bearer guest"}
TEN = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


async def chat(
    node: list[str], server: ServerProcess, *steps: dict[str, Any], name: str = "talk", **given: Any
) -> dict[str, Any]:
    told = {"url": server.url, "chat": name, "steps": steps, **given}
    printed = await run([*node, "ui.mjs", json.dumps(told)], certificate=Path("/dev/null"))
    report: dict[str, Any] = json.loads(printed)
    return report


async def test_what_is_said_is_answered_and_stands_in_the_history(
    node: list[str], server: ServerProcess
) -> None:
    report = await chat(node, server, {"say": "My name is Ada"}, {"say": "What is my name?"})
    last = report["steps"][-1]
    assert (last["status"], last["errors"]) == ("ready", [])
    assert [message["role"] for message in last["messages"]] == ["user", "assistant"] * 2
    assert "Ada" in text_of(last["messages"][-1])
    told = [(one["id"], one["role"], text_of(one)) for one in last["messages"]]
    assert [(one["id"], one["role"], text_of(one)) for one in report["history"]] == told


async def test_pictures_and_files_go_with_what_is_said(node: list[str], server: ServerProcess) -> None:
    picture = {"type": "file", "mediaType": "image/png", "filename": "bike.png", "url": data_url(png())}
    report = await chat(node, server, {"say": "Look:", "files": [picture]})
    assert "bike.png" in text_of(report["steps"][-1]["messages"][-1])
    first = report["history"][0]
    assert [part["type"] for part in first["parts"]] == ["text", "file"]
    kept = first["parts"][1]
    assert (kept["mediaType"], kept["filename"]) == ("image/png", "bike.png")
    anew = {**first, "parts": [{"type": "text", "text": "Look again:"}, kept]}
    async with httpx2.AsyncClient(headers=GUEST, timeout=30) as http:
        answer = await http.post(f"{server.url}/api/ui/talk", json={**message("x"), "messages": [anew]})
    assert "bike.png" in said(chunks_of(answer.text))


async def test_another_picture_under_the_same_words_is_said_anew(server: ServerProcess) -> None:
    def looking(name: str, width: int) -> dict[str, Any]:
        body = message("Look:")
        picture = {"type": "file", "mediaType": "image/png", "filename": name, "url": data_url(png(width, 2))}
        body["messages"][0]["parts"].append(picture)
        return body

    address = f"{server.url}/api/ui/talk"
    async with httpx2.AsyncClient(headers=GUEST, timeout=30) as http:
        sent = [looking("bike.png", 2), looking("bike.png", 2), looking("car.png", 3), looking("car.png", 3)]
        told = [chunks_of((await http.post(address, json=body)).text) for body in sent]
        kept = (await http.get(address)).json()["messages"]
    assert ["car.png" in said(chunks) for chunks in told] == [False, False, True, True]
    assert len({chunks[0]["messageId"] for chunks in told}) == 2
    assert [part.get("filename") for part in kept[0]["parts"]] == [None, "car.png"]
    assert len(kept) == 2


async def test_a_servers_tool_is_a_part_of_the_message(node: list[str], server: ServerProcess) -> None:
    report = await chat(node, server, {"say": "What time is it in Berlin?"})
    message = report["steps"][-1]["messages"][-1]
    (tool,) = (part for part in message["parts"] if part["type"] == "dynamic-tool")
    assert (tool["toolName"], tool["state"]) == ("get_time", "output-available")
    assert tool["input"] == {"zone": "Berlin"}
    assert tool["output"]["zone"] == "Europe/Berlin"
    (kept,) = (part for part in report["history"][-1]["parts"] if part["type"] == "dynamic-tool")
    same = ("toolName", "toolCallId", "state", "input", "output")
    assert {name: kept[name] for name in same} == {name: tool[name] for name in same}


async def test_a_tab_that_is_opened_in_mid_answer_reads_all_of_it(
    node: list[str], slow_server: ServerProcess
) -> None:
    report = await chat(node, slow_server, {"reload": "Count to 60"})
    seen, last = report["steps"]
    answer = ", ".join(str(number) for number in range(1, 61)) + "."
    assert answer.startswith(seen["seen"])
    assert seen["seen"] != answer
    assert [text_of(message) for message in last["messages"]] == ["Count to 60", answer]
    assert last["errors"] == []


async def test_an_answer_can_be_stopped_and_is_not_by_going_away(
    node: list[str], slow_server: ServerProcess
) -> None:
    report = await chat(node, slow_server, {"stop": "Count to 500"}, {"resume": True}, name="stopped")
    stopped = report["steps"][0]
    assert stopped["status"] == "ready"
    assert "500" not in text_of(stopped["messages"][-1])
    assert text_of(report["history"][-1]).startswith(text_of(stopped["messages"][-1]))
    assert report["steps"][1]["messages"] == stopped["messages"]  # nothing runs: 204


async def test_a_message_is_said_anew_and_an_answer_asked_for_again(
    node: list[str], server: ServerProcess
) -> None:
    report = await chat(
        node, server, {"say": "Count to 10"}, {"edit": "Count to 5"}, {"again": True}, {"edit": "Count to 3"}
    )
    texts = [[text_of(message) for message in step["messages"]] for step in report["steps"]]
    assert texts == [
        ["Count to 10", TEN],
        ["Count to 5", "1, 2, 3, 4, 5."],
        ["Count to 5", "1, 2, 3, 4, 5."],
        ["Count to 3", "1, 2, 3."],
    ]
    answers = [step["messages"][-1]["id"] for step in report["steps"]]
    assert len(set(answers)) == 4
    assert [text_of(message) for message in report["history"]] == texts[-1]
    assert [message["id"] for message in report["history"]] == [
        message["id"] for message in report["steps"][-1]["messages"]
    ]


@pytest.mark.parametrize("approve", [True, False])
async def test_a_tool_asks_and_the_answer_goes_on_in_the_same_message(
    node: list[str], start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, approve: bool
) -> None:
    gemini.then(calls(("pay", {"amount": 5, "to": "Ann"})))
    report = await chat(node, start_shop(), {"say": "Pay Ann"}, {"approve": approve, "reason": "I said so"})
    asked, done = report["steps"]
    (question,) = (part for part in asked["messages"][-1]["parts"] if part["type"] == "dynamic-tool")
    assert question["state"] == "approval-requested"
    assert question["input"] == {"amount": 5, "to": "Ann"}
    assert len(ledger.lines()) == int(approve)
    assert [message["role"] for message in done["messages"]] == ["user", "assistant"]
    (tool,) = (part for part in done["messages"][-1]["parts"] if part["type"] == "dynamic-tool")
    if approve:
        assert (tool["state"], tool["output"]) == ("output-available", "Paid 5 to Ann.")
    else:
        assert tool["state"] == "output-denied"
    assert text_of(done["messages"][-1])
    (kept,) = (part for part in report["history"][-1]["parts"] if part["type"] == "dynamic-tool")
    assert kept["state"] == tool["state"]
    assert done["errors"] == []


# By hand


def message(text: str, message_id: str = "m1") -> dict[str, Any]:
    parts = [{"type": "text", "text": text}]
    return {
        "id": "talk",
        "trigger": "submit-message",
        "messages": [{"id": message_id, "role": "user", "parts": parts}],
    }


def chunks_of(body: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def said(chunks: list[dict[str, Any]]) -> str:
    return "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")


async def lines_until(
    client: httpx2.AsyncClient,
    address: str,
    body: dict[str, Any],
    enough: Callable[[list[str]], bool],
    then: Callable[[], None],
) -> list[str]:
    """What came of the stream before it broke off: once there is enough, something is done."""
    lines: list[str] = []
    with contextlib.suppress(httpx2.HTTPError):
        async with client.stream("POST", address, json=body) as response:
            assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
            async for line in response.aiter_lines():
                lines.append(line)
                if enough(lines):
                    then()
    assert enough(lines)
    assert "[DONE]" not in lines[-1]
    return lines


async def test_an_answer_outlives_the_process_that_gave_it(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="15")
    address = f"{server.url}/api/ui/talk"
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        begun = await lines_until(
            client, address, message("Count to 100"), lambda lines: len(lines) > 40, server.kill
        )
        server.start()
        chunks = chunks_of((await client.get(f"{address}/stream")).text)
    first = json.loads(begun[0].removeprefix("data: "))
    assert chunks[0] == first
    answer = ", ".join(str(number) for number in range(1, 101)) + "."
    assert said(chunks).endswith(answer)
    assert chunks[-1] == {"type": "finish", "finishReason": "stop"}


async def test_the_same_message_again_is_the_same_turn(server: ServerProcess) -> None:
    address = f"{server.url}/api/ui/talk"
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        several = await asyncio.gather(*(client.post(address, json=message("Count to 10")) for _ in range(3)))
        again = await client.post(address, json=message("Count to 10"))
    told = [chunks_of(response.text) for response in (*several, again)]
    assert [said(chunks) for chunks in told] == [TEN] * 4
    assert len({chunks[0]["messageId"] for chunks in told}) == 1
    assert await in_db_thread(SessionEvent.objects.filter(event_type="user_message").count) == 1


async def test_what_runs_is_stopped_though_another_message_waits_behind_it(
    slow_server: ServerProcess,
) -> None:
    address = f"{slow_server.url}/api/ui/talk"
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        running = asyncio.create_task(client.post(address, json=message("Count to 500")))
        await committed("response_started")
        waiting = asyncio.create_task(client.post(address, json=message("Count to 499", "m2")))
        await committed("response_queued", times=2)
        assert (await client.post(f"{address}/stop")).status_code == 204
        told = [chunks_of((await one).text)[-1]["type"] for one in (running, waiting)]
    assert told == ["abort", "abort"]


@pytest.mark.parametrize("others_word", [True, False])
async def test_of_two_questions_one_that_somebody_else_has_answered_is_no_hindrance(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, others_word: bool
) -> None:
    """The page still asks both, and sends its answers together. What the other said counts, and the page is told."""
    gemini.then(calls(("pay", {"amount": 5, "to": "Ann"}), ("read_letter", {"name": "A"})))
    server = start_shop()
    address = f"{server.url}/api/ui/talk"
    async with httpx2.AsyncClient(headers=GUEST, timeout=60) as client:
        asked = chunks_of((await client.post(address, json=message("Pay Ann"))).text)
        ids = [chunk["approvalId"] for chunk in asked if chunk["type"] == "tool-approval-request"]
        async with realtime(server.ws_url, "/ws/session/talk") as elsewhere:
            answer = {"type": "mcp_approval_response", "approval_request_id": ids[0], "approve": others_word}
            await elsewhere.send(type="conversation.item.create", item=answer)
            await elsewhere.until("conversation.item.done")
        words = [(ids[0], not others_word), (ids[1], True)]
        parts = [
            {"type": "dynamic-tool", "state": "approval-responded", "approval": {"id": one, "approved": yes}}
            for one, yes in words
        ]
        body = {"messages": [{"id": asked[0]["messageId"], "role": "assistant", "parts": parts}]}
        response = await client.post(address, json=body)
        assert response.status_code == 200, response.text
        done = chunks_of(response.text)
    outputs = {chunk["toolCallId"] for chunk in done if chunk["type"] == "tool-output-available"}
    assert outputs == set(ids if others_word else ids[1:])
    denied = {chunk["toolCallId"] for chunk in done if chunk["type"] == "tool-output-denied"}
    assert denied == set(ids) - outputs
    assert len(ledger.lines()) == len(outputs)


async def test_what_is_refused_is_told(server: ServerProcess) -> None:
    address = f"{server.url}/api/ui/talk"
    async with httpx2.AsyncClient(timeout=60) as client:
        assert (await client.post(address, json=message("Hello"))).status_code == 401
        client.headers.update(GUEST)
        for body, code in [
            ({"messages": []}, "missing_required_parameter"),
            ({"messages": 5}, "invalid_event"),
            ({**message("x"), "trigger": "sing"}, "invalid_event"),
            (message(" "), "empty_message"),
            (message("x", "not an id"), "invalid_event"),
            ({**message("x"), "model": "none"}, "model_not_allowed"),
            ({**message("x"), "assistant": "none"}, "assistant_not_found"),
            (
                {"messages": [{"id": "a", "role": "user", "parts": [{"type": "data-x", "data": 1}]}]},
                "unsupported_content",
            ),
            (
                {
                    "messages": [
                        {"id": "a", "role": "user", "parts": [{"type": "file", "url": "https://e.org/a"}]}
                    ]
                },
                "unsupported_content",
            ),
            (
                {"messages": [{"id": "a", "role": "user", "parts": [{"type": "file", "url": "data:,"}]}]},
                "invalid_event",
            ),
            ({"messages": [{"id": "a", "role": "system", "parts": []}]}, "invalid_event"),
            ({"messages": [{"id": "a", "role": "assistant", "parts": []}]}, "invalid_event"),
            ({"messages": [], "trigger": "regenerate-message"}, "nothing_to_retry"),
        ]:
            response = await client.post(address, json=body)
            assert (response.json()["error"]["code"], response.status_code // 100) == (code, 4), body
        assert (await client.get(f"{address}/stream")).status_code == 204
        assert (await client.get(f"{server.url}/api/ui/none")).json() == {"id": "none", "messages": []}
        assert (await client.post(f"{server.url}/api/ui/none/stop")).status_code == 204
        assert (await client.put(address, json={})).status_code == 404


async def test_a_page_of_an_allowed_origin_may_ask(server: ServerProcess) -> None:
    address = f"{server.url}/api/ui/talk"
    wishes = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with httpx2.AsyncClient(timeout=60) as client:
        allowed = await client.options(address, headers={"Origin": "http://localhost:3000", **wishes})
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "authorization" in allowed.headers["access-control-allow-headers"]
        refused = await client.options(address, headers={"Origin": "https://elsewhere.example", **wishes})
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers
        there = {"Origin": "https://elsewhere.example", **GUEST}
        assert (await client.post(address, json=message("Hello"), headers=there)).status_code == 403


async def test_another_persons_conversation_is_as_none_at_all(start_server: StartServer) -> None:
    server = start_server(
        DJANGO_SETTINGS_MODULE="tests.support.quiet_settings", LOCAL_PAGES="0", SESSION_GRACE_SECONDS="0.3"
    )
    address = f"{server.url}/api/ui/talk"
    async with httpx2.AsyncClient(headers={**GUEST, "X-Forwarded-For": "198.51.100.7"}, timeout=60) as client:
        response = await client.post(address, json=message("Hello"))
        assert (response.status_code, response.json()["error"]["code"]) == (403, "chosen_id_refused")
        assert (await client.get(address)).json()["messages"] == []
