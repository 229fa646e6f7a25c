"""OpenAI's npm client against the Responses API; its helper throws at whatever it does not know."""

from pathlib import Path

from tests.sdk.conftest import node
from tests.sdk.node_packages import report_of
from tests.support.server import ServerProcess

__all__ = ["node"]


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
