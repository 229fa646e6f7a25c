"""Erasing: no word is left anywhere, every figure is, and the log can be read as before."""

from threading import Thread
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connection, transaction

from sessions_app import hooks
from sessions_app.errors import JournalFenced, SessionNotFound
from sessions_app.log import events as ev
from sessions_app.log.leases import erased_of, renew_process
from sessions_app.log.lifecycle import Visitor, append_now, open_session, owner_of
from sessions_app.log.replay import read_records
from sessions_app.log.summaries import End, NewSummary, due_summaries, write_summaries
from sessions_app.models import (
    EraseActor,
    EraseScope,
    Erasure,
    Session,
    SessionEvent,
    SessionStatus,
    SummaryState,
)
from sessions_app.privacy.erase import By, erase_person, erase_session, erase_tool_data
from sessions_app.privacy.people import Person
from sessions_app.privacy.redact import DECIDED, FIGURES, is_figure
from sessions_app.selectors.recent import recent_sessions
from tests.admin.rows import call, done, message, started, user_says, write_session

from .words import MARK, rows_with, session_full_of

pytestmark = pytest.mark.django_db(transaction=True)

STAFF = By(actor=EraseActor.STAFF)
KEPT_OF_ROWS = ("event_id", "first_seq", "seq", "role", "event_type", "created_at")
KEPT_OF_SESSIONS = (
    "last_seq",
    "user_messages",
    "assistant_messages",
    "tool_calls",
    "responses",
    "failed_responses",
    "input_tokens",
    "output_tokens",
    "cost_microusd",
    "unpriced",
    "feedback_up",
    "feedback_down",
    "outcome",
    "sentiment",
    "quality",
    "start_time",
    "end_time",
)


def places(session_id: str = "s1") -> list[Any]:
    return list(SessionEvent.objects.filter(session_id=session_id).order_by("seq").values(*KEPT_OF_ROWS))


def figures(session_id: str = "s1") -> list[Any]:
    """What answers and summaries used and cost, as the log has it."""
    rows = (
        SessionEvent.objects.filter(session_id=session_id).order_by("seq").values_list("payload", flat=True)
    )
    names = ("usage", "cost_microusd", "timings", "model", "status", "duration_ms", "lengths")
    return [{name: row[name] for name in names if name in row and name != "lengths"} for row in rows]


def test_no_word_is_left_and_every_figure_is() -> None:
    session = session_full_of(MARK)
    assert len(rows_with(MARK)) == 26, "the session's own row, and all events but those without a word"
    before = (places(), figures(), Session.objects.values(*KEPT_OF_SESSIONS).get())
    assert erase_session(session_id="s1", by=STAFF)
    assert rows_with(MARK) == []
    assert (places(), figures(), Session.objects.values(*KEPT_OF_SESSIONS).get()) == before
    assert session.last_seq == len(places())


def test_an_erased_log_is_read_like_any_other() -> None:
    session_full_of(MARK)
    erase_session(session_id="s1", by=STAFF)
    records = read_records(session_id="s1", after=0)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    by_type = {type(record.event): record.event for record in records}
    said = by_type[ev.UserMessage]
    assert isinstance(said, ev.UserMessage)
    assert said.text == "[erased]"
    assert said.respond
    done_event = by_type[ev.ResponseDone]
    assert isinstance(done_event, ev.ResponseDone)
    assert (done_event.usage.input_tokens, done_event.reason) == (7, "client_cancelled")


def test_ids_of_a_clients_own_are_other_ones_that_still_belong_together() -> None:
    write_session(
        [user_says("Hello", "my words as an id"), ev.ItemDeleted(item_id="my words as an id")],
        session_id="s1",
        status=SessionStatus.ENDED,
    )
    erase_session(session_id="s1", by=STAFF)
    said, deleted = (record.event for record in read_records(session_id="s1", after=0))
    assert isinstance(said, ev.UserMessage)
    assert isinstance(deleted, ev.ItemDeleted)
    assert said.item_id == deleted.item_id
    assert said.item_id.startswith("gone_")


def test_every_field_of_every_event_is_decided_about() -> None:
    """A new field is erased until somebody says that it may stay; this says that somebody has to."""
    undecided = {
        f"{cls.__name__}.{field.name}"
        for cls in ev.EVENT_TYPES.values()
        for field in msgspec.structs.fields(cls)
        if not is_figure(field.type) and field.name not in DECIDED
    }
    assert undecided == set()
    assert str not in FIGURES


def test_it_is_recorded_once_without_a_word() -> None:
    session_full_of(MARK)
    grace = User.objects.create(username="grace", is_staff=True)
    by = By(actor=EraseActor.STAFF, staff_id=grace.pk)
    assert erase_session(session_id="s1", by=by)
    assert not erase_session(session_id="s1", by=by)
    kept = Erasure.objects.get()
    assert (kept.session_id, kept.scope, kept.actor, kept.staff) == (
        "s1",
        EraseScope.WORDS,
        EraseActor.STAFF,
        grace,
    )
    with pytest.raises(SessionNotFound):
        erase_session(session_id="other", by=by)


