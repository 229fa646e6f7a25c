"""An answer that its process could not finish: tried again where nothing that it did has to stand."""

import json
import signal

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_script import Chunk, Drop, Reply, Sleep, text
from tests.fakes.gemini_server import GeminiServer
from tests.support.log import committed
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, joined, realtime
from tests.support.waiting import eventually

from .conftest import StartServer
from .shop import Ledger, StartShop, calls, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "start_shop"]

ENV = {"DEMO_DELAY_MS": "10", "SESSION_LEASE_SECONDS": "2", "SESSION_GRACE_SECONDS": "30"}


async def kill(server: ServerProcess) -> None:
    server.signal(signal.SIGKILL)
    server.process.wait()


async def answers_after(server: ServerProcess, session_id: str, count: int) -> list[Frame]:
    """The first ``count`` ends of responses, as somebody sees them who comes to that server."""

    async def back() -> list[Frame]:
        async with realtime(
            server.ws_url, f"/ws/session/{session_id}?last_event_id=event_{session_id}_0"
        ) as client:
            assert client.created["type"] == "session.created", client.created
            return [(await client.until("response.done"))["response"] for _ in range(count)]

    return await eventually(back)


async def test_an_answer_cut_off_by_a_kill_is_given_again_and_comes_to_its_end(
    start_server: StartServer,
) -> None:
    one = start_server(**ENV)
    async with realtime(one.ws_url, "/ws/session/talk") as client:
        await client.say("count to 150")
        for _ in range(20):
            await client.until("response.output_text.delta")
        await committed("assistant_delta", session_id="talk")
        await kill(one)
    cut_off, whole = await answers_after(start_server(**ENV), "talk", 2)
    assert (cut_off["status"], cut_off["status_details"]["x_reason"]) == ("incomplete", "interrupted")
    assert (whole["status"], whole["x_retry_of"]) == ("completed", cut_off["id"])
    assert whole["output"][0]["content"][0]["text"].rstrip(".").endswith("150")


async def test_a_restart_in_mid_answer_is_a_retry_too(start_server: StartServer) -> None:
    one = start_server(DRAIN_SECONDS="0.1", **ENV)
    async with realtime(one.ws_url, "/ws/session/talk") as client:
        await client.say("count to 150")
        await client.until("response.output_text.delta")
        one.stop()
    cut_off, whole = await answers_after(start_server(**ENV), "talk", 2)
    assert whole["x_retry_of"] == cut_off["id"]
    assert whole["status"] == "completed"


async def test_the_model_does_not_see_what_the_failed_try_said(
    start_shop: StartShop, gemini: GeminiServer
) -> None:
    gemini.then(Reply((Chunk((text("The half of it"),)), Sleep(60), Chunk(finish="STOP"))))
    one = start_shop(**ENV)
    async with realtime(one.ws_url, "/ws/session/talk") as client:
        await client.say("Tell me")
        await client.until("response.output_text.delta")
        await committed("assistant_delta", session_id="talk")
        await kill(one)
    await answers_after(start_shop(**ENV), "talk", 2)
    assert "The half of it" not in json.dumps(gemini.requests[-1]["contents"])
    assert [content["role"] for content in gemini.requests[-1]["contents"]] == ["user"]


async def test_a_tool_without_side_effects_is_run_again(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(("look_up", {"shelf": "A"})), calls(("look_up", {"shelf": "A"})))
    one = start_shop(**ENV)
    async with realtime(one.ws_url, "/ws/session/talk") as client:
        await client.say("Look")
        await client.until("response.mcp_call.in_progress")
        await running(ledger)
        await kill(one)
    cut_off, whole = await answers_after(start_shop(**ENV), "talk", 2)
    assert cut_off["output"][0]["x_outcome"] == "unknown"
    assert (whole["x_retry_of"], whole["status"]) == (cut_off["id"], "completed")
    assert whole["output"][0]["x_outcome"] == "ok"
    assert ledger.lines() == ["looked at A"] * 2


async def test_a_tool_with_side_effects_is_never_run_twice_and_the_model_is_told(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(("ship", {"parcel": "7"})))
    one = start_shop(**ENV)
    async with realtime(one.ws_url, "/ws/session/talk") as client:
        await client.say("Ship it")
        await client.until("response.mcp_call.in_progress")
        await running(ledger)
        await kill(one)
    two = start_shop(**ENV)
    (cut_off,) = await answers_after(two, "talk", 1)
    assert cut_off["output"][0]["x_outcome"] == "unknown"
    async with realtime(two.ws_url, "/ws/session/talk") as client:
        assert client.created["x_stream"]["status"] == "idle"
        _, done = await client.ask("Did it work?")
        assert done["response"]["status"] == "completed"
        told = json.dumps(gemini.requests[-1]["contents"])
        assert "whether it took effect is not known" in told
    assert ledger.lines() == ["shipping 7"]


async def running(ledger: Ledger) -> None:
    async def written() -> None:
        assert ledger.lines()

    await eventually(written)


async def stream_begins(server: ServerProcess, *, say: str = "") -> None:
    async def streaming() -> None:
        async with realtime(server.ws_url, "/ws/session/poison") as client:
            assert client.created["type"] == "session.created", client.created
            if say:
                await client.say(say)
            await client.until("response.output_text.delta")

    await eventually(streaming)


async def test_an_answer_that_kills_every_process_is_given_up(start_server: StartServer) -> None:
    env = {**ENV, "DEMO_DELAY_MS": "40", "SESSION_LEASE_SECONDS": "1"}
    for times, say in enumerate(("count to 500", "", ""), start=1):
        server = start_server(**env)
        await stream_begins(server, say=say)
        await committed("response_started", times=times, session_id="poison")
        await kill(server)
    ends = await answers_after(start_server(**env), "poison", 3)
    assert [end["status"] for end in ends] == ["incomplete"] * 3
    rows = SessionEvent.objects.filter(session_id="poison", event_type="response_started")
    assert await in_db_thread(rows.count) == 3


async def test_try_again_takes_the_place_of_a_failed_answer(
    start_shop: StartShop, gemini: GeminiServer
) -> None:
    gemini.then(Reply((Chunk((text("The half of it"),)), Drop())))
    server = start_shop(**ENV)
    async with realtime(server.ws_url) as client:
        _, failed = await client.ask("Tell me")
        assert failed["response"]["status"] == "failed"
        assert joined(client.frames) == "The half of it"
        await client.send(type="response.create", response={"x_retry_of": failed["response"]["id"]})
        done = (await client.until("response.done"))["response"]
        assert (done["status"], done["x_retry_of"]) == ("completed", failed["response"]["id"])
        assert "The half of it" not in json.dumps(gemini.requests[-1]["contents"])
        await client.send(type="response.create", response={"x_retry_of": failed["response"]["id"]})
        error = (await client.until("error"))["error"]
        assert (error["code"], error["param"]) == ("nothing_to_retry", "response.x_retry_of")


async def test_a_completed_answer_cannot_be_tried_again_once_something_was_said(
    start_shop: StartShop,
) -> None:
    """Before that it may be asked for again, as another version: `test_versions`."""
    server = start_shop(**ENV)
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("Hello")
        await client.ask("And?")
        await client.send(type="response.create", response={"x_retry_of": done["response"]["id"]})
        assert (await client.until("error"))["error"]["code"] == "nothing_to_retry"
