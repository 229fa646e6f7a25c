"""Two server processes on one database and one Redis: a session lives in one and is reached through both."""

import asyncio
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from websockets.sync.client import connect
from websockets.typing import Subprotocol

from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.log import committed
from tests.support.sockets import Frame, joined, realtime
from tests.support.waiting import eventually

from .conftest import StartServer

ENV = {"DEMO_DELAY_MS": "15", "SESSION_GRACE_SECONDS": "0.5"}


def _first_frame(port: int, path: str) -> Frame:
    url = f"ws://127.0.0.1:{port}{path}"
    with connect(
        url, subprotocols=[Subprotocol("realtime")], open_timeout=30, compression=None
    ) as connection:
        frame: Frame = json.loads(connection.recv(timeout=30))
        return frame


async def test_a_session_of_another_process_is_followed_word_for_word(
    start_server: StartServer, redis_url: str
) -> None:
    one, two = start_server(REDIS_URL=redis_url, **ENV), start_server(REDIS_URL=redis_url, **ENV)
    async with realtime(one.ws_url, "/ws/session/shared") as here:
        await here.say("count to 80")
        await here.until("response.output_text.delta")
        async with realtime(two.ws_url, "/ws/session/shared?last_event_id=event_shared_0") as there:
            await here.until("response.done")
            await there.until("response.done")
            assert there.frames[1:] == here.frames[1:]


async def test_a_message_and_a_stop_through_the_other_process(
    start_server: StartServer, redis_url: str
) -> None:
    one, two = start_server(REDIS_URL=redis_url, **ENV), start_server(REDIS_URL=redis_url, **ENV)
    async with (
        realtime(one.ws_url, "/ws/session/shared") as here,
        realtime(two.ws_url, "/ws/session/shared") as there,
    ):
        await there.say("count to 500")
        await here.until("response.output_text.delta")
        await there.send(type="response.cancel")
        for client in (here, there):
            assert (await client.until("response.done"))["response"]["status"] == "cancelled"
        await there.send(type="response.cancel", event_id="again")
        error = (await there.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "again")


async def test_the_session_ends_only_when_the_last_socket_of_any_process_has_left(
    start_server: StartServer, redis_url: str
) -> None:
    one, two = start_server(REDIS_URL=redis_url, **ENV), start_server(REDIS_URL=redis_url, **ENV)
    async with realtime(one.ws_url, "/ws/session/shared") as here:
        await here.ask("count to 3")
        there_context = realtime(two.ws_url, "/ws/session/shared")
        there = await there_context.__aenter__()
    await asyncio.sleep(1.5)
    assert (await in_db_thread(lambda: Session.objects.get(pk="shared"))).status == "active"
    await there_context.__aexit__(None, None, None)
    assert there.session_id == "shared"

    async def ended() -> None:
        assert (await in_db_thread(lambda: Session.objects.get(pk="shared"))).status == "ended"

    await eventually(ended)


async def test_a_killed_process_is_taken_over_and_its_answer_settled(
    start_server: StartServer, redis_url: str
) -> None:
    env = {**ENV, "SESSION_LEASE_SECONDS": "2"}
    one, two = start_server(REDIS_URL=redis_url, **env), start_server(REDIS_URL=redis_url, **env)
    async with realtime(one.ws_url, "/ws/session/shared") as here:
        await here.say("count to 500")
        for _ in range(30):
            await here.until("response.output_text.delta")
        await committed("assistant_delta", session_id="shared")
        one.signal(signal.SIGKILL)
        await here.closed()
        seen = [frame for frame in here.frames[1:] if frame["event_id"].startswith("event_")]
    path = f"/ws/session/shared?last_event_id={seen[-10]['event_id']}"

    async def back() -> str:
        async with realtime(two.ws_url, path) as there:
            assert there.created["type"] == "session.created", there.created
            done = await there.until("response.done")
            assert done["response"]["status"] == "incomplete"
            assert done["response"]["status_details"]["x_reason"] == "interrupted"
            text = done["response"]["output"][0]["content"][0]["text"]
            assert text.endswith(joined(there.frames))
            text, done = await there.ask("count to 3")
            assert done["response"]["status"] == "completed"
            return str(text)

    assert "3" in await eventually(back)
    rows = await in_db_thread(lambda: list(SessionEvent.objects.filter(session_id="shared").order_by("seq")))
    assert [row.first_seq for row in rows] == [1, *(row.seq + 1 for row in rows[:-1])]


async def test_who_comes_to_a_dead_processs_session_waits_out_its_lease_and_is_let_in(
    start_server: StartServer, redis_url: str
) -> None:
    """Not sent away to try again: one connection, made at once, sees the answer come to its end."""
    env = {**ENV, "SESSION_LEASE_SECONDS": "3", "DEMO_DELAY_MS": "10"}
    one, two = start_server(REDIS_URL=redis_url, **env), start_server(REDIS_URL=redis_url, **env)
    async with realtime(one.ws_url, "/ws/session/shared") as here:
        await here.say("count to 120")
        await committed("response_started", session_id="shared")
        one.signal(signal.SIGKILL)
        await here.closed()
    async with realtime(two.ws_url, "/ws/session/shared") as there:
        assert there.created["type"] == "session.created", there.created
        while (done := await there.until("response.done"))["response"]["status"] != "completed":
            assert done["response"]["status_details"]["x_reason"] == "interrupted"
        assert joined(there.frames).endswith("120.")


