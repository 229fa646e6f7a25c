import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sessions_app.ids import uuid7
from sessions_app.log.events import Record
from sessions_app.log.journal import Connect, Journal
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import Visitor, open_session
from sessions_app.log.live import LiveLog
from sessions_app.log.replay import read_records
from sessions_app.postgres.link import connect_journal
from sessions_app.postgres.threads import in_db_thread

PROCESS = "proc_test"
MakeJournal = Callable[..., Journal]
OpenLog = Callable[..., Awaitable[LiveLog]]


@pytest.fixture
async def make_journal(transactional_db: None) -> AsyncIterator[MakeJournal]:
    made: list[Journal] = []

    def make(connect: Connect = connect_journal, *, on_death: Callable[[], None] | None = None) -> Journal:
        journal = Journal(connect, asyncio.get_running_loop(), on_death=on_death)
        journal.start()
        made.append(journal)
        return journal

    yield make
    for journal in made:
        await journal.stop(timeout_s=5)


@pytest.fixture
async def journal(make_journal: MakeJournal) -> Journal:
    return make_journal()


@pytest.fixture
async def open_log(journal: Journal) -> OpenLog:
    """Opens a session (a new one, or one by id) for a process and gives its live log."""

    async def open_one(
        session_id: str | None = None, *, process_id: str = PROCESS, through: Journal = journal
    ) -> LiveLog:
        await in_db_thread(renew_process, process_id=process_id)
        session_id = session_id or uuid7()
        opened = await in_db_thread(
            open_session,
            session_id=session_id,
            visitor=Visitor(secret_of=session_id),
            process_id=process_id,
            model="demo",
        )

        async def read_log(after: int) -> list[Record]:
            return await in_db_thread(read_records, session_id=opened.session_id, after=after)

        writer = through.writer(session_id=opened.session_id, epoch=opened.epoch, last_seq=opened.last_seq)
        return LiveLog(writer, read_log)

    return open_one
