"""The main path, run by a process of its own behind a transaction pooler; prints OK at the end."""

import asyncio
import time

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection, transaction

from sessions_app.ids import uuid7
from sessions_app.log.events import ResponseDone, ResponseStatus, UserMessage
from sessions_app.log.journal import Journal
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import OpenedSession, Visitor, end_session, open_session
from sessions_app.log.live import LiveLog
from sessions_app.log.replay import read_records
from sessions_app.models import Session, SummaryState
from sessions_app.postgres.link import connect_journal


def main() -> None:
    assert connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
    orm()
    renew_process(process_id="proc_pooled")
    opened = open_session(session_id=uuid7(), visitor=Visitor(), process_id="proc_pooled", model="demo")
    last_seq = asyncio.run(write_through_the_journal(opened))
    assert len(read_records(session_id=opened.session_id, after=0)) == last_seq
    end_session(session_id=opened.session_id, epoch=opened.epoch, last_seq=last_seq, reason="left")
    print("OK", wait_for_summary(opened.session_id))


def orm() -> None:
    Group.objects.bulk_create([Group(name=f"group {number}") for number in range(3000)])
    assert (
        sum(
            1 for _ in Group.objects.filter(name__startswith="group ").order_by("id").iterator(chunk_size=500)
        )
        == 3000
    )
    user = get_user_model().objects.create_user("ada")
    with transaction.atomic():
        assert Group.objects.select_for_update(skip_locked=True).filter(name="group 7").first()
        user.groups.set(Group.objects.filter(name__startswith="group 1"))
    assert user.groups.count() == 1111


async def write_through_the_journal(opened: OpenedSession) -> int:
    journal = Journal(connect_journal, asyncio.get_running_loop())
    journal.start()

    async def no_log(_: int) -> list[object]:
        raise AssertionError("not read")

    writer = journal.writer(session_id=opened.session_id, epoch=opened.epoch, last_seq=opened.last_seq)
    log = LiveLog(writer, no_log)  # type: ignore[arg-type]
    log.append(UserMessage(item_id="item_1", text="Tell me about pools"))
    for number in range(200):
        log.append(ResponseDone(response_id=f"resp_{number}", status=ResponseStatus.COMPLETED))
        if number % 20 == 0:
            await log.durable()
    await log.durable()
    await journal.stop(timeout_s=5)
    return log.last_seq


def wait_for_summary(session_id: str) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        session = Session.objects.get(session_id=session_id)
        if session.summary_state == SummaryState.WRITTEN:
            return session.title
        time.sleep(0.05)
    raise AssertionError(f"no summary: {session.summary_state}")