async def test_a_process_that_slept_through_its_lease_steps_down(
    start_server: StartServer, redis_url: str
) -> None:
    env = {**ENV, "SESSION_LEASE_SECONDS": "1"}
    one, two = start_server(REDIS_URL=redis_url, **env), start_server(REDIS_URL=redis_url, **env)
    async with realtime(one.ws_url, "/ws/session/shared") as here:
        await here.say("count to 500")
        await here.until("response.output_text.delta")
        one.signal(signal.SIGSTOP)
        await asyncio.sleep(1.5)

        async def taken_over() -> None:
            async with realtime(two.ws_url, "/ws/session/shared") as there:
                assert there.created["type"] == "session.created", there.created
                await there.ask("count to 3")
                one.signal(signal.SIGCONT)
                assert await here.closed() == 1012
                _, done = await there.ask("count to 4")
                assert done["response"]["status"] == "completed"

        await eventually(taken_over)
    rows = await in_db_thread(lambda: list(SessionEvent.objects.filter(session_id="shared").order_by("seq")))
    assert [row.first_seq for row in rows] == [1, *(row.seq + 1 for row in rows[:-1])]


async def test_a_process_that_slept_takes_nothing_back_that_another_one_has_stored(
    start_server: StartServer,
) -> None:
    """It wakes up with a session that it does not hold any more, and a client at the door that has seen more."""
    env = {**ENV, "SESSION_LEASE_SECONDS": "1"}
    one, two = start_server(**env), start_server(**env)
    async with realtime(one.ws_url, "/ws/session/shared") as here:
        await here.ask("count to 3")
        one.signal(signal.SIGSTOP)

        async def taken_over() -> str:
            async with realtime(two.ws_url, "/ws/session/shared") as there:
                assert there.created["type"] == "session.created", there.created
                await there.ask("count to 3")
                return str(there.frames[-1]["event_id"])

        path = f"/ws/session/shared?last_event_id={await eventually(taken_over)}"
        with ThreadPoolExecutor(1) as pool:  # so that it stands at the door while the process sleeps
            first_word = pool.submit(_first_frame, one.port, path)
            await asyncio.sleep(0.5)
            one.signal(signal.SIGCONT)
            frame = await asyncio.wrap_future(first_word)
        if frame["type"] == "session.created":
            assert "truncated_to" not in frame["x_stream"], frame
        else:
            assert frame["error"]["code"] == "session_moved"


async def test_a_process_that_stops_does_not_call_it_a_fault_that_another_one_owes_it_an_answer(
    start_server: StartServer, redis_url: str, tmp_path: Path
) -> None:
    env = {**ENV, "SESSION_LEASE_SECONDS": "10"}
    one, two = start_server(REDIS_URL=redis_url, **env), start_server(REDIS_URL=redis_url, **env)
    two.stop()
    two.log = tmp_path / "two.log"
    two.start()
    async with (
        realtime(one.ws_url, "/ws/session/shared") as here,
        realtime(two.ws_url, "/ws/session/shared") as there,
    ):
        await here.ask("count to 3")
        one.signal(signal.SIGSTOP)
        await there.send(type="response.create")
        await asyncio.sleep(2.0)  # it has asked the one that sleeps by now; nothing says so
        await asyncio.to_thread(two.stop, timeout_s=30.0)
        assert await there.closed() == 1012
        one.signal(signal.SIGCONT)
    assert "Cancel 1 running task(s)" in two.log.read_text()
    assert "Traceback" not in two.log.read_text()


async def test_sigterm_lets_a_short_answer_finish_and_hands_the_session_on(
    start_server: StartServer, redis_url: str
) -> None:
    one, two = start_server(REDIS_URL=redis_url, **ENV), start_server(REDIS_URL=redis_url, **ENV)
    async with realtime(one.ws_url, "/ws/session/shared") as here:
        await here.say("count to 60")
        await here.until("response.output_text.delta")
        one.signal(signal.SIGTERM)
        assert await here.closed() == 1012
        last = here.frames[-1]["event_id"]

    async def back() -> None:
        async with realtime(two.ws_url, f"/ws/session/shared?last_event_id={last}") as there:
            assert there.created["type"] == "session.created", there.created
            done = await there.until("response.done")
            assert done["response"]["status"] == "completed"
            whole = done["response"]["output"][0]["content"][0]["text"]
            assert joined(here.frames) + joined(there.frames) == whole

    await eventually(back)
    assert one.process.wait(10) is not None
