"""The journal on real PostgreSQL: what it writes, what it refuses, and what happens when the database goes away."""

import asyncio
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError
from pytest_django import Settings

from bench.delay_proxy import DelayProxy
from bench.support import upstream_of
from sessions_app.errors import JournalFenced, JournalFull, JournalRejected
from sessions_app.log import events as ev
from sessions_app.log import journal_sql
from sessions_app.log.journal import SessionWriter
from sessions_app.log.leases import release_process
from sessions_app.log.live import LiveLog
from sessions_app.log.replay import read_records
from sessions_app.log.rows import Row, encode_rows
from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.link import connect_journal
from sessions_app.postgres.threads import in_db_thread

from .conftest import PROCESS, MakeJournal, OpenLog


def message(text: str = "hello") -> ev.UserMessage:
    return ev.UserMessage(item_id="item_1", text=text)


def delta(text: str, offset: int = 0, item_id: str = "item_2") -> ev.AssistantDelta:
    return ev.AssistantDelta(response_id="resp_1", item_id=item_id, output_index=0, offset=offset, text=text)


async def rows_of(log: LiveLog) -> list[SessionEvent]:
    return await in_db_thread(
        lambda: list(SessionEvent.objects.filter(session_id=log.session_id).order_by("seq"))
    )


async def session_of(log: LiveLog) -> Session:
    return await in_db_thread(lambda: Session.objects.get(pk=log.session_id))


async def stream(log: LiveLog, words: int, *, pause_s: float = 0.0) -> str:
    text = ""
    for index in range(words):
        piece = f"word{index} "
        log.append(delta(piece, len(text)))
        text += piece
        await asyncio.sleep(pause_s)
    return text


async def test_seqs_have_no_gap_and_deltas_share_rows(open_log: OpenLog) -> None:
    log = await open_log()
    log.append(message())
    text = await stream(log, 300)
    log.append(
        ev.AssistantMessage(response_id="resp_1", item_id="item_2", output_index=0, text=text),
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED),
    )
    await log.durable()
    rows = await rows_of(log)
    assert [row.first_seq for row in rows] == [1, *(row.seq + 1 for row in rows[:-1])]
    assert rows[-1].seq == log.last_seq == 303
    runs = [row for row in rows if row.event_type == "assistant_delta"]
    assert len(runs) < 30
    assert "".join(row.content or "" for row in runs) == text
    assert all(row.payload["offset"] == text.index(row.content) for row in runs if row.content)


async def test_a_delta_is_in_the_database_within_100_ms_without_anything_urgent(
    open_log: OpenLog, settings: Settings
) -> None:
    log = await open_log()
    log.append(delta("one"))
    assert log.durable_seq == 0
    async with asyncio.timeout(
        2.0
    ):  # far above the promise: this asks that it comes at all, the bench how soon
        await log.durable()
    assert (await rows_of(log))[0].content == "one"


async def test_counters_change_in_the_commit_of_the_events(open_log: OpenLog) -> None:
    log = await open_log()
    log.append(message())
    log.append(
        ev.AssistantMessage(response_id="resp_1", item_id="item_2", output_index=0, text="hi"),
        ev.ResponseDone(
            response_id="resp_1",
            status=ev.ResponseStatus.FAILED,
            usage=ev.Usage(input_tokens=7, output_tokens=3),
        ),
    )
    await log.durable()
    session = await session_of(log)
    assert (session.user_messages, session.assistant_messages, session.responses) == (1, 1, 1)
    assert (session.failed_responses, session.input_tokens, session.output_tokens) == (1, 7, 3)
    assert session.last_seq == 3


@pytest.mark.parametrize(
    ("ratings", "up", "down"),
    [
        ([], 0, 0),
        ([ev.Rating.UP], 1, 0),
        ([ev.Rating.DOWN, ev.Rating.DOWN], 0, 1),
        ([ev.Rating.UP, ev.Rating.DOWN], 0, 1),
        ([ev.Rating.DOWN, ev.Rating.NONE], 0, 0),
        ([ev.Rating.DOWN, ev.Rating.NONE, ev.Rating.UP], 1, 0),
    ],
)
async def test_of_the_ratings_of_an_answer_the_last_one_is_counted(
    open_log: OpenLog, ratings: list[ev.Rating], up: int, down: int
) -> None:
    log = await open_log()
    log.append(ev.FeedbackGiven(item_id="another", rating=ev.Rating.UP))
    for before, rating in pairwise([ev.Rating.NONE, *ratings]):
        log.append(ev.FeedbackGiven(item_id="item_2", rating=rating, replaces=before))
    await log.durable()
    session = await session_of(log)
    assert (session.feedback_up, session.feedback_down) == (up + 1, down)


