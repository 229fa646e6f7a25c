"""Frameworks that speak the Realtime API, each in an environment of its own: docs/wires.md says how to make them.

They are large and pin much, so the suite does not install them: it runs what it is given a folder of.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gemini_script import say as says
from tests.fakes.gemini_server import GeminiServer
from tests.sockets.conftest import start_server
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop
from tests.support.server import ServerProcess

__all__ = ["gemini", "ledger", "start_server", "start_shop"]

PROGRAMS = Path(__file__).parent / "outside"
_SECONDS = 120


async def told_by(client: str, server: ServerProcess, *arguments: str, program: str = "") -> dict[str, Any]:
    """What the client's program reports; the test is skipped by name where it is not installed."""
    folder = os.environ.get("OUTSIDE_CLIENTS", "")
    python = Path(folder) / client / "bin" / "python"
    if not folder or not python.exists():
        pytest.skip(f"no {client} here: name a folder of environments in OUTSIDE_CLIENTS (docs/wires.md)")
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(PROGRAMS / f"{program or client}_talk.py"),
        f"{server.url}/v1",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(_SECONDS):
        stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    report: dict[str, Any] = json.loads(stdout.decode().splitlines()[-1])
    return report


async def test_livekit(server: ServerProcess) -> None:
    """Each question is answered, not the one before it; the past that it tells is there."""
    told = await told_by("livekit", server)
    assert told["answers"][:2] == ["1, 2, 3.", "1, 2, 3, 4."]
    assert "Ada" in told["answers"][2]
    said = [text for _, text in told["said"]]
    assert said[:4] == ["My name is Ada.", "Nice to meet you, Ada.", "count to 3", "1, 2, 3."]
    assert said[4:] == ["count to 4", "1, 2, 3, 4.", "What is my name?", told["answers"][2]]


async def test_openais_agents(server: ServerProcess) -> None:
    told = await told_by("agents", server)
    assert told["errors"] == []
    assert told["answers"][0] == "1, 2, 3."
    assert "42" in told["answers"][1]
    assert told["answers"][2] == "rain in Berlin, all day"
    assert told["session"]["session"]["output_modalities"] == ["text"]
    assert told["session"]["session"]["instructions"] == "Be brief."


async def test_pipecat(server: ServerProcess) -> None:
    """A later turn by its own aggregator never leaves Pipecat; the same by hand is answered."""
    told = await told_by("pipecat", server)
    assert told["answered"] == [True, False, True]
    assert told["answers"] == ["1, 2, 3.", "1, 2, 3, 4, 5."]


async def test_openais_agents_and_langchain_over_http(server: ServerProcess) -> None:
    told = await told_by("responses", server)
    agents, langchain = told["agents"], told["langchain"]
    assert (agents["counted"], agents["streamed"]) == ("1, 2, 3.", "1, 2, 3, 4.")
    assert "rain in" in agents["weather"]
    assert "Ada" in agents["name"]
    assert "Ada" in agents["whole"]
    assert "raw_response_event" in agents["types"]
    assert (langchain["counted"], langchain["streamed"]) == ("1, 2, 3.", "1, 2, 3, 4.")
    assert "Ada" in langchain["name"]
    assert "Ada" in langchain["chained"]
    assert langchain["called"] == ["look_outside"]


@pytest.mark.parametrize("stream", ["no", "yes"])
@pytest.mark.parametrize("approve", ["yes", "no"])
async def test_openais_agents_hand_off_and_ask_over_http(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, approve: str, stream: str
) -> None:
    """The question of the agent's own tool is the SDK's; that of the server's tool is an approval request of its response."""
    for name, arguments in (
        ("get_weather", {"city": "Oslo"}),
        ("transfer_to_billing", {}),
        ("refund", {"amount": 3}),
        ("pay", {"amount": 5, "to": "Ann"}),
    ):
        gemini.then(calls((name, arguments)), says("So it is."))
    gemini.then(says("That is all."))
    report = await told_by("responses", start_shop(), approve, stream, program="handoffs")
    told, yes = report["told"], approve == "yes"
    heard = json.dumps(gemini.requests)
    assert "rain in Oslo, all day" in heard
    assert ("gave 3 back" in heard, "Paid 5 to Ann." in heard) == (yes, yes)
    assert told["handoff"]["last"] == "Billing"
    assert told["own"]["asked"] == ["refund"]
    assert [one["answer"] for one in told.values()] == ["So it is."] * 4
    assert told["server"]["next"] == "That is all."
    assert report["ran"] == ["weather Oslo", *(["refund 3"] if yes else [])]
    assert len(ledger.lines()) == int(yes)
