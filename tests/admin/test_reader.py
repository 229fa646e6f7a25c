"""Pages of a log: nothing missed, nothing twice, no answer cut, bounded queries."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app.log import events as ev
from sessions_app.log.rows import encode_rows
from sessions_app.models import Session, SessionEvent
from sessions_app.review import reader
from sessions_app.review.reader import count_connections, read_page, read_rows, summary_event
from sessions_app.review.transcript import Answer, Entry, Notice, Said, Text
from tests.admin.rows import (
    call,
    deltas,
    done,
    message,
    result,
    started,
    turn,
    user_says,
    write_session,
)

pytestmark = pytest.mark.django_db


def long_session(turns: int = 40) -> Session:
    events: list[ev.Event] = [ev.SessionStarted(model="gemini:flash")]
    for number in range(turns):
        events += turn(number)
    return write_session(events)


def forward(session: Session, rows: int) -> list[list[Entry]]:
    pages, after = [], 0
    while True:
        page = read_page(session, after=after, rows=rows)
        pages.append(page.entries)
        if page.later is None:
            return pages
        after = page.later


def backward(session: Session, rows: int) -> list[list[Entry]]:
    pages: list[list[Entry]] = []
    before: int | None = session.last_seq + 1
    while before is not None:
        page = read_page(session, before=before, rows=rows)
        pages.insert(0, page.entries)
        before = page.earlier
    return pages


def texts(pages: list[list[Entry]]) -> list[str]:
    found = []
    for entry in (entry for page in pages for entry in page):
        if isinstance(entry, Said):
            found.append(entry.text)
        elif isinstance(entry, Answer):
            found += [item.text for item in entry.items if isinstance(item, Text)]
    return found


@pytest.mark.parametrize("rows", [1, 2, 5, 7, 8, 23, 50, 1000])
def test_pages_give_everything_once_in_both_directions(rows: int) -> None:
    session = long_session(12)
    expected = [text for number in range(12) for text in (f"question {number} ", f"answer {number} ")]
    assert texts(forward(session, rows)) == expected
    assert texts(backward(session, rows)) == expected


@pytest.mark.parametrize("rows", [7, 8, 11, 23])
def test_no_page_cuts_an_answer_when_one_fits(rows: int) -> None:
    for pages in (forward(long_session(), rows), backward(long_session(), rows)):
        answers = [entry for page in pages for entry in page if isinstance(entry, Answer)]
        assert len(answers) == 40
        assert all(answer.started and answer.done for answer in answers)


def with_a_turn_that_was_dropped(number: int) -> list[ev.Event]:
    """An answer during which a turn that waited behind it was taken back."""
    first, *rest = turn(number)
    waits = ev.ResponseQueued(response_id=f"resp_w{number}", position=1)
    dropped = done(f"resp_w{number}", "cancelled", reason="cancelled", waited=True)
    return [first, *rest[:2], waits, dropped, *rest[2:]]


@pytest.mark.parametrize("rows", [9, 10, 13, 25])
def test_a_turn_that_waited_and_was_dropped_cuts_no_answer(rows: int) -> None:
    events = [event for number in range(30) for event in with_a_turn_that_was_dropped(number)]
    session = write_session(events)
    for pages in (forward(session, rows), backward(session, rows)):
        answers = [entry for page in pages for entry in page if isinstance(entry, Answer)]
        assert len(answers) == 30
        assert all(answer.started and answer.done for answer in answers)


def test_a_page_does_not_begin_with_what_a_person_answered_along() -> None:
    """The end of a turn that never started is no end of an answer that began before the page."""
    along = done("resp_w", "cancelled", reason="answered_by_person", waited=True)
    session = write_session(
        [*(event for number in range(6) for event in turn(number)), along, user_says("thanks")]
    )
    page = read_page(session, before=session.last_seq + 1, rows=14)
    assert len([entry for entry in page.entries if isinstance(entry, Answer)]) == 2


@pytest.mark.parametrize("turns", [3, 300])
def test_a_page_costs_one_query_however_long_the_session_is(turns: int) -> None:
    session = long_session(turns)
    with CaptureQueriesContext(connection) as queries:
        read_page(session)
    assert len(queries) == 1


def test_deltas_of_finished_answers_are_not_read() -> None:
    session = write_session([started(), *deltas(*["x" * 50] * 20), message("x" * 1000), done()])
    kinds = [row.event_type for rows in read_rows(session) for row in rows]
    assert kinds == ["response_started", "assistant_message", "response_done"]


def test_an_answer_in_flight_shows_what_its_deltas_say() -> None:
    session = write_session([user_says("hi"), started(), *deltas("Once ", "upon ", "a time")])
    answer = read_page(session).entries[-1]
    assert isinstance(answer, Answer)
    assert [(item.text, item.status) for item in answer.items if isinstance(item, Text)] == [
        ("Once upon a time", "partial")
    ]


def test_after_tools_only_the_text_in_flight_is_partial() -> None:
    first: list[ev.Event] = [started(), *deltas("Let me see."), message("Let me see."), call(), result()]
    session = write_session([*first, *deltas("It is ", "21:14", item_id="item_b")])
    answer = read_page(session).entries[-1]
    assert isinstance(answer, Answer)
    assert [getattr(item, "text", item.kind) for item in answer.items] == [
        "Let me see.",
        "tool",
        "It is 21:14",
    ]


def test_a_cut_off_answer_without_a_final_text_shows_its_deltas() -> None:
    cut: list[ev.Event] = [started(), *deltas("half an "), done(status="incomplete", reason="interrupted")]
    session = write_session([*cut, *turn(2)])
    answer = read_page(session).entries[0]
    assert isinstance(answer, Answer)
    assert [item.text for item in answer.items if isinstance(item, Text)] == ["half an "]


def test_deltas_of_another_answer_do_not_get_in() -> None:
    cut: list[ev.Event] = [started(), done(status="failed", reason="model_timeout")]
    session = write_session([*cut, started("resp_2"), *deltas("yes", response_id="resp_2", item_id="item_2")])
    failed, running = read_page(session).entries
    assert isinstance(failed, Answer)
    assert isinstance(running, Answer)
    assert failed.items == []
    assert [item.text for item in running.items if isinstance(item, Text)] == ["yes"]


def test_a_row_that_cannot_be_read_is_said_and_hides_nothing_else() -> None:
    session = write_session([user_says("before"), user_says("after", "item_2")])
    SessionEvent.objects.create(
        session=session,
        first_seq=3,
        seq=3,
        role="system",
        event_type="from_the_future",
        created_at=session.start_time,
    )
    first, second, notice = read_page(session).entries
    assert isinstance(first, Said)
    assert isinstance(second, Said)
    assert isinstance(notice, Notice)
    assert "from_the_future" in notice.text


def test_one_answer_that_fills_pages_is_shown_in_parts() -> None:
    calls = [event for number in range(30) for event in (call(f"c{number}"), result(f"c{number}"))]
    session = write_session([started(), *calls, message("done"), done()])
    pages = forward(session, 10)
    items = [item for page in pages for entry in page if isinstance(entry, Answer) for item in entry.items]
    assert {item.item_id for item in items} == {*(f"item_c{number}" for number in range(30)), "item_a"}
    assert texts(pages) == ["done"]
    assert texts(backward(session, 10)) == ["done"]


def test_who_wrote_the_summary_is_found_behind_its_end() -> None:
    written = ev.SummaryWritten(summary="S", title="T", model="gemini:flash")
    session = write_session([*turn(1), ev.SessionEnded(reason=ev.EndReason.LEFT), written])
    session.summary_state, session.summary_seq = "written", session.last_seq - 1
    event = summary_event(session)
    assert isinstance(event, ev.SummaryWritten)
    assert event.model == "gemini:flash"


def test_a_later_failure_is_found_although_an_older_summary_stands() -> None:
    written = ev.SummaryWritten(summary="S", title="T", model="gemini:flash")
    session = write_session([*turn(1), written, *turn(2), ev.SummaryFailed(error="boom", attempts=5)])
    session.summary_state, session.summary_seq = "failed", 8
    assert isinstance(summary_event(session), ev.SummaryFailed)


def test_connections_are_counted() -> None:
    opened = [ev.ConnectionOpened(connection_id=f"c{number}", dialect="plain") for number in range(3)]
    assert count_connections(write_session([*opened, *turn(1)])) == 3


def test_in_a_very_long_log_connections_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "COUNTED_ROWS", 6)
    assert count_connections(write_session(turn(1)[:6])) == 0
    assert count_connections(write_session(turn(1))) is None


def test_seqs_that_a_takeover_skipped_leave_no_hole_on_the_page() -> None:
    session = write_session(turn(1))
    skip = 200_000
    reopened = ev.SessionReopened(model="demo", cause=ev.ReopenCause.TAKEOVER, skipped=skip)
    records = [ev.Record(session.pk, 9 + skip, session.start_time, reopened)]
    records += [
        ev.Record(session.pk, 10 + skip + index, session.start_time, event)
        for index, event in enumerate(turn(2))
    ]
    SessionEvent.objects.bulk_create(map(SessionEvent.of, encode_rows(records)))
    session.last_seq = records[-1].seq
    assert texts(forward(session, 8)) == texts(backward(session, 8))
    assert len(texts(forward(session, 8))) == 4
    assert count_connections(session) == 0
