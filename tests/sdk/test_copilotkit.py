"""CopilotKit's core, whose `runtimeUrl` is this server: no runtime of its own in between."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_server import GeminiServer
from tests.sockets.conftest import StartServer
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop
from tests.support.server import ServerProcess

from .node_packages import run
from .test_agui import until_something_is_said

__all__ = ["gemini", "ledger", "start_shop"]

Report = dict[str, Any]


async def copilot(
    node: list[str], server: ServerProcess, *steps: dict[str, Any], thread: str, **given: Any
) -> Report:
    told = {"url": server.url, "thread": thread, "steps": steps, **given}
    printed = await run([*node, "copilot.mjs", json.dumps(told)], certificate=Path("/dev/null"))
    report: Report = json.loads(printed)
    return report


def texts(step: Report) -> list[str]:
    return [message["content"] for message in step["messages"] if message.get("content")]


async def test_it_finds_the_assistants_and_talks(node: list[str], server: ServerProcess) -> None:
    report = await copilot(
        node, server, {"connect": True}, {"say": "My name is Ada"}, {"say": "What is my name?"}, thread="c1"
    )
    assert "default" in report["agents"]
    assert [step["errors"] for step in report["steps"]] == [[], [], []]
    assert "Ada" in texts(report["steps"][-1])[-1]
    again = await copilot(node, server, {"connect": True}, thread="c1")
    assert again["steps"][0]["messages"] == report["steps"][-1]["messages"]


async def test_a_tool_of_the_pages_runs_and_the_answer_goes_on(
    node: list[str], server: ServerProcess
) -> None:
    tools = [{"name": "get_color", "description": "The color of a thing.", "result": "violet"}]
    report = await copilot(node, server, {"say": "Ask get_color about the sky"}, thread="c2", tools=tools)
    assert [call["name"] for call in report["calls"]] == ["get_color"]
    (step,) = report["steps"]
    assert [message["role"] for message in step["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert "violet" in texts(step)[-1]
    assert step["errors"] == []


async def test_a_tab_that_is_opened_in_mid_answer_reads_all_of_it(
    node: list[str], slow_server: ServerProcess
) -> None:
    report = await copilot(node, slow_server, {"reload": "Count to 60"}, thread="c3")
    seen, last = report["steps"]
    answer = ", ".join(str(number) for number in range(1, 61)) + "."
    assert answer.startswith(seen["seen"])
    assert seen["seen"] != answer
    assert texts(last) == ["Count to 60", answer]
    assert last["errors"] == []


async def test_an_answer_can_be_stopped(node: list[str], slow_server: ServerProcess) -> None:
    report = await copilot(node, slow_server, {"stop": "Count to 500"}, {"say": "Count to 3"}, thread="c4")
    stopped, after = report["steps"]
    assert "500" not in texts(stopped)[-1]
    assert texts(after)[-1] == "1, 2, 3."
    assert stopped["errors"] == after["errors"] == []
    done = SessionEvent.objects.filter(event_type="response_done").order_by("seq")
    statuses = await in_db_thread(lambda: list(done.values_list("payload__status", flat=True)))
    assert statuses == ["cancelled", "completed"]


@pytest.mark.parametrize("approve", [True, False])
async def test_a_question_is_there_after_a_reload_and_is_answered(
    node: list[str], start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, approve: bool
) -> None:
    gemini.then(calls(("pay", {"amount": 5, "to": "Ann"})))
    server = start_shop()
    asked = await copilot(node, server, {"say": "Pay Ann"}, thread="c5")
    (interrupt,) = asked["steps"][0]["interrupts"]
    report = await copilot(
        node, server, {"connect": True}, {"approve": approve}, {"connect": True}, thread="c5"
    )
    there, done, idle = report["steps"]
    assert there["interrupts"] == [interrupt]
    assert there["messages"] == asked["steps"][0]["messages"]
    assert len(ledger.lines()) == int(approve)
    roles = [message["role"] for message in done["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant"]
    assert idle["messages"] == done["messages"]
    assert idle["interrupts"] == []
    assert [step["errors"] for step in report["steps"]] == [[], [], []]


async def test_a_server_that_is_killed_brings_the_answer_to_its_end_and_connect_reads_it(
    node: list[str], start_server: StartServer
) -> None:
    server = start_server(DEMO_DELAY_MS="15")
    steps = {"say": "Count to 100"}, {"patient": "99, 100."}
    talking = asyncio.create_task(copilot(node, server, *steps, thread="c6"))
    await until_something_is_said()
    server.kill()
    server.start()
    cut, whole = (await talking)["steps"]
    assert cut["errors"]
    answer = ", ".join(str(number) for number in range(1, 101)) + "."
    assert texts(whole) == ["Count to 100", answer]
