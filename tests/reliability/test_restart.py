"""Everything stops at once, every tab is closed, everything starts again: an acknowledged question comes to its answer
though nobody waits for it."""

import asyncio
import signal
from contextlib import AsyncExitStack
from functools import partial

import pytest

from sessions_app.log import events as ev
from sessions_app.log.replay import read_records
from sessions_app.models import Session, SessionEvent, SummaryState
from sessions_app.postgres.threads import in_db_thread
from tests.sockets.conftest import StartServer
from tests.summary.conftest import StartWorker, start_worker
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, realtime
from tests.support.waiting import eventually

__all__ = ["start_worker"]

ENV = {
    "DJANGO_SETTINGS_MODULE": "tests.reliability.settings",
    "DEMO_DELAY_MS": "10",
    "DRAIN_SECONDS": "0.1",
    "SESSION_LEASE_SECONDS": "2",
    "SESSION_GRACE_SECONDS": "1",
    "LOG_LEVEL": "INFO",
}
NAMES = ("one", "two", "three")


async def _asked(client: Realtime) -> None:
    """A long answer streams, and another question waits, acknowledged."""
    await client.say("count to 200")
    await client.until("response.output_text.delta")
    await client.say("count to 5")
    while "x_queued" not in (await client.until("response.created"))["response"]:
        pass


async def _ask_in_all(server: ServerProcess) -> None:
    """And every tab is closed."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(realtime(server.ws_url, f"/ws/session/{name}")) for name in NAMES
        ]
        await asyncio.gather(*(_asked(client) for client in clients))


def _log_of(session_id: str) -> list[ev.Event]:
    return [record.event for record in read_records(session_id=session_id, after=0)]


def _texts(events: list[ev.Event]) -> list[str]:
    return [
        event.text.rstrip(".").rsplit(" ", 1)[-1]
        for event in events
        if isinstance(event, ev.AssistantMessage) and event.status == "completed"
    ]


async def _answered(session_id: str) -> None:
    events = await in_db_thread(_log_of, session_id)
    assert _texts(events) == ["200", "5"], [event.event_type for event in events]


async def _ended(session_id: str) -> None:
    session = await in_db_thread(lambda: Session.objects.get(pk=session_id))
    assert (session.status, session.end_reason) == ("ended", "left")


async def _summarised(session_id: str) -> None:
    session = await in_db_thread(lambda: Session.objects.get(pk=session_id))
    assert session.summary_state == SummaryState.WRITTEN
    ends = SessionEvent.objects.filter(session_id=session_id, event_type="response_done")
    last_end = await in_db_thread(lambda: ends.order_by("-seq").values_list("seq", flat=True)[0])
    assert (session.summary_seq or 0) > last_end


async def _began(session_id: str, *, times: int) -> None:
    rows = SessionEvent.objects.filter(session_id=session_id, event_type="response_started")
    assert await in_db_thread(rows.count) == times


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_after_a_restart_of_everything_all_questions_are_answered_and_the_sessions_end(
    start_server: StartServer, start_worker: StartWorker, end: signal.Signals
) -> None:
    server, worker = start_server(**ENV), start_worker()
    await _ask_in_all(server)
    for program in (server, worker):
        program.signal(end)
        program.process.wait(20)
    worker = start_worker()
    worker.wait_for_line("ready", timeout_s=60)
    await asyncio.sleep(3)  # its sweep comes before a server does
    server = start_server(**ENV)
    for name in NAMES:
        await eventually(partial(_answered, name), timeout_s=45)
        await eventually(partial(_ended, name), timeout_s=30)
        await eventually(partial(_summarised, name), timeout_s=30)
    async with realtime(server.ws_url, "/ws/session/one?last_event_id=event_one_0") as late:
        assert [(await late.until("response.done"))["response"]["status"] for _ in range(3)] == [
            "incomplete",
            "completed",
            "completed",
        ]


async def test_who_comes_back_meanwhile_joins_the_answer_that_runs(start_server: StartServer) -> None:
    env = {**ENV, "DEMO_DELAY_MS": "30"}
    server = start_server(**env)
    await _ask_in_all(server)
    server.signal(signal.SIGKILL)
    server.process.wait(20)
    server = start_server(**env)
    await eventually(lambda: _began("two", times=2), timeout_s=45)
    async with realtime(server.ws_url, "/ws/session/two") as client:
        assert client.created["x_stream"]["status"] == "responding"
        for _ in range(2):
            assert (await client.until("response.done", timeout_s=60))["response"]["status"] == "completed"
    await _began("two", times=3)


async def test_whoever_only_closes_the_tab_is_answered_once_and_the_session_ends_after_the_grace(
    start_server: StartServer,
) -> None:
    await _ask_in_all(start_server(**ENV))
    for name in NAMES:
        await eventually(partial(_answered, name), timeout_s=45)
        await eventually(partial(_ended, name), timeout_s=30)
        await _began(name, times=2)
