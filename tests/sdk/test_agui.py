"""AG-UI's own clients, of both generations, against a running server."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sessions_app.models import SessionEvent, StoredFile
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_server import GeminiServer
from tests.files.samples import png
from tests.sockets.conftest import StartServer
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

from .node_packages import run

__all__ = ["gemini", "ledger", "start_shop"]

Report = dict[str, Any]
GENERATIONS = ("1.0", "0.0.59")
TEN = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
both = pytest.mark.parametrize("client", GENERATIONS)


async def talk(
    node: list[str], server: ServerProcess, client: str, *steps: dict[str, Any], thread: str, **given: Any
) -> Report:
    told = {"url": server.url, "client": client, "thread": thread, "steps": steps, **given}
    printed = await run([*node, "agui.mjs", json.dumps(told)], certificate=Path("/dev/null"))
    report: Report = json.loads(printed)
    assert [one for one in report["warnings"] if not one.startswith("Agent execution failed")] == []
    return report


def kinds(step: Report) -> list[str]:
    """The types of the events, runs of the same as one."""
    names = [event["type"] for event in step["events"]]
    return [name for place, name in enumerate(names) if not place or name != names[place - 1]]


def roles(step: Report) -> list[str]:
    return [message["role"] for message in step["messages"]]


@both
async def test_what_is_said_is_answered_and_the_run_is_named_as_the_client_does(
    node: list[str], server: ServerProcess, client: str
) -> None:
    report = await talk(
        node,
        server,
        client,
        {"say": "My name is Ada"},
        {"say": "What is my name?", "runId": "run-2"},
        thread="t1",
    )
    first, last = report["steps"]
    assert kinds(first) == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    assert roles(last) == ["user", "assistant"] * 2
    assert "Ada" in last["messages"][-1]["content"]
    began, ended = last["events"][0], last["events"][-1]
    assert (began["threadId"], began["runId"], began["protocolVersion"]) == ("t1", "run-2", "1.0")
    assert (ended["threadId"], ended["runId"], ended["outcome"]) == ("t1", "run-2", {"type": "success"})
    (usage,) = ended["usage"]
    assert usage["provider"] == usage["model"] == "demo"
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] > 0
    assert first["errors"] == last["errors"] == report["rejections"] == []


@both
async def test_a_servers_tool_is_a_call_with_its_result(
    node: list[str], server: ServerProcess, client: str
) -> None:
    report = await talk(node, server, client, {"say": "What time is it in Berlin?"}, thread="t2")
    (step,) = report["steps"]
    assert roles(step)[:3] == ["user", "assistant", "tool"]
    call, result = step["messages"][1:3]
    (asked,) = call["toolCalls"]
    assert asked["function"]["name"] == "get_time"
    assert json.loads(asked["function"]["arguments"]) == {"zone": "Berlin"}
    assert result["toolCallId"] == asked["id"]
    assert json.loads(result["content"])["zone"] == "Europe/Berlin"
    assert step["messages"][-1]["content"]


@both
async def test_a_tool_of_the_clients_ends_the_run_and_its_answer_begins_the_next(
    node: list[str], server: ServerProcess, client: str
) -> None:
    report = await talk(
        node,
        server,
        client,
        {"say": "Ask get_weather about Oslo"},
        {"output": "sunny, 21 degrees"},
        {"say": "Count to 10"},
        thread="t3",
        tools=[WEATHER],
    )
    asked, answered, after = report["steps"]
    assert kinds(asked)[-4:] == ["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "RUN_FINISHED"]
    (call,) = asked["messages"][-1]["toolCalls"]
    assert call["function"]["name"] == "get_weather"
    pending = {"pendingToolCallIds": [call["id"]]} if client == "1.0" else {}
    assert asked["events"][-1]["outcome"] == {"type": "success", **pending}
    assert "sunny, 21 degrees" in answered["messages"][-1]["content"]
    assert after["messages"][-1]["content"] == TEN
    assert [step["errors"] for step in report["steps"]] == [[], [], []]


@both
@pytest.mark.parametrize("approve", [True, False])
async def test_a_tool_asks_by_an_interrupt_and_the_next_run_goes_on(
    node: list[str],
    start_shop: StartShop,
    gemini: GeminiServer,
    ledger: Ledger,
    client: str,
    approve: bool,
) -> None:
    gemini.then(calls(("pay", {"amount": 5, "to": "Ann"})))
    steps = {"say": "Pay Ann"}, {"approve": approve, "reason": "I said so"}
    report = await talk(node, start_shop(), client, *steps, thread="t4")
    asked, done = report["steps"]
    (interrupt,) = asked["interrupts"]
    (call,) = asked["messages"][-1]["toolCalls"]
    assert (interrupt["reason"], interrupt["toolCallId"]) == ("tool_call", call["id"])
    assert json.loads(call["function"]["arguments"]) == {"amount": 5, "to": "Ann"}
    assert len(ledger.lines()) == int(approve)
    result = done["messages"][2]
    assert (result["role"], result["toolCallId"]) == ("tool", call["id"])
    assert ("Paid 5 to Ann." in result["content"]) == approve
    assert done["messages"][-1]["role"] == "assistant"
    assert done["messages"][-1]["content"]
    assert done["events"][-1]["outcome"] == {"type": "success"}
    assert asked["errors"] == done["errors"] == []


@both
async def test_a_model_is_told_what_the_application_tells_of_itself(
    node: list[str], start_shop: StartShop, gemini: GeminiServer, client: str
) -> None:
    """Behind its instructions, in each run that tells it; the state is the client's and stays as it was."""
    context = [{"description": "The page", "value": "Invoice 7"}]
    state = {"selected": ["row 3"]}
    report = await talk(
        node, start_shop(), client, {"say": "What is this?"}, thread="t9", context=context, state=state
    )
    (step,) = report["steps"]
    instructions = gemini.requests[0]["systemInstruction"]["parts"][0]["text"]
    assert '<application>\nThe page: Invoice 7\nstate: {"selected":["row 3"]}\n</application>' in instructions
    assert step["state"] == state
    assert step["errors"] == []
    (told,) = (event for event in step["events"] if event["type"] == "STATE_SNAPSHOT")
    assert told["snapshot"] == state


