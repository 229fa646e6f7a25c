"""What comes to wait for the staff is written with its cause, and a batch without any costs what it did before."""

from functools import partial
from typing import Any

import psycopg
import pytest

from sessions_app.desk.waiting import bring_back, put_away, ran_again
from sessions_app.log import events as ev
from sessions_app.log import journal_sql
from sessions_app.log.live import LiveLog
from sessions_app.models import AttentionKind, InboxItem, Settled
from sessions_app.postgres.threads import in_db_thread

from .conftest import OpenLog


def asked(**fields: Any) -> ev.ToolApprovalRequested:
    given = {"response_id": "resp_1", "item_id": "apr_1", "call_id": "call_1", "output_index": 0}
    return ev.ToolApprovalRequested(**{**given, "name": "pay", "arguments": "{}", **fields})


def decided(by: str = "client", *, approve: bool = True, missing: int = 0) -> ev.ToolApproval:
    return ev.ToolApproval(item_id=f"yes_{by}", approval_id="apr_1", approve=approve, by=by, missing=missing)


def failed(response_id: str = "resp_1", reason: str = "model_timeout") -> ev.ResponseDone:
    return ev.ResponseDone(response_id=response_id, status=ev.ResponseStatus.FAILED, reason=reason)


def started(response_id: str, retry_of: str | None = None) -> ev.ResponseStarted:
    return ev.ResponseStarted(response_id=response_id, provider="demo", model="demo", retry_of=retry_of)


async def items(log: LiveLog) -> list[InboxItem]:
    return await in_db_thread(lambda: list(InboxItem.objects.filter(session_id=log.session_id)))


async def waiting(log: LiveLog) -> list[tuple[str, str]]:
    return [(item.kind, item.ref) for item in await items(log) if item.settled_at is None]


async def write(log: LiveLog, *events: ev.Event) -> None:
    for event in events:
        log.append(event)
        await log.durable()


async def test_an_approval_waits_until_it_is_decided(open_log: OpenLog) -> None:
    log = await open_log()
    await write(log, asked())
    (item,) = await items(log)
    assert (item.kind, item.ref, item.response_id, item.seq) == ("approval", "apr_1", "resp_1", 1)
    await write(log, decided())
    (item,) = await items(log)
    assert (item.settled_at is not None, item.settled_how) == (True, Settled.LOG)


async def test_one_of_two_yeses_leaves_it_waiting_and_tells_whose(open_log: OpenLog) -> None:
    log = await open_log()
    await write(log, asked(approvals=2), decided("ann", missing=1))
    (item,) = await items(log)
    assert (item.settled_at, item.agreed) == (None, ["ann"])
    await write(log, decided("ben"))
    assert await waiting(log) == []


async def test_a_failed_answer_waits_until_it_is_tried_again(open_log: OpenLog) -> None:
    log = await open_log()
    await write(log, started("resp_1"), failed(), started("resp_2"))
    assert await waiting(log) == [(AttentionKind.FAILED_ANSWER, "resp_1")]
    await write(log, started("resp_3", retry_of="resp_1"))
    assert await waiting(log) == []
    await write(log, failed("resp_3"))
    assert await waiting(log) == [(AttentionKind.FAILED_ANSWER, "resp_3")]


async def test_what_was_put_away_and_then_tried_again_is_settled_by_the_log(open_log: OpenLog) -> None:
    log = await open_log()
    await write(log, started("resp_1"), failed())
    (item,) = await items(log)
    await in_db_thread(lambda: put_away([item.pk], by="grace"))
    await write(log, started("resp_2", retry_of="resp_1"))
    (item,) = await items(log)
    assert (item.settled_how, item.settled_by) == (Settled.LOG, "")
    assert await in_db_thread(lambda: bring_back([item.pk])) == 0
    assert await waiting(log) == []


async def test_who_asked_for_another_try_is_known_once_it_has_begun(open_log: OpenLog) -> None:
    """Whether it begins before that is written down, or after."""
    log = await open_log()
    for number, asks_first in ((1, True), (3, False)):
        await write(log, started(f"resp_{number}"), failed(f"resp_{number}"))
        item = next(one for one in await items(log) if one.ref == f"resp_{number}")
        ask = partial(ran_again, item.pk, by="grace")
        if asks_first:
            await in_db_thread(ask)
        await write(log, started(f"resp_{number + 1}", retry_of=f"resp_{number}"))
        if not asks_first:
            await in_db_thread(ask)
        await in_db_thread(item.refresh_from_db)
        assert (item.settled_how, item.settled_by) == (Settled.LOG, "grace")