async def test_the_final_message_and_the_end_of_the_response_commit_together(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = SessionWriter.append

    def append_and_let_commit(writer: SessionWriter, *args: Any, **kwargs: Any) -> None:
        append(writer, *args, **kwargs)
        time.sleep(0.05)

    monkeypatch.setattr(SessionWriter, "append", append_and_let_commit)
    log = await open_log()
    log.append(
        ev.AssistantMessage(response_id="resp_1", item_id="item_2", output_index=0, text="hi"),
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED),
    )
    await log.durable()

    def transactions() -> list[str]:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT xmin::text FROM session_events WHERE session_id = %s "
                "UNION ALL SELECT xmin::text FROM sessions WHERE session_id = %s",
                [log.session_id, log.session_id],
            )
            return [row[0] for row in cursor.fetchall()]

    found = await in_db_thread(transactions)
    assert len(found) == 3
    assert len(set(found)) == 1


async def test_a_process_that_lost_its_lease_writes_nothing(open_log: OpenLog) -> None:
    log = await open_log()
    log.append(message("mine"))
    await log.durable()
    await in_db_thread(release_process, process_id=PROCESS)
    other = await open_log(log.session_id, process_id="proc_other")
    log.append(message("late"))
    with pytest.raises(JournalFenced):
        await log.durable()
    with pytest.raises(JournalFenced):
        log.append(message("later"))
    other.append(message("theirs"))
    await other.durable()
    assert [row.content for row in await rows_of(other)] == ["mine", "theirs"]


async def test_two_writers_under_one_epoch_cannot_both_write(
    open_log: OpenLog, make_journal: MakeJournal
) -> None:
    log = await open_log()
    twin_writer = make_journal().writer(session_id=log.session_id, epoch=log.epoch, last_seq=0)
    twin = LiveLog(twin_writer, None)  # type: ignore[arg-type]  # it never reads
    log.append(message("first"))
    await log.durable()
    twin.append(message("second"))
    twin.append(message("third"))
    with pytest.raises(JournalFenced):
        await twin.durable()
    assert [row.content for row in await rows_of(log)] == ["first"]


async def test_the_database_itself_refuses_a_seq_twice_and_any_change(open_log: OpenLog) -> None:
    log = await open_log()
    log.append(message())
    await log.durable()
    with pytest.raises(DatabaseError, match="session_events_seq_once"):
        await in_db_thread(
            lambda: SessionEvent.objects.create(
                session_id=log.session_id,
                first_seq=1,
                seq=1,
                role="user",
                event_type="x",
                created_at="2026-01-01T00:00Z",
            )
        )
    with pytest.raises(DatabaseError, match="append-only"):
        await in_db_thread(
            lambda: SessionEvent.objects.filter(session_id=log.session_id).update(content="other")
        )


async def test_a_lost_acknowledgement_does_not_write_twice(
    open_log: OpenLog, make_journal: MakeJournal
) -> None:
    """The connection breaks after the server committed and before the client heard of it."""
    breaks = [True]

    class Deaf(psycopg.Connection[Any]):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            cursor = super().execute(*args, **kwargs)
            if breaks and "INSERT INTO session_events" in str(args[0]):
                breaks.clear()
                self.close()
                raise psycopg.OperationalError("connection lost after commit")
            return cursor

    def connect() -> psycopg.Connection[Any]:
        info = connect_journal()
        dsn, password = info.info.dsn, info.info.password
        info.close()
        return Deaf.connect(dsn, password=password, autocommit=True)

    log = await open_log(through=make_journal(connect))
    log.append(message("once"))
    await log.durable()
    log.append(message("and on"))
    await log.durable()
    assert not breaks
    assert [row.content for row in await rows_of(log)] == ["once", "and on"]


async def test_a_database_that_goes_away_mid_stream_loses_nothing(
    open_log: OpenLog, make_journal: MakeJournal
) -> None:
    from django.db import connection

    with DelayProxy(upstream_of(connection.settings_dict)) as proxy:
        log = await open_log(through=make_journal(_through(proxy)))
        log.append(message())
        await log.durable()
        text = await stream(log, 50, pause_s=0.002)
        proxy.cut()
        more = await stream_on(log, text, 200)
        held = log.durable_seq
        assert held < log.last_seq
        assert log.visible_seq == log.last_seq  # deltas go on to the subscribers meanwhile
        proxy.mend()
        async with asyncio.timeout(10):
            await log.durable()
    records = await in_db_thread(read_records, session_id=log.session_id, after=1)
    assert (
        "".join(record.event.text for record in records if isinstance(record.event, ev.AssistantDelta))
        == more
    )