@both
async def test_the_same_run_again_is_one_turn_and_nothing_is_appended_twice(
    node: list[str], server: ServerProcess, client: str
) -> None:
    report = await talk(
        node,
        server,
        client,
        {"say": "Count to 10", "runId": "r1"},
        {"runId": "r1"},
        {"runId": "r2"},
        {"forget": 1, "runId": "r1"},
        thread="t5",
    )
    texts = [[message["content"] for message in step["messages"]] for step in report["steps"]]
    assert texts == [["Count to 10", TEN]] * 4
    ids = [[message["id"] for message in step["messages"]] for step in report["steps"]]
    assert ids == [ids[0]] * 4
    assert kinds(report["steps"][1]) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert [step["events"][-1]["runId"] for step in report["steps"]] == ["r1", "r1", "r2", "r1"]


@both
async def test_an_answer_that_was_thrown_away_is_given_anew(
    node: list[str], server: ServerProcess, client: str
) -> None:
    report = await talk(
        node, server, client, {"say": "Count to 10"}, {"forget": 1}, {"say": "Count to 5"}, thread="t6"
    )
    first, anew, after = report["steps"]
    assert [message["content"] for message in anew["messages"]] == ["Count to 10", TEN]
    assert anew["messages"][-1]["id"] != first["messages"][-1]["id"]
    assert after["messages"][-1]["content"] == "1, 2, 3, 4, 5."


