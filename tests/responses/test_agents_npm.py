"""OpenAI's agents for npm against the Responses API."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gemini_script import say as says
from tests.fakes.gemini_server import GeminiServer
from tests.sdk.conftest import node
from tests.sdk.node_packages import report_of
from tests.sockets.conftest import start_server
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "node", "start_server", "start_shop"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("approve", [True, False])
async def test_tools_handoffs_and_approvals(
    node: list[str],
    start_shop: StartShop,
    gemini: GeminiServer,
    ledger: Ledger,
    tmp_path: Path,
    approve: bool,
    stream: bool,
) -> None:
    """The questions of the agent's own tool are the SDK's; that of the server's tool is an approval request of its response."""
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        ("tool", "get_weather", {"city": "Oslo"}),
        ("handoff", "transfer_to_Billing", {}),
        ("own", "refund", {"amount": 3}),
        ("server", "pay", {"amount": 5, "to": "Ann"}),
    ]
    steps = [
        {"agent": agent, "say": f"Use {name}", "approve": approve, "stream": stream}
        for agent, name, _ in wanted
    ]
    for _, name, arguments in wanted:
        gemini.then(calls((name, arguments)), says("So it is."))
    gemini.then(says("That is all."))
    base_url = f"{start_shop().url}/v1"
    report = await report_of(node, "agents_responses.mjs", tmp_path / "none", baseURL=base_url, steps=steps)
    told = report["told"]
    assert told["tool"]["asked"] == told["handoff"]["asked"] == []
    heard = json.dumps(gemini.requests)
    assert "rain in Oslo, all day" in heard
    assert ("gave 3 back" in heard, "Paid 5 to Ann." in heard) == (approve, approve)
    assert told["handoff"]["last"] == "Billing"
    assert (told["own"]["asked"], told["server"]["asked"]) == (["refund"], ["pay"])
    assert [one["answer"] for one in told.values()] == ["So it is."] * 4
    assert told["server"]["next"] == "That is all."
    assert report["ran"] == ["weather Oslo", *(["refund 3"] if approve else [])]
    assert len(ledger.lines()) == int(approve)
