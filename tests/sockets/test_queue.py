"""Turns that wait: told, bounded, taken back, and there again after a restart."""

import asyncio
import signal

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, plain, realtime
from tests.support.waiting import eventually

from .conftest import StartServer


async def queued(client: Realtime) -> dict[str, object]:
    while True:
        created = await client.until("response.created")
        if "x_queued" in created["response"]:
            return dict(created["response"])


async def test_a_turn_that_waits_is_told_at_once_with_its_place(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="40")
    async with realtime(server.ws_url, "/ws/session/line") as client:
        await client.say("count to 60")
        await client.until("response.output_text.delta")
        await client.say("count to 3")
        await client.say("count to 4")
        first, second = await queued(client), await queued(client)
        assert (first["x_queued"], second["x_queued"]) == ({"position": 1}, {"position": 2})
        async with realtime(server.ws_url, "/ws/session/line") as late:
            assert late.created["x_stream"]["queued"] == [first["id"], second["id"]]
        done = [(await client.until("response.done"))["response"] for _ in range(3)]
        assert [one["id"] for one in done][1:] == [first["id"], second["id"]]
        assert [one["status"] for one in done] == ["completed"] * 3
        assert done[1]["x_input_item_ids"] == first["x_input_item_ids"]


async def test_a_turn_that_waits_can_be_taken_back(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="40")
    async with realtime(server.ws_url) as client:
        await client.say("count to 60")
        await client.until("response.output_text.delta")
        await client.say("count to 3")
        waiting = await queued(client)
        await client.send(type="response.cancel", response_id=waiting["id"], event_id="stop_1")
        gone = (await client.until("response.done"))["response"]
        assert (gone["id"], gone["status"], gone["output"]) == (waiting["id"], "cancelled", [])
        await client.send(type="response.cancel", response_id=waiting["id"], event_id="stop_1")
        again = (await client.until("response.done"))["response"]
        assert again == gone
        running = (await client.until("response.done"))["response"]
        assert running["status"] == "completed"
        _, done = await client.ask("And now?")
        assert len(done["response"]["x_input_item_ids"]) == 2  # what was left behind, too


async def test_policies_of_one_message(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="20")
    async with realtime(server.ws_url) as client:
        await client.say("count to 500")
        await client.until("response.output_text.delta")
        await client.send(type="response.create", response={"x_turn_policy": "reject"})
        error = (await client.until("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        await client.send(type="response.create", response={"x_turn_policy": "interrupt"})
        assert (await client.until("response.done"))["response"]["status"] == "cancelled"
        assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_policies_of_one_plain_message(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="20")
    async with plain(server.ws_url) as client:
        await client.send("count to 500")
        await client.until("2")
        await client.send('{"message": "count to 3", "policy": "reject"}')
        assert "conversation_already_has_active_response" in await client.until("active_response")
        await client.send('{"message": "What can you do?", "policy": "interrupt"}')
        await client.until("demo", timeout_s=5)
        await client.send('{"message": "x", "policy": "later"}')
        await client.until("[error] invalid_event: policy")


SLOW, QUICK = {"DEMO_DELAY_MS": "50"}, {"DEMO_DELAY_MS": "5"}
"""Where the answer has to run yet when its server goes, however long this process is not given the CPU; where it comes to its end."""


async def held_up(server: ServerProcess) -> list[str]:
    """A session with one answer running and two turns waiting; the ids of those."""
    async with realtime(server.ws_url, "/ws/session/line") as client:
        await client.say("count to 400")
        await client.until("response.output_text.delta")
        await client.say("count to 3")
        waiting = str((await queued(client))["id"])
    async with plain(server.ws_url, "/ws/session/line") as other:
        await other.send("count to 4")

        async def stored() -> None:
            rows = SessionEvent.objects.filter(session_id="line", event_type="response_queued")
            assert await in_db_thread(rows.count) == 2

        await eventually(stored)
    rows = SessionEvent.objects.filter(session_id="line", event_type="response_queued").order_by("seq")
    ids = [
        payload["response_id"]
        for payload in await in_db_thread(lambda: list(rows.values_list("payload", flat=True)))
    ]
    assert ids[0] == waiting
    return ids


async def all_done(server: ServerProcess, *, responses: int) -> list[dict[str, object]]:
    async def back() -> list[dict[str, object]]:
        async with realtime(server.ws_url, "/ws/session/line?last_event_id=event_line_0") as client:
            assert client.created["type"] == "session.created", client.created
            return [(await client.until("response.done"))["response"] for _ in range(responses)]

    return await eventually(back)


async def test_the_queue_survives_a_killed_server(start_server: StartServer) -> None:
    env = {"SESSION_LEASE_SECONDS": "2"}
    server = start_server(**env, **SLOW)
    waiting = await held_up(server)
    server.signal(signal.SIGKILL)
    server.process.wait()
    done = await all_done(start_server(**env, **QUICK), responses=4)
    assert [one["status"] for one in done] == ["incomplete", "completed", "completed", "completed"]
    assert done[1]["x_retry_of"] == done[0]["id"]
    assert [one["id"] for one in done[2:]] == waiting


async def test_the_queue_survives_a_restart(start_server: StartServer) -> None:
    env = {"DRAIN_SECONDS": "0.1"}
    server = start_server(**env, **SLOW)
    waiting = await held_up(server)
    server.stop()
    done = await all_done(start_server(**env, **QUICK), responses=4)
    assert [one["status"] for one in done] == ["incomplete", "completed", "completed", "completed"]
    assert [one["id"] for one in done[2:]] == waiting


async def test_a_session_that_ends_tells_those_who_wait(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="20", SESSION_LEASE_SECONDS="2", SESSION_GRACE_SECONDS="0.1")
    await held_up(server)
    await asyncio.sleep(0.5)
    rows = SessionEvent.objects.filter(session_id="line", event_type="session_ended")
    assert not await in_db_thread(rows.exists)  # nobody is there, but answers run and wait
