"""OpenAI's npm client against the Responses API, whose helper throws at whatever it does not know, and the AI SDK's."""

from pathlib import Path

import pytest

from tests.fakes.gemini_script import say as says
from tests.fakes.gemini_server import GeminiServer
from tests.sdk.conftest import node
from tests.sdk.node_packages import report_of
from tests.sockets.conftest import start_server
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop
from tests.support.server import ServerProcess

__all__ = ["gemini", "ledger", "node", "start_server", "start_shop"]


async def test_npm(node: list[str], server: ServerProcess, tmp_path: Path) -> None:
    told = await report_of(node, "responses.mjs", tmp_path / "none", baseURL=f"{server.url}/v1")
    assert told["plain"] == ["completed", "1, 2, 3."]
    assert "count to 3" in told["next"]
    assert told["streamed"] == "1, 2, 3, 4, 5."
    assert told["types"][0] == "response.created"
    assert told["types"][-1] == "response.completed"
    assert told["tool"][0] == "get_weather"
    assert "4 degrees, rain" in told["tool"][1]
    assert told["resumed"] is True
    assert told["cancelled"] == "cancelled"
    assert told["refused"] == [400, "unsupported_parameter", "tools[0].type"]
    assert told["chat"] == "1, 2, 3."


async def test_npm_on_the_socket(node: list[str], server: ServerProcess, tmp_path: Path) -> None:
    told = await report_of(node, "responses_socket.mjs", tmp_path / "none", baseURL=f"{server.url}/v1")
    assert told["lanes"] == [["short", "1, 2, 3."], ["long", ", ".join(map(str, range(1, 41))) + "."]]
    assert told["refused"] == "previous_response_not_found"
    assert told["steered"] == [True, "steered", True, "1, 2, 3, 4."]
    assert told["resumed"] is True


async def test_the_ai_sdk(node: list[str], server: ServerProcess, tmp_path: Path) -> None:
    """It names the items of earlier answers by their ids alone, without a session."""
    told = await report_of(node, "ai_sdk.mjs", tmp_path / "none", baseURL=f"{server.url}/v1")
    assert (told["plain"], told["streamed"]) == ("1, 2, 3.", "1, 2, 3, 4.")
    assert "Ada" in told["name"]
    assert "rain in" in told["tool"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("approve", [False, True])
async def test_the_ai_sdk_and_a_tool_that_asks(
    node: list[str],
    start_shop: StartShop,
    gemini: GeminiServer,
    ledger: Ledger,
    tmp_path: Path,
    approve: bool,
    stream: bool,
) -> None:
    """An answer that does not say ``providerExecuted`` never leaves the SDK, so the same is asked anew, and nothing runs."""
    pay = calls(("pay", {"amount": 5, "to": "Ann"}))
    gemini.then(calls(("look_up", {"shelf": "A"})), says("It is empty."))
    gemini.then(pay, pay, says("So be it."), says("That is all."))
    base_url = f"{start_shop().url}/v1"
    told = await report_of(
        node, "ai_sdk_asks.mjs", tmp_path / "none", baseURL=base_url, approve=approve, stream=stream
    )
    assert told["looked"] == ["It is empty.", ["tool-call", "tool-result", "text"]]
    assert told["asked"] == told["unsent"] == ["tool-call", "tool-approval-request"]
    assert told["done"] == ["So be it.", [*(["tool-call", "tool-result"] if approve else []), "text"]]
    assert told["next"] == "That is all."
    assert len(ledger.lines()) == 1 + approve
