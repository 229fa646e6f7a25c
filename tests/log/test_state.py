"""One fold for all: whoever comes to a session's state, at whatever point of its log, comes to the same."""

from datetime import UTC, datetime
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app.log import events as ev
from sessions_app.log.lifecycle import append_now
from sessions_app.log.replay import read_history
from sessions_app.log.rows import decode_row, encode_rows
from sessions_app.log.settle import settlement, takeover
from sessions_app.log.state import SessionState
from sessions_app.models import Session
from tests.log.engine_log import logs

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

many = settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def told(state: SessionState, turns: list[int]) -> dict[str, Any]:
    """All that anybody asks of a state, with the checkpoints at these turns. Of the clients' order not more is promised than
    of the history: what stood behind an item that was compacted may have another place."""
    response = state.open
    return {
        "settings": state.settings,
        "entries": state.items.entries,
        "waiting": list(state.waiting.items()),
        "versions": None if state.compaction else state.versions.forks,
        "calls the client may answer": sorted(
            one for one in state.items._calls if state.items.client_call(one)
        ),
        "calls": sorted(state.items._calls),
        "approvals": dict(state.approvals),
        "item ids": state.item_seqs,
        "client's events": state.client_events,
        "order": None if state.compaction else state.order._ids,
        "queue": list(state.queued.values()),
        "unanswered": state.unanswered(),
        "open": response
        and (response.start, response.started, response.model, response.texts, response.unanswered),
        "settlement": settlement(state),
        "left over": takeover(state, model="demo", cause=ev.ReopenCause.ORPHANED),
        "last": (state.last_response, state.last_done),
        "to retry": state.to_retry(),
        "may be retried": state.may_be_retried,
        "asked last": state.asked_last[-1:],
        "answered with tools": state.answered_with_tools,
        "takeovers in vain": state.vain_takeovers,
        "checkpoints": [state.checkpoint(start - 1) for start in turns],
        "user messages": state.user_messages,
        "spent": state.spent_microusd,
        "ratio": state.tokens_per_byte,
        "feedback": state.feedback,
        "compaction": (state.compaction, state.checkpoint_seq),
    }


def in_the_log(records: list[ev.Record]) -> list[ev.Record]:
    """What `read_history` gives of a log with these records."""
    compacted = [one.event for one in records if isinstance(one.event, ev.HistoryCompacted)]
    if compacted:
        kept, through = set(compacted[-1].kept_seqs), compacted[-1].through_seq
        records = [one for one in records if one.seq > through or one.seq in kept]
    done = [one.seq for one in records if isinstance(one.event, ev.ResponseDone) and not one.event.waited]
    started = [one.seq for one in records if isinstance(one.event, ev.ResponseStarted)]
    since = started[-1] if started and started[-1] > max(done, default=0) else None
    return [
        one
        for one in records
        if not isinstance(one.event, ev.AssistantDelta) or (since is not None and one.seq > since)
    ]


def stored(records: list[ev.Record]) -> list[ev.Record]:
    return [record for row in encode_rows(records) for record in decode_row(row)]


@many
@given(logs())
def test_live_is_replayed_at_every_cut(records: list[ev.Record]) -> None:
    live, rows = SessionState(), stored(records)
    for cut, record in enumerate(records, start=1):
        live.apply(record)
        rebuilt = SessionState(in_the_log(rows[:cut]))
        assert told(rebuilt, live.turns) == told(live, live.turns)
        # next to open calls that a checkpoint left it is not always told alike where a turn began: a place to cut, or not
        assert live.compaction or rebuilt.turns == live.turns


@pytest.mark.django_db
@settings(parent=many, max_examples=10)
@given(logs(), st.data())
def test_the_log_gives_what_a_state_is_made_from(records: list[ev.Record], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(records)), max_size=3)) | {len(records)})
    Session.objects.all().delete()
    Session.objects.create(session_id="s", lease_epoch=1)
    for start, end in pairwise([0, *cuts]):
        last_seq = records[start - 1].seq if start else 0
        append_now(
            session_id="s", epoch=1, last_seq=last_seq, events=[one.event for one in records[start:end]]
        )
        read = read_history(session_id="s")
        assert [(one.seq, one.event) for one in read] == [
            (one.seq, one.event) for one in in_the_log(records[:end])
        ]