async def stream_on(log: LiveLog, text: str, words: int) -> str:
    for index in range(words):
        piece = f"more{index} "
        log.append(delta(piece, len(text)))
        text += piece
        await asyncio.sleep(0.002)
    return text


def _through(proxy: DelayProxy) -> Any:
    def connect() -> psycopg.Connection[Any]:
        straight = connect_journal()
        dsn, password = straight.info.dsn, straight.info.password
        straight.close()
        params = psycopg.conninfo.conninfo_to_dict(dsn) | {"host": "127.0.0.1", "port": proxy.port}
        return psycopg.connect(**params, password=password, autocommit=True)  # type: ignore[arg-type]

    return connect


async def test_beyond_the_buffer_new_events_are_refused_and_old_ones_kept(
    open_log: OpenLog, make_journal: MakeJournal, settings: Settings
) -> None:
    settings.SESSIONS_BUFFER_EVENTS = 10
    away = threading.Event()

    def connect() -> psycopg.Connection[Any]:
        if not away.is_set():
            raise psycopg.OperationalError("away")
        return connect_journal()

    log = await open_log(through=make_journal(connect))
    for index in range(10):
        log.append(message(f"m{index}"))
    with pytest.raises(JournalFull) as refused:
        log.append(message("one too many"))
    assert refused.value.retryable
    log.append(ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.FAILED), reserved=True)
    away.set()
    await log.durable()
    log.append(message("and again"))
    await log.durable()
    assert [row.content for row in await rows_of(log)] == [
        *(f"m{index}" for index in range(10)),
        None,
        "and again",
    ]


