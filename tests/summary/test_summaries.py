"""sessions_app.log.summaries: one summary for one end of a session, in its place in the log."""

from collections.abc import Callable
from typing import Any

import pytest

from sessions_app.log.events import SummaryFailed, SummaryWritten, Usage
from sessions_app.log.lifecycle import sweep_orphans
from sessions_app.log.replay import read_records
from sessions_app.log.spoken import transcripts
from sessions_app.log.summaries import (
    End,
    NewSummary,
    due_summaries,
    fail_summary,
    write_summaries,
)
from sessions_app.models import Session, SummaryState
from tests.summary.support import answered, end_it, ended_session, jobs, open_it, said, say

pytestmark = pytest.mark.django_db


def write(session_id: str, through_seq: int, summary: str = "It went well.") -> bool:
    return write_summaries([new(session_id, through_seq, summary)])[0]


def new(session_id: str, through_seq: int, summary: str = "It went well.") -> NewSummary:
    return NewSummary(
        end=End(session_id, through_seq),
        title="A talk",
        summary=summary,
        model="fake:model-1",
        usage=Usage(input_tokens=7, output_tokens=3),
    )


def fail(session_id: str, through_seq: int) -> bool:
    return fail_summary(session_id=session_id, through_seq=through_seq, error="it broke", attempts=5)


def test_an_ended_session_awaits_its_summary_by_one_job() -> None:
    session_id, end = ended_session()
    assert Session.objects.get().summary_state == SummaryState.PENDING
    assert [job["args"] for job in jobs()] == [{"session_id": session_id, "through_seq": end}]


def test_a_session_without_a_user_message_gets_no_job() -> None:
    opened = open_it()
    say(opened, answered("Hello!"))
    end_it(opened)
    assert Session.objects.get().summary_state == SummaryState.SKIPPED
    assert jobs() == []


def test_the_summary_stands_on_the_session_and_next_in_its_log() -> None:
    session_id, end = ended_session()
    assert write(session_id, end)
    session = Session.objects.get()
    assert (session.title, session.summary) == ("A talk", "It went well.")
    assert (session.summary_state, session.summary_seq) == (SummaryState.WRITTEN, end)
    assert session.last_seq == end + 1
    last = read_records(session_id=session_id, after=end)
    assert [(record.seq, record.event) for record in last] == [
        (
            end + 1,
            SummaryWritten(
                summary="It went well.",
                title="A talk",
                model="fake:model-1",
                usage=Usage(input_tokens=7, output_tokens=3),
            ),
        )
    ]


def test_a_second_run_of_the_same_job_writes_nothing() -> None:
    session_id, end = ended_session()
    write(session_id, end)
    assert due_summaries([End(session_id, end)]) == [None]
    assert not write(session_id, end, "Another one.")
    assert not fail(session_id, end)
    assert Session.objects.get().summary == "It went well."
    assert Session.objects.get().last_seq == end + 1


@pytest.mark.parametrize("outcome", [write, fail])
def test_who_came_back_before_the_job_ran_leaves_it_outdated(outcome: Callable[[str, int], bool]) -> None:
    session_id, end = ended_session()
    opened = open_it(session_id)
    assert due_summaries([End(session_id, end)]) == [None]
    assert not outcome(session_id, end)
    say(opened, said("One more thing."))
    assert not outcome(session_id, end)
    second_end = end_it(opened)
    assert not outcome(session_id, end)
    assert Session.objects.get().summary_state == SummaryState.PENDING
    assert [job["args"]["through_seq"] for job in jobs()] == [end, second_end]
    assert outcome(session_id, second_end)


def test_coming_back_without_a_word_keeps_the_summary_and_asks_no_model() -> None:
    session_id, end = ended_session()
    write(session_id, end)
    end_it(open_it(session_id))
    assert Session.objects.get().summary_state == SummaryState.WRITTEN
    assert len(jobs()) == 1


def test_coming_back_without_a_word_before_the_summary_still_gets_one() -> None:
    session_id, _ = ended_session()
    second_end = end_it(open_it(session_id))
    assert [job["args"]["through_seq"] for job in jobs()][1:] == [second_end]
    assert write(session_id, second_end)


def test_a_new_word_refreshes_the_summary_and_the_old_one_stays_until_then() -> None:
    session_id, end = ended_session()
    write(session_id, end)
    opened = open_it(session_id)
    say(opened, said("And 3 + 3?"))
    second_end = end_it(opened)
    session = Session.objects.get()
    assert (session.summary_state, session.summary) == (SummaryState.PENDING, "It went well.")
    assert write(session_id, second_end, "Two sums.")
    session.refresh_from_db()
    assert (session.summary, session.summary_seq) == ("Two sums.", second_end)


def test_a_failure_is_said_on_the_session_and_in_its_log() -> None:
    session_id, end = ended_session()
    assert fail(session_id, end)
    assert Session.objects.get().summary_state == SummaryState.FAILED
    assert read_records(session_id=session_id, after=end)[0].event == SummaryFailed(
        error="it broke", attempts=5
    )


def test_a_failed_summary_can_still_be_written() -> None:
    session_id, end = ended_session()
    fail(session_id, end)
    assert write(session_id, end)
    assert [record.seq for record in read_records(session_id=session_id, after=end)] == [end + 1, end + 2]


def test_a_summary_of_a_deleted_session_is_nothing() -> None:
    session_id, end = ended_session()
    Session.objects.all().delete()
    assert not write(session_id, end)
    assert due_summaries([End(session_id, end)]) == [None]


def test_an_orphan_is_ended_and_gets_its_job() -> None:
    opened = open_it(process_id="proc_dead")
    say(opened, said("Are you there?"))
    from sessions_app.models import ServerProcess

    ServerProcess.objects.all().delete()
    assert sweep_orphans() == 1
    assert [job["args"]["session_id"] for job in jobs()] == [opened.session_id]


def test_many_are_written_together_each_once_and_none_that_is_outdated() -> None:
    ends = [ended_session() for _ in range(3)]
    opened = open_it()
    say(opened, said("Again."))
    outdated = end_it(opened)
    open_it(opened.session_id)

    asked = [new(*end) for end in ends]
    assert write_summaries([asked[0], new(opened.session_id, outdated), asked[0], *asked[1:]]) == [
        True,
        False,
        False,
        True,
        True,
    ]
    assert write_summaries(asked) == [False] * 3
    for session_id, end in ends:
        events = [record.event for record in read_records(session_id=session_id, after=end)]
        assert [type(event) for event in events] == [SummaryWritten]
        assert Session.objects.get(session_id=session_id).summary_seq == end


def test_what_is_due_for_many_is_what_is_due_for_each(
    django_assert_max_num_queries: Callable[..., Any],
) -> None:
    short = [ended_session(said(f"What is {number} + 2?"), answered("I do not know.")) for number in range(5)]
    long = ended_session(*(said("word " * 500) for _ in range(20)))
    ends = [End(*end) for end in (*short, long)]
    with django_assert_max_num_queries(2):
        due = due_summaries([*ends, End("unknown", 3)])

    texts = [transcripts([end.session_id])[end.session_id] for end in ends]
    assert [one and one.transcript for one in due] == [*texts, None]
    assert texts[-1] is None
    assert due[-2] is not None
    assert "What is 4 + 2?" in str(texts[4])