async def test_what_a_response_asked_waits_no_more_when_it_is_tried_again(open_log: OpenLog) -> None:
    log = await open_log()
    await write(log, asked(), started("resp_2", retry_of="resp_1"))
    assert await waiting(log) == []


async def test_an_answer_that_a_budget_stopped_is_told_from_one_that_failed(open_log: OpenLog) -> None:
    log = await open_log()
    stopped = ev.ResponseDone(
        response_id="resp_1", status=ev.ResponseStatus.INCOMPLETE, reason="budget_exceeded"
    )
    await write(log, stopped)
    assert await waiting(log) == [(AttentionKind.BUDGET, "resp_1")]


async def test_a_summary_that_failed_waits_until_there_is_one(open_log: OpenLog) -> None:
    log = await open_log()
    await write(log, ev.SummaryFailed(error="x", attempts=5), ev.SummaryFailed(error="y", attempts=5))
    assert len(await waiting(log)) == 1
    await write(log, ev.SummaryWritten(summary="s", title="t", model="demo"))
    assert await waiting(log) == []


def rated(rating: ev.Rating) -> ev.FeedbackGiven:
    return ev.FeedbackGiven(item_id="item_2", rating=rating)


async def test_a_bad_rating_waits_until_it_is_taken_back(open_log: OpenLog) -> None:
    log = await open_log()
    await write(log, rated(ev.Rating.UP))
    assert await waiting(log) == []
    await write(log, rated(ev.Rating.DOWN))
    assert await waiting(log) == [(AttentionKind.BAD_RATING, "item_2")]
    await write(log, rated(ev.Rating.NONE))
    assert await waiting(log) == []
    await write(log, rated(ev.Rating.DOWN))
    assert await waiting(log) == [(AttentionKind.BAD_RATING, "item_2")]


@pytest.mark.parametrize("last", [ev.Rating.DOWN, ev.Rating.UP])
async def test_in_one_commit_the_last_word_counts(open_log: OpenLog, last: ev.Rating) -> None:
    log = await open_log()
    for before in (ev.Rating.UP, ev.Rating.DOWN):
        await write(log, rated(before))
        log.append(rated(ev.Rating.DOWN), rated(ev.Rating.NONE), rated(ev.Rating.DOWN), rated(last))
        await log.durable()
        assert await waiting(log) == ([("bad_rating", "item_2")] if last == ev.Rating.DOWN else [])


async def test_what_ended_well_or_was_stopped_waits_for_nobody(open_log: OpenLog) -> None:
    log = await open_log()
    for status in (ev.ResponseStatus.COMPLETED, ev.ResponseStatus.CANCELLED, ev.ResponseStatus.INCOMPLETE):
        await write(log, ev.ResponseDone(response_id=f"resp_{status}", status=status))
    assert await items(log) == []


async def test_what_is_asked_and_answered_in_one_commit_never_waits(open_log: OpenLog) -> None:
    log = await open_log()
    log.append(asked(approvals=2), decided("ann", missing=1), decided("ben"))
    await log.durable()
    assert await waiting(log) == []


