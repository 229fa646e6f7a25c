"""What of the log is somebody's business: what comes to wait for the staff, what is settled by it, and who is told.

`journal_sql` writes it in the statement that appends the events, and only a batch that holds any takes another statement
than usual: docs/decisions/0074-what-waits-is-written-with-its-cause.md.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from sessions_app.log import events as ev
from sessions_app.models import AttentionKind, Topic

BUDGET = "budget_exceeded"
"""The reason of an answer that a budget stopped: `chat.errors.BudgetExceeded`."""
COMMENT_WAIT_S = 60
"""Who presses a thumb is asked for a comment; what they write is another event, and one message is enough for both."""
OF_A_SUMMARY = "summary"
"""The ``ref`` of what is about a session's summary: it has one."""
OF_A_PERSON = "operator"
"""The ``ref`` of a customer who waits for whoever has taken the session over: nobody else has it meanwhile."""


class News(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one record changes."""

    seq: int
    at: datetime
    ref: str = ""
    """What it is about, by its id in the log."""
    response_id: str = ""
    opens: AttentionKind | None = None
    settles: list[AttentionKind] = []
    """Those of ``ref``, and those of the response that is called so."""
    waits_for: str = ""
    """The member of staff whom alone it waits for; empty: any of them."""
    agrees: str | None = None
    """Who said yes to it, where it takes others' yes as well."""
    tells: Topic | None = None
    tells_in_s: int = 0
    """So much later, as what completes it may follow."""


def news_of(records: Iterable[ev.Record]) -> list[News]:
    """In their order. What is opened and settled by the same records is left out: nobody has seen it wait."""
    found: list[News] = []
    for record in records:
        make = _MAKERS.get(type(record.event))
        if make and (fields := make(record.event)):
            news = News(seq=record.seq, at=record.at, **fields)
            found = [_as_the_later_leaves_it(one, news) for one in found]
            found.append(news)
    return found


def _as_the_later_leaves_it(earlier: News, later: News) -> News:
    """One statement changes a row once."""
    if later.settles and later.ref in (earlier.ref, earlier.response_id):
        return msgspec.structs.replace(earlier, opens=None, agrees=None)
    if later.opens and later.ref == earlier.ref:
        settles = [kind for kind in earlier.settles if kind != later.opens]
        opens = None if earlier.opens == later.opens else earlier.opens
        return msgspec.structs.replace(earlier, opens=opens, settles=settles)
    return earlier


def _asked(event: ev.ToolApprovalRequested) -> ev.JSON:
    return {
        "ref": event.item_id,
        "response_id": event.response_id,
        "opens": AttentionKind.APPROVAL,
        "tells": Topic.APPROVAL_REQUESTED,
    }


def _decided(event: ev.ToolApproval) -> ev.JSON | None:
    if event.missing:
        return {"ref": event.approval_id, "agrees": event.by}
    return {"ref": event.approval_id, "settles": [AttentionKind.APPROVAL]}


def _ran(event: ev.ToolResult) -> ev.JSON | None:
    """Who said yes has to hear that nothing came of it."""
    if event.approval_id is None or event.outcome == ev.Outcome.OK:
        return None
    return {"ref": event.item_id, "response_id": event.response_id or "", "opens": AttentionKind.FAILED_TOOL}


def _done(event: ev.ResponseDone) -> ev.JSON | None:
    """One that was cut off waits until another try follows; nobody else is told of it, because mostly one does at once."""
    about = {"ref": event.response_id, "response_id": event.response_id}
    if event.reason == BUDGET:
        return {**about, "opens": AttentionKind.BUDGET, "tells": Topic.ANSWER_STOPPED}
    if event.status == ev.ResponseStatus.FAILED:
        return {**about, "opens": AttentionKind.FAILED_ANSWER, "tells": Topic.ANSWER_FAILED}
    if event.reason == ev.Reason.INTERRUPTED and not event.waited:
        return {**about, "opens": AttentionKind.FAILED_ANSWER}
    return {"ref": event.response_id, "settles": [AttentionKind.CUSTOMER]} if event.waited else None


def _queued(event: ev.ResponseQueued) -> ev.JSON | None:
    if not event.waits_for:
        return None
    return {**_waits_for(event.waits_for), "response_id": event.response_id}


def _taken_over(event: ev.OperatorTookOver) -> ev.JSON | None:
    return _waits_for(event.author) if event.awaited else None


def _waits_for(operator: str) -> ev.JSON:
    return {"ref": OF_A_PERSON, "opens": AttentionKind.CUSTOMER, "waits_for": operator}


def _said(event: ev.AssistantMessage) -> ev.JSON | None:
    """A person's word answers all that was said."""
    return _NOBODY_WAITS if event.author else None


def _handed_back(_event: ev.OperatorHandedBack) -> ev.JSON:
    return _NOBODY_WAITS


_NOBODY_WAITS: ev.JSON = {"ref": OF_A_PERSON, "settles": [AttentionKind.CUSTOMER]}


def _started(event: ev.ResponseStarted) -> ev.JSON | None:
    """Another try takes the place of the answer, and of what that one asked."""
    if not event.retry_of:
        return None
    return {
        "ref": event.retry_of,
        "settles": [
            AttentionKind.FAILED_ANSWER,
            AttentionKind.BUDGET,
            AttentionKind.APPROVAL,
            AttentionKind.FAILED_TOOL,
        ],
    }


def _rated(event: ev.FeedbackGiven) -> ev.JSON:
    waits = COMMENT_WAIT_S if event.rating != ev.Rating.NONE and not event.comment else 0
    about = {"ref": event.item_id, "tells": Topic.FEEDBACK_GIVEN, "tells_in_s": waits}
    if event.rating == ev.Rating.DOWN:
        return {**about, "opens": AttentionKind.BAD_RATING}
    return {**about, "settles": [AttentionKind.BAD_RATING]}


def _deleted(event: ev.ItemDeleted) -> ev.JSON | None:
    if event.response:
        return None
    settled = [AttentionKind.APPROVAL, AttentionKind.BAD_RATING, AttentionKind.FAILED_TOOL]
    return {"ref": event.item_id, "settles": settled}


def _reopened(event: ev.SessionReopened) -> ev.JSON | None:
    """Its next end asks for a summary anew."""
    if event.cause != ev.ReopenCause.RETURNED:
        return None
    return {"ref": OF_A_SUMMARY, "settles": [AttentionKind.FAILED_SUMMARY]}


def _ended(event: ev.SessionEnded) -> ev.JSON | None:
    """It ends what was taken over."""
    return None if event.reason == ev.EndReason.ERASED else {**_NOBODY_WAITS, "tells": Topic.SESSION_ENDED}


def _summed_up(_event: ev.SummaryWritten) -> ev.JSON:
    return {
        "ref": OF_A_SUMMARY,
        "settles": [AttentionKind.FAILED_SUMMARY],
        "tells": Topic.SUMMARY_WRITTEN,
    }


def _not_summed_up(event: ev.SummaryFailed) -> ev.JSON:
    """Another version that fails leaves nothing to be done: there is a summary."""
    told = {"ref": OF_A_SUMMARY, "tells": Topic.SUMMARY_FAILED}
    return told if event.again else {**told, "opens": AttentionKind.FAILED_SUMMARY}


_MAKERS: dict[type[ev.Event], Callable[[Any], ev.JSON | None]] = {
    ev.ToolApprovalRequested: _asked,
    ev.ToolApproval: _decided,
    ev.ToolResult: _ran,
    ev.ResponseQueued: _queued,
    ev.OperatorTookOver: _taken_over,
    ev.OperatorHandedBack: _handed_back,
    ev.AssistantMessage: _said,
    ev.ResponseDone: _done,
    ev.ResponseStarted: _started,
    ev.FeedbackGiven: _rated,
    ev.ItemDeleted: _deleted,
    ev.SessionReopened: _reopened,
    ev.SessionEnded: _ended,
    ev.SummaryWritten: _summed_up,
    ev.SummaryFailed: _not_summed_up,
}
