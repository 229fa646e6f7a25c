"""OpenAI's npm clients against the server: two versions, each over the package ``ws`` and over the browser's WebSocket.

They open ``wss:`` alone, so the server stands behind TLS here.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.protocol.sdk import validated
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.tls import self_signed
from tests.support.waiting import eventually

from .front import Front
from .node_packages import report_of

CLIENTS = ["6 ws", "6 websocket", "7 ws", "7 websocket"]


@pytest.fixture
async def front(server: ServerProcess, tmp_path: Path) -> AsyncIterator[Front]:
    context, _ = self_signed(tmp_path)
    async with Front(server.port, tls=context).serving() as front:
        yield front


@pytest.fixture
def certificate(front: Front, tmp_path: Path) -> Path:
    return tmp_path / "certificate.pem"


def base_url(front: Front) -> str:
    return f"https://127.0.0.1:{front.port}/v1"


def text_of(response: dict[str, Any]) -> str:
    return "".join(item["content"][0]["text"] for item in response["output"] if item["type"] == "message")


def joined(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_session(node: list[str], front: Front, certificate: Path, client: str) -> None:
    told = await report_of(node, "turns.mjs", certificate, client=client, baseURL=base_url(front))
    for event in told["events"]:
        validated(json.dumps(event))
    assert told["session"]["instructions"] == "Be brief."
    assert told["text"]["metadata"] == {"topic": "numbers"}
    assert text_of(told["text"]) == "1, 2, 3, 4, 5."
    assert joined(told["events"]).startswith("1, 2, 3, 4, 5.")
    assert [item["type"] for item in told["server_tool"]["output"]] == ["mcp_call", "message"]
    assert "42" in text_of(told["server_tool"])
    (call,) = told["call"]["output"]
    assert (call["type"], json.loads(call["arguments"])) == ("function_call", {"city": "Berlin"})
    assert "rain, all day" in text_of(told["client_tool"])
    assert (told["error"]["code"], told["error"]["event_id"]) == (
        "response_cancel_not_active",
        "nothing_runs",
    )
    assert len(told["errors"]) == 1
    assert "response_cancel_not_active" in told["errors"][0]
    assert text_of(told["last"]) == "1, 2, 3."


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_key_that_is_not_valid(node: list[str], front: Front, certificate: Path, client: str) -> None:
    told = await report_of(
        node, "refused.mjs", certificate, client=client, baseURL=base_url(front), apiKey="sk-nobodys"
    )
    assert [event["error"]["code"] for event in told["events"]] == ["invalid_credentials"]
    assert told["code"] == 4401


@pytest.mark.parametrize("client", ["6 websocket", "7 ws", "7 websocket"])
async def test_a_line_that_breaks_in_the_middle_of_an_answer(
    node: list[str], front: Front, certificate: Path, client: str
) -> None:
    """After so many bytes of what the server sends: in the middle of a frame."""
    front.cut_after_bytes = [3001, 5002, 7003]
    told = await report_of(
        node, "resume.mjs", certificate, client=client, baseURL=base_url(front), question="count to 300"
    )
    assert front.connections == 4
    assert len(told["closes"]) == 3
    assert joined(told["events"]) == text_of(told["response"])
    assert text_of(told["response"]).endswith("299, 300.")
    ids = [event["event_id"] for event in told["events"]]
    assert len(ids) == len(set(ids))
    assert [
        event["x_stream"]["resumed"] for event in told["events"] if event["type"] == "session.created"
    ] == [
        False,
        True,
        True,
        True,
    ]


async def test_a_server_that_restarts_while_it_answers(
    node: list[str], start_server: StartServer, redis_url: str, tmp_path: Path
) -> None:
    env = {"REDIS_URL": redis_url, "DEMO_DELAY_MS": "15", "DRAIN_SECONDS": "60"}
    one, two = start_server(**env), start_server(**env)
    context, certificate = self_signed(tmp_path)
    async with Front(one.port, tls=context).serving() as front:
        given = {"client": "7 ws", "baseURL": base_url(front), "question": "count to 200"}
        reporting = asyncio.create_task(report_of(node, "resume.mjs", certificate, **given))
        await eventually(a_delta_is_stored, timeout_s=60)
        front.target = two.port
        one.signal(signal.SIGTERM)
        told = await reporting
    assert set(told["closes"]) == {1012}
    assert joined(told["events"]) == text_of(told["response"])
    assert text_of(told["response"]).endswith("199, 200.")


async def a_delta_is_stored() -> None:
    assert await in_db_thread(SessionEvent.objects.filter(event_type="assistant_delta").exists)


async def test_openais_agents_with_their_defaults(
    node: list[str], server: ServerProcess, tmp_path: Path
) -> None:
    """Audio is what they ask for, and after a tool of the server's they ask for an answer that nobody wants."""
    questions = ["count to 3", "What is 6*7?", "count to 4"]
    url = f"{server.ws_url}/v1/realtime"
    told = await report_of(node, "agents.mjs", tmp_path, url=url, questions=questions)
    assert told["errors"] == []
    assert told["answers"][0] == "1, 2, 3."
    assert "42" in told["answers"][1]
    assert told["answers"][2] == "1, 2, 3, 4."
    updated = [event for event in told["events"] if event["type"] == "session.updated"]
    assert updated[-1]["session"]["instructions"] == "Be brief."
    assert updated[-1]["session"]["output_modalities"] == ["text"]
    assert ["text alone" in event.get("x_notice", "") for event in updated].count(True) == 1
    ends = [event["response"] for event in told["events"] if event["type"] == "response.done"]
    assert [end["status"] for end in ends] == ["completed", "completed", "cancelled", "completed"]
    assert ends[2]["status_details"]["x_reason"] == "nothing_new"
    count = SessionEvent.objects.filter(event_type="response_started").count
    assert await in_db_thread(count) == 3