async def test_a_writer_that_is_stuck_is_not_ready(
    open_log: OpenLog, make_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = make_journal(lambda: (_ for _ in ()).throw(psycopg.OperationalError("away")))
    assert journal.health() is None
    log = await open_log(through=journal)
    log.append(message())
    await asyncio.sleep(0.1)
    assert journal.stalled_seconds() > 0
    monkeypatch.setattr(journal, "_busy_since", journal._busy_since - 6)  # type: ignore[operator]
    assert "trying to commit" in (journal.health() or "")


async def test_an_event_that_the_database_refuses_hurts_its_session_alone(open_log: OpenLog) -> None:
    good, bad = await open_log(), await open_log()
    bad.append(message("nul \x00 character"))
    good.append(message("fine"))
    await good.durable()
    with pytest.raises(JournalRejected):
        await bad.durable()
    assert [row.content for row in await rows_of(good)] == ["fine"]


async def test_a_new_session_is_held_back_until_its_row_exists(open_log: OpenLog) -> None:
    log = await open_log()
    writer = log._writer
    writer.ready = False
    log.append(message())
    await asyncio.sleep(0.15)
    assert await rows_of(log) == []
    writer.open()
    await log.durable()
    assert len(await rows_of(log)) == 1


async def test_no_statement_runs_on_the_event_loops_thread(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[threading.Thread] = set()
    execute = psycopg.Cursor.execute

    def watched(*args: Any, **kwargs: Any) -> Any:
        threads.add(threading.current_thread())
        return execute(*args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", watched)
    log = await open_log()
    await stream(log, 100)
    await log.durable()
    await rows_of(log)
    assert threads
    assert threading.current_thread() not in threads


async def test_events_of_many_sessions_share_commits(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate of events must not depend on the round trip: here 500 events take a handful of statements."""
    logs = [await open_log() for _ in range(10)]
    statements: list[str] = []
    execute = psycopg.Connection.execute

    def watched(connection: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        statements.append(str(query))
        return execute(connection, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "execute", watched)
    for _ in range(50):
        for log in logs:
            log.append(message())
    await asyncio.gather(*(log.durable() for log in logs))
    appends = [query for query in statements if "INSERT INTO session_events" in query]
    assert 1 <= len(appends) <= 6
    assert sum([len(await rows_of(log)) for log in logs]) == 500


@pytest.fixture
def appends(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The parameters of every statement that appends to the log."""
    found: list[Any] = []
    execute = psycopg.Connection.execute

    def watched(connection: Any, query: Any, params: Any = None, **kwargs: Any) -> Any:
        if query in (journal_sql.APPEND, journal_sql.APPEND_WITH_NEWS):
            found.append(params)
        return execute(connection, query, params, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "execute", watched)
    return found


async def test_deltas_of_many_sessions_that_are_due_one_after_the_other_share_a_commit(
    open_log: OpenLog, appends: list[Any], settings: Settings
) -> None:
    settings.SESSIONS_FLUSH_SECONDS = 2.0
    logs = [await open_log() for _ in range(10)]
    for log in logs:
        log.append(delta("one"))
        await asyncio.sleep(0.02)
    await asyncio.gather(*(log.durable() for log in logs))
    assert len(appends) == 1


async def test_what_has_just_come_waits_for_more_though_another_session_is_in_a_hurry(
    open_log: OpenLog, settings: Settings
) -> None:
    """Else each message would cut the others' runs of deltas into small rows."""
    settings.SESSIONS_FLUSH_SECONDS = 30.0
    streaming, asking = await open_log(), await open_log()
    streaming.append(delta("one"))
    asking.append(message())
    await asking.durable()
    assert streaming.durable_seq == 0


async def test_what_has_waited_long_enough_goes_along_with_a_message_of_another_session(
    open_log: OpenLog, settings: Settings
) -> None:
    settings.SESSIONS_FLUSH_SECONDS = 30.0
    streaming, asking = await open_log(), await open_log()
    streaming.append(delta("one"))
    streaming._writer.due_at -= 25.0  # most of the time has passed
    asking.append(message())
    await asyncio.gather(asking.durable(), streaming.durable())


async def test_a_batch_is_one_parameter(open_log: OpenLog, appends: list[Any]) -> None:
    log = await open_log()
    log.append(message(), message("again"))
    await log.durable()
    (params,) = appends
    (batch,) = params.values()
    assert isinstance(batch, str)


async def test_a_session_whose_row_is_still_being_made_does_not_keep_the_thread_awake(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_log()
    log._writer.ready = False
    log.append(message())
    await asyncio.sleep(0.1)
    looks = 0
    wait = threading.Condition.wait

    def counted(condition: threading.Condition, timeout: float | None = None) -> bool:
        nonlocal looks
        looks += condition is log._writer._journal._condition
        return wait(condition, timeout)

    monkeypatch.setattr(threading.Condition, "wait", counted)
    await asyncio.sleep(0.2)
    assert looks == 0
    log._writer.open()
    await log.durable()


async def test_a_failed_writer_gives_its_room_back(open_log: OpenLog, settings: Settings) -> None:
    settings.SESSIONS_BUFFER_EVENTS = 5
    held = await open_log()
    held._writer.ready = False
    for _ in range(5):
        held.append(message())
    other = await open_log()
    with pytest.raises(JournalFull):
        other.append(message())
    held.fail(JournalFenced())
    other.append(message())
    await other.durable()


async def test_a_writer_that_is_held_back_does_not_hold_up_others(open_log: OpenLog) -> None:
    held = await open_log()
    held._writer.ready = False
    held.append(message())
    await asyncio.sleep(0.1)
    other = await open_log()
    other.append(delta("nothing urgent"))
    async with asyncio.timeout(2):
        await other.durable()


async def test_rows_are_encoded_without_the_lock_that_the_event_loop_needs(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_log()
    encoding, appended = threading.Event(), threading.Event()

    def held_up(records: Sequence[ev.Record]) -> list[Row]:
        encoding.set()
        assert appended.wait(10), "the event loop stands still for as long as rows are encoded"
        return encode_rows(records)

    monkeypatch.setattr(journal_sql, "encode_rows", held_up)
    log.append(message())
    await asyncio.to_thread(encoding.wait, 10)
    log.append(delta("a word"))
    appended.set()
    async with asyncio.timeout(20):
        await log.durable()
    assert [row.event_type for row in await rows_of(log)] == ["user_message", "assistant_delta"]


async def test_a_session_that_cannot_take_in_its_commit_does_not_keep_others_waiting(
    open_log: OpenLog,
) -> None:
    logs = [await open_log(), await open_log()]

    def fails() -> None:
        raise RuntimeError("a reader's fault")

    logs[0]._writer.on_commit = fails
    for log in logs:
        log.append(message())
    async with asyncio.timeout(10):
        await asyncio.gather(*(log.durable() for log in logs))


async def test_a_dead_thread_is_told_to_all_who_wait_and_come(
    make_journal: MakeJournal, open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()
    journal = make_journal(on_death=ended.set)
    log, idle = await open_log(through=journal), await open_log(through=journal)
    assert journal.health() is None

    def fails(_due: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(journal, "_within_bounds", fails)
    log.append(message())
    async with asyncio.timeout(10):
        with pytest.raises(JournalFenced):
            await log.durable()
        await ended.wait()
    for one in (log, idle, await open_log(through=journal)):
        with pytest.raises(JournalFenced):
            one.append(message())
    assert "has died" in (journal.health() or "")
