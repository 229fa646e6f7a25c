"""What clients do by default: ask once more after each tool, speak of audio, put a slash at the end."""

from typing import Any

import pytest

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, Realtime, plain, realtime

from .conftest import StartServer
from .shop import Ledger, StartShop, calls, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "start_shop"]


async def responses(session_id: str) -> int:
    events = SessionEvent.objects.filter(session_id=session_id, event_type="response_started")
    return await in_db_thread(events.count)


async def asked_again(client: Realtime, **event: Any) -> Frame:
    """The response that a ``response.create`` brings."""
    await client.send(type="response.create", **event)
    return dict((await client.until("response.done"))["response"])


# Once more after a tool


async def test_a_bare_wish_behind_an_answer_with_tools_adds_nothing(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        await client.ask("What is 6*7?")
        for number in range(2):
            passed_over = await asked_again(client, event_id=f"again_{number}")
            created = client.frames[-2]
            assert (created["type"], created["response"]["id"]) == ("response.created", passed_over["id"])
            assert created["response"]["x_client_event_id"] == f"again_{number}"
            assert (passed_over["status"], passed_over["output"]) == ("cancelled", [])
            assert passed_over["status_details"]["x_reason"] == "nothing_new"
            assert "response object" in passed_over["x_message"]
            assert client.frames[-1]["event_id"].startswith("evt_")
        assert await responses(client.session_id) == 1
        text, _ = await client.ask("count to 3")
    assert text == "1, 2, 3."


async def test_a_bare_wish_while_the_tools_run_adds_nothing(start_shop: StartShop, gemini: Any) -> None:
    server = start_shop()
    gemini.then(calls(("look_up", {"shelf": "A"})))
    async with realtime(server.ws_url) as client:
        await client.say("What is on shelf A?")
        await client.until("response.mcp_call.in_progress")
        assert (await asked_again(client))["status_details"]["x_reason"] == "nothing_new"
        assert (await client.until("response.done"))["response"]["status"] == "completed"
        assert (await asked_again(client))["status_details"]["x_reason"] == "nothing_new"
        assert await responses(client.session_id) == 1


async def test_whoever_really_wants_another_answer_gets_one(server: ServerProcess) -> None:
    """A regenerate button, new instructions, something said, something taken back."""
    async with realtime(server.ws_url) as client:
        await client.ask("What is 6*7?")
        assert (await asked_again(client, response={}))["status"] == "completed"
        await client.ask("What is 6*8?")
        await client.send(type="session.update", session={"type": "realtime", "instructions": "In French."})
        assert (await asked_again(client))["status"] == "completed"
        await client.ask("What is 6*9?")
        said = next(
            frame["item"] for frame in reversed(client.frames) if frame.get("item", {}).get("role") == "user"
        )
        await client.send(type="conversation.item.delete", item_id=said["id"])
        assert (await asked_again(client))["status"] == "completed"
        await client.ask("count to 3")
        assert (await asked_again(client))["status"] == "completed"


async def test_after_an_answer_that_failed_a_bare_wish_is_another_try(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="30")
    async with realtime(server.ws_url) as client:
        await client.say("What is 6*7?")
        await client.until("response.mcp_call.completed")
        await client.send(type="response.cancel")
        assert (await client.until("response.done"))["response"]["status"] == "cancelled"
        assert (await asked_again(client))["status"] == "completed"


async def test_a_yes_is_answered_once(start_shop: StartShop, gemini: Any, ledger: Ledger) -> None:
    """A client that says yes and asks for a response gets the one that goes on by itself."""
    server = start_shop()
    gemini.then(calls(("read_letter", {"name": "home"})))
    async with realtime(server.ws_url) as client:
        await client.say("Read the letter")
        (request,) = (await client.until("response.done"))["response"]["output"]
        yes = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
        await client.send(type="conversation.item.create", item=yes)
        ends = [await asked_again(client), (await client.until("response.done"))["response"]]
        assert sorted(end["status"] for end in ends) == ["cancelled", "completed"]
        assert await responses(client.session_id) == 2
    assert len(ledger.lines()) == 1


# Audio


async def test_what_is_text_of_a_session_with_audio_holds(server: ServerProcess) -> None:
    weather = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    spoken = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}, "output": {"voice": "marin"}},
        "instructions": "Be brief.",
        "tools": [weather],
    }
    async with realtime(server.ws_url) as client:
        await client.send(type="session.update", session=spoken)
        updated = await client.until("session.updated")
        assert updated["session"]["output_modalities"] == ["text"]
        assert updated["session"]["instructions"] == "Be brief."
        assert [tool["name"] for tool in updated["session"]["tools"]] == ["get_weather"]
        assert "text alone" in updated["x_notice"]
        await client.send(type="session.update", session=spoken)
        assert "x_notice" not in await client.until("session.updated")
        await client.say("count to 3")
        answer = (await client.until("response.done"))["response"]
        assert (answer["output_modalities"], answer["output"][0]["content"][0]["text"]) == (
            ["text"],
            "1, 2, 3.",
        )
        both = await asked_again(client, response={"output_modalities": ["audio", "text"]})
        assert (both["status"], both["output_modalities"]) == ("completed", ["text"])
        await client.send(type="response.create", response={"output_modalities": ["audio"]}, event_id="heard")
        error = (await client.until("error"))["error"]
    assert (error["code"], error["param"], error["event_id"]) == (
        "unsupported_modality",
        "response.output_modalities[0]",
        "heard",
    )


# A slash at the end


@pytest.mark.parametrize("path", ["/ws/session/my.session/", "/ws/session/my.session"])
async def test_a_slash_at_the_end_is_no_part_of_the_name(server: ServerProcess, path: str) -> None:
    async with plain(server.ws_url, path) as client:
        assert client.session_id == "my.session"


async def test_a_slash_behind_the_vendors_path(server: ServerProcess) -> None:
    async with realtime(server.ws_url, "/v1/realtime/") as client:
        assert client.created["type"] == "session.created"
    async with plain(server.ws_url, "/ws/session/a/b/") as refused:
        assert "invalid_session_id" in refused.session_id
