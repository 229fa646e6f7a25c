"""Everything stops at once, every tab is closed, everything starts again: an acknowledged question comes to its answer
though nobody waits for it."""

import asyncio
import signal
from contextlib import AsyncExitStack
from functools import partial

import pytest

from sessions_app import events as ev
from sessions_app.models import Session, SessionEvent, SummaryState
from sessions_app.replay import read_records
from sessions_app.threads import in_db_thread
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
    assert session.summary_state == SummaryState.WRITTEN
    ends = SessionEvent.objects.filter(session_id=session_id, event_type="response_done")
    last_end = await in_db_thread(lambda: ends.order_by("-seq").values_list("seq", flat=True)[0])
    assert (session.summary_seq or 0) > last_end


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
    worker.wait_for_line("ready")
    await asyncio.sleep(3)  # its sweep comes before a server does
    start_server(**ENV)
    for name in NAMES:
        await eventually(partial(_answered, name), timeout_s=45)
        await eventually(partial(_ended, name), timeout_s=30)
