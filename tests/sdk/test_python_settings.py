"""OpenAI's Python client against the server: the settings of a session, and those of one response."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess

from .talk import talk, text_of
from .test_python_turns import WEATHER


async def test_settings(server: ServerProcess) -> None:
    settings: Any = {
        "type": "realtime",
        "instructions": "Be brief.",
        "max_output_tokens": 3,
        "output_modalities": ["text"],
        "x_turn_policy": "reject",
    }
    async with talk(server.ws_url) as client:
        await client.connection.session.update(session=settings)
        session = (await client.until("session.updated")).session
        assert session.to_dict().items() >= settings.items()
        response = await client.ask("count to 5")
    assert (response.status, response.status_details.reason) == ("incomplete", "max_output_tokens")
    assert text_of(response) == client.text == "1, 2, 3, "
    assert response.output[0].status == "incomplete"


async def test_a_response_of_its_own_kind(server: ServerProcess) -> None:
    metadata = {"topic": "numbers", "asked by": "a test"}
    async with talk(server.ws_url) as client:
        response = await client.ask("count to 5", max_output_tokens=2, metadata=metadata)
        assert response.metadata == metadata
        assert response.max_output_tokens == 2
        assert text_of(response) == "1, 2, "
        created = [event for event in client.events if event.type == "response.created"]
        assert created[0].response.metadata == metadata
        response = await client.ask("count to 5")
        assert response.metadata is None
        assert text_of(response) == "1, 2, 3, 4, 5."


@pytest.mark.parametrize(
    ("tool_choice", "kinds"),
    [
        ("none", ["message"]),
        ("auto", ["mcp_call", "message"]),
        ({"type": "function", "name": "get_time"}, ["mcp_call", "message"]),
    ],
    ids=["none", "auto", "named"],
)
async def test_the_choice_of_tools(server: ServerProcess, tool_choice: Any, kinds: list[str]) -> None:
    async with talk(server.ws_url) as client:
        response = await client.ask("What is 6*7?", tool_choice=tool_choice)
    assert [item.type for item in response.output] == kinds
    if isinstance(tool_choice, dict):
        assert response.output[0].name == "get_time"


async def test_what_counts_for_one_response_reaches_the_model_and_no_other(start_server: StartServer) -> None:
    with GeminiServer() as gemini:
        server = start_server(
            LLM_MODEL="gemini:gemini-3-flash", GEMINI_API_KEY=API_KEY, GOOGLE_GEMINI_BASE_URL=gemini.url
        )
        session: Any = {"type": "realtime", "instructions": "Speak English.", "max_output_tokens": 900}
        async with talk(server.ws_url) as client:
            await client.connection.session.update(session=session)
            await client.ask("Hello", instructions="Speak German.", max_output_tokens=70, tools=[WEATHER])
            await client.ask("Hello")
        assert gemini.refusals == []
    one, two = gemini.requests
    assert (said_to(one), one["generationConfig"]["maxOutputTokens"]) == ("Speak German.", 70)
    assert (said_to(two), two["generationConfig"]["maxOutputTokens"]) == ("Speak English.", 900)
    assert "get_weather" in str(one["tools"])
    assert "get_weather" not in str(two["tools"])


async def test_the_servers_instructions_are_those_of_a_session_without_its_own(
    start_server: StartServer, tmp_path: Path
) -> None:
    file = tmp_path / "instructions.md"
    file.write_text("You sell bicycles.\n")
    with GeminiServer() as gemini:
        server = start_server(
            LLM_MODEL="gemini",
            GEMINI_MODEL="gemini-3-flash",
            GOOGLE_API_KEY=API_KEY,
            GOOGLE_GEMINI_BASE_URL=f" {gemini.url} ",
            GOOGLE_GENAI_API_VERSION="",
            OPENAI_BASE_URL="",
            CHAT_INSTRUCTIONS_FILE=str(file),
        )
        async with talk(server.ws_url) as client:
            created = (await client.until("session.created")).session
            assert created.instructions == "You sell bicycles."
            await client.ask("Hello")
            session: Any = {"type": "realtime", "instructions": "Speak English."}
            await client.connection.session.update(session=session)
            await client.ask("Hello")
        assert gemini.refusals == []
    assert [said_to(request) for request in gemini.requests] == ["You sell bicycles.", "Speak English."]


def said_to(request: dict[str, Any]) -> str:
    """The instructions that the model got."""
    return "".join(part["text"] for part in request["systemInstruction"]["parts"])
