"""The whole application on Claude: the real SDK against a local server that is as strict as the vendor's."""

from collections.abc import Callable, Iterator

import pytest

from tests.fakes.anthropic_script import Redacted, Stop, Think, Use, ask, reply, say, text, use
from tests.fakes.anthropic_server import API_KEY, AnthropicServer
from tests.support.server import ServerProcess
from tests.support.sockets import realtime

from .conftest import StartServer

StartClaude = Callable[..., ServerProcess]


@pytest.fixture
def claude() -> Iterator[AnthropicServer]:
    with AnthropicServer() as server:
        yield server
    assert server.refusals == []


@pytest.fixture
def start_claude(start_server: StartServer, claude: AnthropicServer) -> StartClaude:
    def start(**env: str) -> ServerProcess:
        return start_server(
            LLM_MODEL="anthropic:claude-opus-5-5",
            ANTHROPIC_API_KEY=API_KEY,
            ANTHROPIC_BASE_URL=claude.url,
            **env,
        )

    return start


async def test_thoughts_come_back_from_the_log_unchanged_in_another_process(
    claude: AnthropicServer, start_claude: StartClaude
) -> None:
    """Also what PostgreSQL's JSON cannot hold. The strict server checks every signature and every place."""
    calls = (use("get_time", {"zone": "Asia/Tokyo"}), use("calculate", {"expression": "6*7"}))
    claude.then(
        ask(*calls, before=(Think("They want \x00 two things."), text("One moment."), Redacted())),
        reply(Think("hidden", shown=False), text("It is ", "noon."), Stop()),
    )
    server = start_claude(SESSION_GRACE_SECONDS="0.2")
    async with realtime(server.ws_url, "/ws/session/talk") as client:
        answer, done = await client.ask("What time is it in Tokyo, and what is 6*7?")
        assert answer == "One moment.It is noon."
        kinds = [item["type"] for item in done["response"]["output"]]
        assert kinds == ["message", "mcp_call", "mcp_call", "message"]
        assert "two things" not in str(client.frames)
    server.stop()
    other = start_claude()
    async with realtime(other.ws_url, "/ws/session/talk") as client:
        await client.ask("Thank you")
    history = claude.requests[-1]["messages"]
    assert [message["role"] for message in history] == ["user", "assistant"] * 2 + ["user"]
    sent = [block for message in history for block in message["content"] if "thinking" in block["type"]]
    assert sent == claude.thoughts
    assert [block["type"] for block in history[1]["content"]] == [
        *("thinking", "text", "redacted_thinking"),
        *("tool_use", "tool_use"),
    ]


async def test_a_call_that_was_cut_off_is_not_run(claude: AnthropicServer, start_claude: StartClaude) -> None:
    claude.then(reply(Use("get_time", ('{"zone": "Asia/To',)), Stop("max_tokens")), say("Better now."))
    server = start_claude()
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("What time is it?")
        assert done["response"]["output"] == []
        assert done["response"]["status_details"]["reason"] == "max_output_tokens"
        answer, _ = await client.ask("Go on")
    assert answer == "Better now."


async def test_arguments_that_are_no_json_are_put_right_by_the_model(
    claude: AnthropicServer, start_claude: StartClaude
) -> None:
    claude.then(ask(Use("get_time", ('{"zone": Asia',))), ask(use("get_time", {"zone": "UTC"})))
    server = start_claude()
    async with realtime(server.ws_url) as client:
        answer, done = await client.ask("What time is it?")
    assert answer.startswith("get_time: ")
    assert [bool(item.get("error")) for item in done["response"]["output"][:2]] == [True, False]
    [tool] = claude.requests[1]["messages"][1]["content"]
    assert tool["input"] == {"invalid_arguments": '{"zone": Asia'}