@both
async def test_pictures_and_documents_go_with_what_is_said(
    node: list[str], server: ServerProcess, client: str
) -> None:
    data = base64.b64encode(png()).decode()
    forms: dict[str, dict[str, Any]] = {
        "1.0": {"type": "image", "source": {"type": "data", "value": data, "mimeType": "image/png"}},
        "0.0.59": {"type": "binary", "mimeType": "image/png", "data": data, "filename": "bike.png"},
    }
    picture = forms[client]
    said = {"id": "m1", "role": "user", "content": [{"type": "text", "text": "Look:"}, picture]}
    report = await talk(node, server, client, {"message": said}, thread="files")
    (step,) = report["steps"]
    assert step["errors"] == []
    assert "image/png" in step["messages"][-1]["content"]
    path = "/ag-ui/agent/default/connect"
    report = await talk(node, server, client, {}, thread="files", path=path)
    (step,) = report["steps"]
    assert (step["errors"], report["rejections"]) == ([], [])
    text, kept = step["messages"][0]["content"]
    assert (text["text"], kept["type"], kept["source"]["mimeType"]) == ("Look:", "image", "image/png")
    again = {"id": "m2", "role": "user", "content": [kept]}
    report = await talk(node, server, client, {"message": again}, thread="files", messages=step["messages"])
    assert "image/png" in report["steps"][0]["messages"][-1]["content"]
    files = await in_db_thread(lambda: list(StoredFile.objects.values_list("session_id", "media_type")))
    assert [media_type for _, media_type in files] == ["image/png"]
    elsewhere = {**picture, "source": {"type": "url", "value": "https://example.com/a.png"}, "type": "image"}
    refused = {"id": "m3", "role": "user", "content": [elsewhere]}
    report = await talk(node, server, client, {"message": refused}, thread="others")
    assert report["steps"][0]["errors"][-1]["payload"]["error"]["code"] == "unsupported_content"


@both
async def test_what_is_refused_is_told_with_its_code(
    node: list[str], server: ServerProcess, client: str
) -> None:
    report = await talk(node, server, client, {"say": "Hello"}, thread="t7", key="wrong")
    (step,) = report["steps"]
    assert step["errors"][-1]["status"] == 401
    assert step["errors"][-1]["payload"]["error"]["code"] == "invalid_credentials"
    report = await talk(node, server, client, {"say": "Hello"}, thread="t8", forwardedProps={"model": "none"})
    assert report["steps"][0]["errors"][-1]["payload"]["error"]["code"] == "model_not_allowed"


def counted(until: int) -> str:
    return ", ".join(str(number) for number in range(1, until + 1)) + "."


@both
async def test_a_client_that_goes_away_stops_nothing_and_reads_on_when_it_comes_back(
    node: list[str], slow_server: ServerProcess, client: str
) -> None:
    steps: list[Report] = [{"say": "Count to 40", "abortAfter": 20}, {}, {"say": "Count to 3"}]
    report = await talk(node, slow_server, client, *steps, thread="t9")
    aborted, back, after = report["steps"]
    assert "40" not in aborted["messages"][-1]["content"]
    assert [message["content"] for message in back["messages"]] == ["Count to 40", counted(40)]
    assert back["messages"][-1]["id"] == aborted["messages"][-1]["id"]
    assert after["messages"][-1]["content"] == "1, 2, 3."
    assert back["errors"] == after["errors"] == []


async def until_something_is_said() -> None:
    said = SessionEvent.objects.filter(event_type="assistant_delta")

    async def is_said() -> None:
        assert await in_db_thread(said.exists)

    await eventually(is_said)


@both
async def test_a_server_that_is_killed_cuts_the_run_and_the_next_one_gives_the_whole_answer(
    node: list[str], start_server: StartServer, client: str
) -> None:
    server = start_server(DEMO_DELAY_MS="15")
    steps = {"say": "Count to 100", "runId": "r1"}, {"runId": "r1", "patient": True}
    talking = asyncio.create_task(talk(node, server, client, *steps, thread="t10"))
    await until_something_is_said()
    server.kill()
    server.start()
    cut, whole = (await talking)["steps"]
    assert cut["rejected"] == "TypeError: terminated"
    assert cut["events"][-1]["type"] == "TEXT_MESSAGE_CONTENT"
    assert [message["content"] for message in whole["messages"]] == ["Count to 100", counted(100)]
