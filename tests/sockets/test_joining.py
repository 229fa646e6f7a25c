"""Who comes to a session, when and through which process: what they find, and what is kept of sessions that are gone."""

import asyncio
import signal
from contextlib import AsyncExitStack

import pytest

from sessions_app.ids import uuid7
from sessions_app.log.lifecycle import Visitor, open_session
from sessions_app.models import ServerProcess, Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support import server as support
from tests.support.sockets import joined, realtime
from tests.support.waiting import eventually

from .conftest import StartServer

TABS = 6


async def test_tabs_that_open_a_cold_session_at_once_share_it(start_server: StartServer) -> None:
    """It is opened once: a second opening would take the session from the first one's sockets."""
    before, server = start_server(), start_server()
    async with realtime(before.ws_url, "/ws/session/cold") as client:
        await client.ask("count to 3")
    await asyncio.to_thread(before.stop)
    async with AsyncExitStack() as stack:
        opening = (realtime(server.ws_url, "/ws/session?session_id=cold") for _ in range(TABS))
        tabs = await asyncio.gather(*(stack.enter_async_context(one) for one in opening))
        assert {tab.created["type"] for tab in tabs} == {"session.created"}
        await tabs[0].say("count to 5")
        for tab in tabs:
            assert (await tab.until("response.done"))["response"]["status"] == "completed"
    row = await in_db_thread(lambda: Session.objects.get(pk="cold"))
    assert row.lease_epoch == 2


@pytest.mark.parametrize("elsewhere", [False, True], ids=["its own process", "another process"])
async def test_who_comes_without_a_place_in_mid_answer_gets_it_from_its_beginning(
    elsewhere: bool, start_server: StartServer, redis_url: str
) -> None:
    env = {"REDIS_URL": redis_url, "DEMO_DELAY_MS": "15"}
    home = start_server(**env)
    door = start_server(**env) if elsewhere else home
    async with realtime(home.ws_url, "/ws/session/shared") as here:
        await here.ask("count to 3")
        await here.say("count to 100")
        for _ in range(20):
            await here.until("response.output_text.delta")
        async with realtime(door.ws_url, "/ws/session/shared") as late:
            assert late.created["x_stream"]["status"] == "responding"
            done = await late.until("response.done")
            assert late.frames[1]["type"] == "response.created"
            assert joined(late.frames) == done["response"]["output"][0]["content"][0]["text"]


async def test_a_session_that_was_lost_before_its_first_event_is_resumed(
    server: support.ServerProcess,
) -> None:
    """Its log begins with the takeover, which stands for all seqs before it: no reader may begin between them."""
    await in_db_thread(
        open_session, session_id="early", visitor=Visitor(), process_id="of nobody", model="demo"
    )
    async with realtime(server.ws_url, "/ws/session/early"):
        pass
    takeover = SessionEvent.objects.filter(session_id="early", event_type="session_reopened")
    seq = (await in_db_thread(takeover.get)).seq  # who is greeted quickly enough is given this place
    async with realtime(server.ws_url, f"/ws/session/early?last_event_id=event_early_{seq}") as back:
        assert back.created["x_stream"]["last_event_id"] == f"event_early_{seq}"
        _, done = await back.ask("count to 3")
        assert done["response"]["status"] == "completed"


async def test_a_process_that_slept_keeps_no_socket_of_an_idle_session_that_it_lost(
    start_server: StartServer,
) -> None:
    """Nothing is written in it that could be refused: the process has to look."""
    env = {"SESSION_LEASE_SECONDS": "1"}
    sleeper, other = start_server(**env), start_server(**env)
    async with realtime(sleeper.ws_url, "/ws/session/shared") as here:
        await here.ask("count to 3")
        sleeper.signal(signal.SIGSTOP)

        async def taken_over() -> None:
            async with realtime(other.ws_url, "/ws/session/shared") as there:
                assert there.created["type"] == "session.created", there.created

        try:
            await eventually(taken_over)
        finally:
            sleeper.signal(signal.SIGCONT)
        assert await here.closed() == 1012


async def test_a_session_that_stands_under_a_process_and_lives_nowhere_is_handed_back(
    start_server: StartServer,
) -> None:
    server = start_server(SESSION_LEASE_SECONDS="1")
    async with realtime(server.ws_url, "/ws/session/living") as client:
        await client.ask("count to 3")
        here = ServerProcess.objects.filter(pid=server.process.pid)
        process_id = (await in_db_thread(here.get)).process_id
        stray = uuid7()
        await in_db_thread(
            open_session, session_id=stray, visitor=Visitor(), process_id=process_id, model="demo"
        )

        async def handed_back() -> None:
            assert (await in_db_thread(lambda: Session.objects.get(pk=stray))).lease_owner == ""

        await eventually(handed_back)
        living = await in_db_thread(lambda: Session.objects.get(pk="living"))
        assert living.lease_owner == process_id
        _, done = await client.ask("count to 3")
        assert done["response"]["status"] == "completed"