def test_a_long_session_goes_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions_app.privacy.erase.PAGE_ROWS", 3)
    write_session(
        [user_says(f"{MARK} {n}", f"item_{n}") for n in range(10)],
        session_id="s1",
        status=SessionStatus.ENDED,
    )
    erase_session(session_id="s1", by=STAFF)
    assert rows_with(MARK) == []


# The door


def test_the_log_is_append_only_as_before() -> None:
    session_full_of(MARK)
    with pytest.raises(IntegrityError, match="append-only"):
        SessionEvent.objects.filter(session_id="s1", seq=1).update(content="")
    erase_session(session_id="s1", by=STAFF)
    with pytest.raises(IntegrityError, match="append-only"):
        SessionEvent.objects.filter(session_id="s1", seq=1).update(payload={})


@pytest.mark.parametrize(
    "change",
    [
        "content = 'other words'",
        "seq = seq + 1000",
        "first_seq = 1",
        "event_type = 'tool_call'",
        "role = 'tool'",
        "created_at = now()",
        "session_id = 'door2'",
        """payload = payload || '{"added": 1}'""",
        """payload = payload || '{"cost_microusd": 0}'""",
        """payload = payload - 'usage'""",
    ],
)
def test_the_door_lets_nothing_else_through(change: str) -> None:
    write_session([user_says("Hi"), done(usage=ev.Usage(input_tokens=7), cost_microusd=9)], session_id="door")
    write_session(session_id="door2")
    update = f"UPDATE session_events SET {change} WHERE session_id = 'door' AND seq = 2"
    with pytest.raises(IntegrityError, match="append-only"):
        through_the_door("door", update)