def test_an_answer_that_failed_may_be_tried_again_after_the_end_and_only_until_another_begins() -> None:
    state, seqs = SessionState(), count(1)

    def goes_on(*events: ev.Event) -> None:
        for event in events:
            state.apply(ev.Record("s1", next(seqs), NOON, event))

    goes_on(
        ev.UserMessage(item_id="item_1", text="Hello"),
        ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo", input_item_ids=["item_1"]),
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.FAILED, reason="model_overloaded"),
        ev.SessionEnded(reason=ev.EndReason.LEFT),
        ev.SessionReopened(model="demo"),
    )
    assert [state.may_be_retried] == ["resp_1"]
    goes_on(
        ev.ResponseStarted(
            response_id="resp_2", provider="demo", model="demo", input_item_ids=[], retry_of="resp_1"
        )
    )
    goes_on(ev.ResponseDone(response_id="resp_2", status=ev.ResponseStatus.COMPLETED))
    assert not state.may_be_retried


def test_who_goes_on_from_an_older_response_is_known_where_the_last_turn_alone_was_left() -> None:
    """Over HTTP each response waits in the log for a moment, before its turn begins: a cut may lie in between."""
    events: list[ev.Event] = [ev.SessionStarted(model="demo")]
    for number in (1, 2):
        about: dict[str, Any] = {"response_id": f"resp_{number}"}
        events += [
            ev.UserMessage(item_id=f"item_{number}", text="Hello"),
            ev.ResponseQueued(position=1, item_ids=[f"item_{number}"], **about),
            ev.ResponseStarted(provider="demo", model="demo", input_item_ids=[f"item_{number}"], **about),
            ev.ResponseDone(status=ev.ResponseStatus.COMPLETED, **about),
        ]
    records = [ev.Record("s1", seq, NOON, event) for seq, event in enumerate(events, 1)]
    compacted, live = with_the_last_turn_left(records)
    assert live.asked_last == SessionState(in_the_log(compacted)).asked_last == ("resp_2",)


def with_the_last_turn_left(records: list[ev.Record]) -> tuple[list[ev.Record], SessionState]:
    """The log with a summary of all that was before that, and its live state."""
    live = SessionState(records)
    through_seq = live.turns[-1] - 1
    kept_seqs, gone = live.checkpoint(through_seq)
    compacted = ev.HistoryCompacted(
        item_id="item_summary",
        summary="They said hello.",
        through_seq=through_seq,
        kept_seqs=kept_seqs,
        gone_item_ids=gone,
        items=1,
        user_messages=2,
        spent_microusd=0,
        tokens_per_byte=0.0,
        config={},
        held=live.operator is not None,
    )
    last = ev.Record("s1", records[-1].seq + 1, NOON, compacted)
    live.apply(last)
    return [*records, last], live


def test_what_a_person_has_given_back_is_not_taken_over_again_by_a_summary() -> None:
    """The note that somebody took it over may stand in the turn that is left, and its end before that."""
    person: dict[str, Any] = {"author": "ann", "shown_as": "Our support"}
    events: list[ev.Event] = [
        ev.SessionStarted(model="demo"),
        ev.UserMessage(item_id="item_1", text="Hello"),
        ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo", input_item_ids=["item_1"]),
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED),
        ev.OperatorTookOver(item_id="item_2", **person),
        ev.SessionEnded(reason=ev.EndReason.LEFT),
        ev.SessionReopened(model="demo"),
        ev.UserMessage(item_id="item_3", text="Again"),
        ev.ResponseStarted(
            response_id="resp_2", provider="demo", model="demo", input_item_ids=["item_2", "item_3"]
        ),
        ev.ResponseDone(response_id="resp_2", status=ev.ResponseStatus.COMPLETED),
    ]
    records = [ev.Record("s1", seq, NOON, event) for seq, event in enumerate(events, 1)]
    compacted, live = with_the_last_turn_left(records)
    assert live.operator is None
    assert SessionState(in_the_log(compacted)).operator is None
