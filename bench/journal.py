"""Events per second into the log: the group-commit journal against one insert per event, near and far.

The rival is what most Channels code does: ``await database_sync_to_async(SessionEvent.objects.create)(...)`` for
each event. Both write the same events of 20 sessions at once to the same server, through the same proxy, in turn.

    python -m bench journal
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import asyncio
import time
from collections.abc import Awaitable, Callable

from channels.db import database_sync_to_async

from bench.support import proxied_database, table
from sessions_app.log import events as ev
from sessions_app.postgres.link import connect_journal
from sessions_app.ids import uuid7
from sessions_app.log.journal import Journal
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import OpenedSession, Visitor, open_session
from sessions_app.log.live import LiveLog
from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread

SESSIONS = 20
PROCESS = "proc_bench"


async def _open() -> list[OpenedSession]:
    await in_db_thread(renew_process, process_id=PROCESS)
    return [
        await in_db_thread(
            open_session,
            session_id=uuid7(),
            visitor=Visitor(),
            process_id=PROCESS,
            model="demo",
            source="bench",
        )
        for _ in range(SESSIONS)
    ]


def _message(index: int) -> ev.UserMessage:
    """An event that is a row of its own, so that the two write the same number of rows."""
    return ev.UserMessage(item_id=f"item_{index}", text="The quick brown fox jumps over the lazy dog.")


async def through_journal(per_session: int) -> float:
    """Events per second from the first append until all are committed."""
    journal = Journal(connect_journal, asyncio.get_running_loop())
    journal.start()
    logs = [
        LiveLog(journal.writer(session_id=one.session_id, epoch=one.epoch, last_seq=0), _no_reads)
        for one in await _open()
    ]
    started = time.perf_counter()
    for index in range(per_session):
        for log in logs:
            log.append(_message(index))
        await asyncio.sleep(0)
    await asyncio.gather(*(log.durable() for log in logs))
    rate = SESSIONS * per_session / (time.perf_counter() - started)
    await journal.stop(timeout_s=10)
    return rate


async def _no_reads(after: int) -> list[ev.Record]:
    raise AssertionError(after)


async def one_by_one(per_session: int) -> float:
    """Events per second of one insert per event, all sessions at once."""
    create = database_sync_to_async(SessionEvent.objects.create)

    async def write(session_id: str) -> None:
        for index in range(per_session):
            await create(
                session_id=session_id,
                first_seq=index + 1,
                seq=index + 1,
                role="user",
                event_type="user_message",
                content=_message(index).text,
                payload={"item_id": f"item_{index}"},
                created_at="2026-01-01T00:00:00Z",
            )

    sessions = await _open()
    started = time.perf_counter()
    await asyncio.gather(*(write(one.session_id) for one in sessions))
    return SESSIONS * per_session / (time.perf_counter() - started)


def _measure(run: Callable[[int], Awaitable[float]], per_session: int) -> float:
    return asyncio.run(run(per_session))  # type: ignore[arg-type]


def main() -> None:
    rows = []
    with proxied_database() as proxy:
        for rtt_ms, journal_events, single_events in ((0, 2000, 150), (50, 1000, 5)):
            proxy.rtt_s = rtt_ms / 1000
            _measure(through_journal, 5)
            journal, single = _measure(through_journal, journal_events), _measure(one_by_one, single_events)
            rows.append((f"{rtt_ms} ms", f"{journal:,.0f}", f"{single:,.0f}", f"{journal / single:,.1f} x"))
    print(table(("round trip", "journal events/s", "one insert each events/s", "ratio"), rows))


if __name__ == "__main__":
    main()