def test_the_door_is_one_sessions_and_shuts_with_its_transaction() -> None:
    write_session([user_says("Hi")], session_id="one")
    write_session([user_says("Hi")], session_id="two")
    blank = "UPDATE session_events SET content = '' WHERE session_id = "
    through_the_door("one", f"{blank} 'one'")
    with pytest.raises(IntegrityError, match="append-only"):
        through_the_door("one", f"{blank} 'two'")
    with pytest.raises(IntegrityError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(f"{blank} 'one'")


def through_the_door(session_id: str, sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('sessions.erasing', %s, true)", [session_id])
        cursor.execute(sql)


# Who comes afterwards


def test_nobody_opens_an_erased_session_nor_takes_its_id() -> None:
    session_full_of(MARK)
    erase_session(session_id="s1", by=STAFF)
    for create, reopen in ((True, True), (False, True), (False, False)):
        with pytest.raises(SessionNotFound):
            open_session(
                session_id="s1",
                visitor=Visitor(secret_of="s1"),
                process_id="p",
                model="demo",
                create=create,
                reopen=reopen,
            )
    with pytest.raises(SessionNotFound):
        owner_of(session_id="s1")


def test_an_open_session_is_ended_first_and_its_holder_writes_nothing_more() -> None:
    renew_process(process_id="holder")
    opened = open_session(session_id="s1", visitor=Visitor(), process_id="holder", model="demo")
    last_seq = append_now(
        session_id="s1",
        epoch=opened.epoch,
        last_seq=0,
        events=[ev.SessionStarted(model="demo"), user_says(MARK), started(), call(arguments=MARK)],
    )
    assert erase_session(session_id="s1", by=STAFF)
    assert rows_with(MARK) == []
    session = Session.objects.get()
    assert (session.status, session.end_reason, session.lease_owner) == ("ended", "erased", "")
    types = list(SessionEvent.objects.order_by("seq").values_list("event_type", flat=True))
    assert types[-4:] == ["session_reopened", "tool_result", "response_done", "session_ended"]
    assert session.last_seq == SessionEvent.objects.order_by("-seq").values_list("seq", flat=True)[0]
    with pytest.raises(JournalFenced):
        append_now(session_id="s1", epoch=opened.epoch, last_seq=last_seq, events=[user_says("late")])
    assert read_records(session_id="s1", after=0)[-1].event == ev.SessionEnded(reason=ev.EndReason.ERASED)
    assert erased_of(session_ids=["s1", "s2"]) == {"s1"}


@pytest.mark.parametrize(
    "unreadable",
    [{"event_type": "from_the_future"}, {"event_type": "session_updated", "payload": {"config": 7}}],
)
def test_an_open_session_is_erased_though_an_event_of_it_cannot_be_read(unreadable: dict[str, Any]) -> None:
    """As a newer build left it, or a hand in the tables: that must keep nobody from having their words erased."""
    session = write_session([user_says(MARK), started(), call(arguments=MARK)], session_id="s1")
    SessionEvent.objects.create(
        session=session, first_seq=4, seq=4, role="system", created_at=session.start_time, **unreadable
    )
    Session.objects.update(last_seq=4)
    assert erase_session(session_id="s1", by=STAFF)
    session.refresh_from_db()
    assert (session.status, session.end_reason) == (SessionStatus.ENDED, ev.EndReason.ERASED)
    assert rows_with(MARK) == []


def test_the_holders_other_sessions_do_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its journal writes them in one statement, and a long log takes its time to be erased."""
    renew_process(process_id="holder")
    opened = open_session(session_id="s1", visitor=Visitor(), process_id="holder", model="demo")
    late: list[Exception] = []

    def append_late() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            append_now(session_id="s1", epoch=opened.epoch, last_seq=0, events=[user_says("late")])
        except (JournalFenced, DatabaseError) as error:
            late.append(error)
        finally:
            connection.close()

    def meanwhile(_: str) -> None:
        thread = Thread(target=append_late)
        thread.start()
        thread.join()

    monkeypatch.setattr(hooks, "_session_erased", [meanwhile])
    assert erase_session(session_id="s1", by=STAFF)
    assert [type(error) for error in late] == [JournalFenced]


def test_a_summary_that_is_under_way_writes_nothing() -> None:
    said: list[ev.Event] = [user_says("Hello"), started(), message("Hi"), done()]
    events: list[ev.Event] = [*said, ev.SessionEnded(reason=ev.EndReason.LEFT)]
    fields: dict[str, Any] = {"status": SessionStatus.ENDED, "summary_state": SummaryState.PENDING}
    write_session(events, session_id="s1", **fields)
    end = End("s1", 5)
    assert due_summaries([end]) != [None]
    erase_session(session_id="s1", by=STAFF)
    assert due_summaries([end]) == [None]
    late = NewSummary(end=end, title=MARK, summary=MARK, model="demo", usage=ev.Usage())
    assert write_summaries([late]) == [False]
    assert Session.objects.get().summary_state == SummaryState.SKIPPED


def test_hooks_hear_of_it_within_the_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def refuse(session_id: str) -> None:
        heard.append(session_id)
        raise RuntimeError("not yet")

    monkeypatch.setattr(hooks, "_session_erased", [refuse])
    session_full_of(MARK)
    with pytest.raises(RuntimeError):
        erase_session(session_id="s1", by=STAFF)
    assert heard == ["s1"]
    assert rows_with(MARK)
    assert not Erasure.objects.exists()


# Tool data alone


def test_tool_data_goes_and_the_conversation_stays() -> None:
    result = ev.ToolResult(item_id="item_call_1", call_id="call_1", name="get_time", output=f"Noon, {MARK}")
    write_session(
        [
            user_says("What time is it?"),
            started(),
            call(arguments=f'{{"at": "{MARK}"}}', extra={"sig": MARK}),
            result,
        ],
        session_id="s1",
        status=SessionStatus.ENDED,
    )
    assert erase_tool_data(session_id="s1", by=STAFF)
    assert rows_with(MARK) == []
    said, _, called, answered = (record.event for record in read_records(session_id="s1", after=0))
    assert isinstance(said, ev.UserMessage)
    assert said.text == "What time is it?"
    assert isinstance(called, ev.ToolCall)
    assert (called.name, called.arguments, called.extra) == ("get_time", "{}", None)
    assert isinstance(answered, ev.ToolResult)
    assert answered.output == "[erased]"
    visitor = Visitor(secret_of="s1")
    assert open_session(session_id="s1", visitor=visitor, process_id="p", model="demo").was_ended


# A person


def test_a_person_is_all_their_sessions_and_nobody_elses() -> None:
    ada, bob = User.objects.create(username="ada"), User.objects.create(username="bob")
    sessions: dict[str, dict[str, Any]] = {
        "a1": {"user": ada},
        "a2": {"user": ada, "guest_id": "g1"},
        "g1": {"guest_id": "g1"},
        "b1": {"user": bob},
        "b2": {"user": bob, "guest_id": "g1"},
        "n1": {},
    }
    for session_id, fields in sessions.items():
        session_full_of(MARK, session_id, **fields)
    tally = erase_person(person=Person(user_id=ada.pk, guest_id="g1"), by=By(actor=EraseActor.OWNER), limit=2)
    assert (tally.erased, tally.left) == (2, 1)
    tally = erase_person(person=Person(user_id=ada.pk, guest_id="g1"), by=By(actor=EraseActor.OWNER))
    assert (tally.erased, tally.left, tally.failed) == (1, 0, 0)
    erased = Session.objects.filter(erased_at__isnull=False).values_list("session_id", flat=True)
    assert sorted(erased) == ["a1", "a2", "g1"]
    assert recent_sessions(user_id=ada.pk, guest_id="g1").sessions == []
    assert len(recent_sessions(user_id=bob.pk, guest_id="").sessions) == 2


def test_one_that_cannot_be_erased_does_not_keep_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(session_id: str) -> None:
        if session_id == "a1":
            raise RuntimeError("not this one")

    monkeypatch.setattr(hooks, "_session_erased", [refuse])
    ada = User.objects.create(username="ada")
    for session_id in ("a1", "a2"):
        session_full_of(MARK, session_id, user=ada)
    tally = erase_person(person=Person(user_id=ada.pk), by=STAFF)
    assert (tally.erased, tally.failed) == (1, 1)
