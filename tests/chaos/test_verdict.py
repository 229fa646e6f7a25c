"""Each check of a run finds what it is for, and nothing in a session that is whole."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from sessions_app.log import events as ev
from tests.chaos.logged import LoggedSession, Written
from tests.chaos.logs import SESSION_ID, delta, events, logged
from tests.chaos.verdict import check_marks, check_session

MARK = (SESSION_ID, "call")


def found(session: LoggedSession) -> str:
    return "\n".join(map(str, check_session(session)))


def without(kind: type[ev.Event]) -> list[ev.Event]:
    return [event for event in events() if not isinstance(event, kind)]


def twice(kind: type[ev.Event]) -> list[ev.Event]:
    return [again for event in events() for again in [event] * (1 + isinstance(event, kind))]


def written_by(writers: list[Written]) -> LoggedSession:
    session = logged()
    session.writers = writers
    return session


def test_a_whole_session_is_in_order() -> None:
    assert found(logged()) == ""
    assert check_marks([logged()], [MARK]) == []


def test_a_hole_between_seqs_is_found() -> None:
    session = logged()
    del session.rows[3], session.writers[3]
    assert "expected was 4" in found(session)


def test_a_counter_of_the_row_that_is_behind_the_log_is_found() -> None:
    assert "last_seq says 9" in found(logged(last_seq=9))
    assert "user_messages is 7" in found(logged(user_messages=7))


def test_two_writers_under_one_epoch_are_found() -> None:
    writers = logged().writers
    writers[4] = replace(writers[4], writer="server-1.1")
    assert "epoch 1 was written by server-0.1, and here by server-1.1" in found(written_by(writers))


def test_an_epoch_that_comes_back_is_found() -> None:
    writers = [replace(one, epoch=2, writer="b") if 2 < one.seq < 5 else one for one in logged().writers]
    assert "written under epoch 1, after one of 2" in found(written_by(writers))


def test_a_row_that_nobody_was_seen_writing_is_found() -> None:
    assert "not those that were seen being written" in found(written_by(logged().writers[:-1]))


@pytest.mark.parametrize(
    ("happened", "what"),
    [
        (without(ev.ResponseDone), "response resp was left open"),
        (twice(ev.ResponseStarted), "starts while resp runs"),
        (twice(ev.ResponseDone), "resp ends while None runs"),
        (
            [*events()[:9], ev.ResponseQueued(response_id="next", position=1), *events()[9:]],
            "next was left open",
        ),
        (twice(ev.UserMessage), "client event mine_message was carried out a second time"),
        (twice(ev.ResponseStarted), "client event mine_ask was carried out a second time"),
        ([event for event in events() if event != delta("2.", 3)], "its deltas are '1, '"),
        (twice(ev.AssistantDelta), "its deltas are '1, 1, 2.2.'"),
        ([*events()[:6], events()[0], delta("2.", 5), *events()[7:]], "a delta of item at 5, expected was 3"),
        (without(ev.AssistantMessage), "item item has deltas and no text"),
        (without(ev.ToolResult), "call call has 0 results"),
        (twice(ev.ToolResult), "call call has 2 results"),
        ([events()[0], events()[1], *events()[9:]], "message asked was never answered"),
        (
            [*events(), ev.ConnectionOpened(connection_id="c", dialect="realtime")],
            "goes on after the session's end",
        ),
    ],
)
def test_what_is_wrong_in_the_log_is_found(happened: list[ev.Event], what: str) -> None:
    assert what in found(logged(happened))


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"status": "active"}, "did not end: active"),
        ({"end_time": None}, "did not end"),
        ({"summary_state": "pending"}, "ended without the job for its summary"),
        ({"summary_state": "failed"}, "its summary is failed"),
        ({"summary_state": "skipped"}, "its summary is skipped"),
    ],
)
def test_a_session_that_did_not_end_well_is_found(columns: dict[str, Any], what: str) -> None:
    assert what in found(logged(**columns))


@pytest.mark.parametrize(
    ("marks", "what"),
    [
        ([MARK, MARK], "happened 2 times"),
        ([], "logged as ok and had no side effect"),
        ([MARK, (SESSION_ID, "other")], "had its side effect and is not in the log"),
    ],
)
def test_side_effects_that_do_not_fit_the_log_are_found(marks: list[tuple[str, str]], what: str) -> None:
    assert what in "\n".join(map(str, check_marks([logged()], marks)))


def test_a_call_of_unknown_outcome_may_have_had_its_effect_or_not() -> None:
    def unknown(event: ev.Event) -> ev.Event:
        return (
            msgspec.structs.replace(event, outcome="unknown") if isinstance(event, ev.ToolResult) else event
        )

    change: Callable[[ev.Event], ev.Event] = unknown
    session = logged([change(event) for event in events()])
    assert check_marks([session], []) == check_marks([session], [MARK]) == []