async def test_an_answer_that_ends_well_goes_by_the_statement_without_news(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    execute = psycopg.Connection.execute

    def watched(connection: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        if "INSERT INTO session_events" in str(query):
            statements.append(query)
        return execute(connection, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "execute", watched)
    log = await open_log()
    await write(
        log,
        ev.UserMessage(item_id="item_1", text="hello"),
        started("resp_1"),
        ev.AssistantDelta(response_id="resp_1", item_id="item_2", output_index=0, offset=0, text="hi"),
        ev.AssistantMessage(response_id="resp_1", item_id="item_2", output_index=0, text="hi"),
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED),
    )
    assert set(statements) == {journal_sql.APPEND}
    await write(log, failed())
    assert statements[-1] == journal_sql.APPEND_WITH_NEWS


async def test_a_batch_that_is_fenced_opens_nothing(open_log: OpenLog) -> None:
    log = await open_log()
    await open_log(log.session_id)  # the epoch moves on
    log.append(failed())
    with pytest.raises(Exception, match="took this session over"):
        await log.durable()
    assert await items(log) == []


def ran(outcome: ev.Outcome, approval_id: str | None = "apr_1") -> ev.ToolResult:
    return ev.ToolResult(
        item_id="call_1",
        call_id="c",
        name="pay",
        output="x",
        response_id="resp_2",
        outcome=outcome,
        approval_id=approval_id,
    )


async def test_what_failed_after_a_yes_comes_back_until_it_is_put_away(open_log: OpenLog) -> None:
    log = await open_log()
    await write(log, asked(), decided(), ran(ev.Outcome.ERROR))
    assert await waiting(log) == [(AttentionKind.FAILED_TOOL, "call_1")]
    waits = [item for item in await items(log) if item.kind == AttentionKind.FAILED_TOOL]
    assert await in_db_thread(lambda: put_away([waits[0].pk], by="grace")) == [waits[0].pk]
    assert await waiting(log) == []


@pytest.mark.parametrize("outcome", ev.Outcome)
async def test_a_tool_that_nobody_was_asked_about_waits_for_nobody(
    open_log: OpenLog, outcome: ev.Outcome
) -> None:
    log = await open_log()
    await write(log, ran(outcome, approval_id=None), ran(ev.Outcome.OK))
    assert await items(log) == []


async def test_an_answer_that_was_cut_off_waits_unless_another_try_follows(open_log: OpenLog) -> None:
    log = await open_log()
    cut = ev.ResponseDone(
        response_id="resp_1", status=ev.ResponseStatus.INCOMPLETE, reason=ev.Reason.INTERRUPTED
    )
    await write(log, started("resp_1"), cut)
    assert await waiting(log) == [(AttentionKind.FAILED_ANSWER, "resp_1")]
    await write(log, started("resp_2", retry_of="resp_1"))
    assert await waiting(log) == []


def queued(response_id: str = "resp_1", waits_for: str = "grace") -> ev.ResponseQueued:
    return ev.ResponseQueued(response_id=response_id, position=1, waits_for=waits_for)


def stepped(
    event: type[ev.OperatorTookOver | ev.OperatorHandedBack], author: str = "grace", **fields: Any
) -> ev.Event:
    return event(item_id=f"item_{event.event_type}", author=author, shown_as="Ms. G", **fields)


def said(author: str = "") -> ev.AssistantMessage:
    return ev.AssistantMessage(
        item_id="item_a", response_id="resp_1", output_index=0, text="Yes.", author=author
    )


@pytest.mark.parametrize(
    "settles",
    [
        said("grace"),
        stepped(ev.OperatorHandedBack, "alan"),
        ev.SessionEnded(reason=ev.EndReason.CLOSED),
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.CANCELLED, waited=True),
    ],
    ids=["answered", "handed back", "ended", "taken back"],
)
async def test_a_customer_waits_for_who_has_taken_over_until_it_is_over(
    open_log: OpenLog, settles: ev.Event
) -> None:
    log = await open_log()
    await write(log, stepped(ev.OperatorTookOver), queued("resp_0", waits_for=""))
    assert await waiting(log) == []
    await write(log, queued(), said())
    (item,) = await items(log)
    assert (item.kind, item.waits_for, item.settled_at) == (AttentionKind.CUSTOMER, "grace", None)
    await write(log, queued())  # another message: since the first one they wait
    assert [one.seq for one in await items(log)] == [item.seq]
    await write(log, settles)
    assert await waiting(log) == []


async def test_who_takes_over_amid_an_answer_is_waited_for(open_log: OpenLog) -> None:
    log = await open_log()
    await write(log, stepped(ev.OperatorTookOver, awaited=True), stepped(ev.OperatorHandedBack))
    await write(log, stepped(ev.OperatorTookOver, "alan", awaited=True))
    (item,) = await items(log)
    assert (item.waits_for, item.settled_at) == ("alan", None)


@pytest.mark.parametrize("leaves_first", [True, False])
async def test_of_two_turns_that_wait_for_a_person_one_leaves_as_the_other_comes(
    open_log: OpenLog, leaves_first: bool
) -> None:
    """In one commit, as where somebody takes a message back and sends another while the database is slow."""
    log = await open_log()
    first, second = (
        ev.ResponseQueued(response_id=name, position=1, waits_for="ann") for name in ("resp_1", "resp_2")
    )
    await write(log, first)
    left = ev.ResponseDone(
        response_id="resp_1", status=ev.ResponseStatus.CANCELLED, reason="client_cancelled", waited=True
    )
    log.append(*((left, second) if leaves_first else (second, left)))
    await log.durable()
    (item,) = await items(log)
    assert (item.kind, item.response_id, item.settled_at) == (AttentionKind.CUSTOMER, "resp_2", None)
