"""What waits for the staff, in words: who, what, and what to do about it."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sessions_app.desk.waiting import BY_STAFF, KEPT
from sessions_app.log import events as ev
from sessions_app.models import AttentionKind, InboxItem, Settled
from sessions_app.review.markdown import in_a_line
from sessions_app.selectors.inbox import Waiting

TITLES = {
    AttentionKind.CUSTOMER: "Customers who wait",
    AttentionKind.APPROVAL: "Approvals",
    AttentionKind.FAILED_TOOL: "Failed after a yes",
    AttentionKind.FAILED_ANSWER: "Failed answers",
    AttentionKind.BUDGET: "Stopped by a budget",
    AttentionKind.BAD_RATING: "Bad ratings",
    AttentionKind.FAILED_SUMMARY: "Missing summaries",
}
ICONS = {
    AttentionKind.CUSTOMER: "chat",
    AttentionKind.APPROVAL: "approval_delegation",
    AttentionKind.FAILED_TOOL: "build_circle",
    AttentionKind.FAILED_ANSWER: "error",
    AttentionKind.BUDGET: "savings",
    AttentionKind.BAD_RATING: "thumb_down",
    AttentionKind.FAILED_SUMMARY: "summarize",
}
_SETTLED_BY_LOG = {
    AttentionKind.CUSTOMER: "Answered, handed back, or the conversation ended",
    AttentionKind.APPROVAL: "Not asked any more: the answer was tried again, or its question deleted",
    AttentionKind.FAILED_TOOL: "Answered by another try",
    AttentionKind.FAILED_ANSWER: "Answered by another try",
    AttentionKind.BUDGET: "Answered by another try",
    AttentionKind.BAD_RATING: "Taken back by the user",
    AttentionKind.FAILED_SUMMARY: "The summary was asked for again, or the conversation went on",
}
_ASKED_AGAIN = {
    AttentionKind.FAILED_ANSWER: "The answer was run again",
    AttentionKind.FAILED_SUMMARY: "The summary was run again",
}
SHOWN_CHARS = 220
OUTPUT_CHARS = 600
CAN_RUN_AGAIN = (AttentionKind.FAILED_ANSWER, AttentionKind.FAILED_SUMMARY)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the inbox."""

    pk: int
    kind: str
    icon: str
    session_id: str
    conversation: str
    who: str
    since: datetime
    what: str
    lines: Sequence[str] = field(default_factory=list)
    """More of it: the arguments of a tool, what a user wrote."""
    note: str = ""
    question: str = ""
    answer: str = ""
    """The beginnings of what was asked and answered there."""
    settled: str = ""
    """How, and by whom, once it does not wait any more."""
    settled_at: datetime | None = None
    can_come_back: bool = False
    decides: bool = False
    can_be_put_away: bool = False
    runs_again: bool = False
    asked_again_by: str = ""
    """Another try is under way, or has come to nothing yet."""
    others: "Sequence[Row]" = ()
    """Of the same conversation, that are worked through with it."""

    @property
    def items(self) -> str:
        """The keys of all that stand here."""
        return " ".join(str(one.pk) for one in (self, *self.others))


def row_of(waiting: Waiting, *, who: str) -> Row:
    item, session, waits = waiting.item, waiting.item.session, waiting.item.settled_at is None
    what, lines = _words(item, waiting.record.event if waiting.record else None)
    return Row(
        pk=item.pk,
        kind=item.kind,
        icon=ICONS[AttentionKind(item.kind)],
        session_id=item.session_id,
        conversation=session.heading,
        who=who,
        since=item.at,
        what=what,
        lines=lines,
        note=_note(item, waiting.record.event if waiting.record else None),
        question=_shortened(waiting.words.question),
        answer=_shortened(in_a_line(waiting.words.answer)),
        settled="" if waits else settled_words(item, waiting.decisions),
        settled_at=item.settled_at,
        can_come_back=item.settled_how in BY_STAFF,
        decides=waits and item.kind == AttentionKind.APPROVAL,
        can_be_put_away=waits and item.kind not in KEPT,
        runs_again=waits and item.kind in CAN_RUN_AGAIN,
        asked_again_by=item.settled_by if waits else "",
    )


def together(rows: Sequence[Row]) -> list[Row]:
    """What waits in one conversation is one row, where its first one stood. What keeps somebody waiting stays alone."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        key = f"alone {row.pk}" if row.kind in KEPT and not row.settled else row.session_id
        found.setdefault(key, []).append(row)
    return [replace(first, others=others) for first, *others in found.values()]


def settled_words(item: InboxItem, decisions: Sequence[ev.ToolApproval] = ()) -> str:
    """How, and by whom, as far as it is known. ``decisions``: what was said to an approval."""
    if decisions:
        word = "Approved" if decisions[-1].approve else "Refused"
        said = [one.by for one in decisions if one.approve == decisions[-1].approve]
        return f"{word} by {' and '.join(_person(by, 'the user') for by in dict.fromkeys(said))}"
    match item.settled_how:
        case Settled.DISMISSED:
            return f"Put away by {item.settled_by or 'somebody'}"
        case Settled.REVIEWED:
            return f"{item.settled_by or 'Somebody'} was done with the conversation"
        case Settled.LOG if item.settled_by and item.kind in _ASKED_AGAIN:
            return f"{_ASKED_AGAIN[AttentionKind(item.kind)]} by {item.settled_by}"
    return _SETTLED_BY_LOG[AttentionKind(item.kind)]


def _shortened(text: str) -> str:
    return textwrap.shorten(text, SHOWN_CHARS, placeholder=" …") or text[:SHOWN_CHARS]


def _words(item: InboxItem, event: ev.Event | None) -> tuple[str, list[str]]:
    match event:
        case ev.ResponseQueued() | ev.OperatorTookOver():
            return "A customer waits for your answer: you have taken the conversation over.", []
        case ev.ToolApprovalRequested():
            return _question(event)
        case ev.ToolResult():
            return _ran(event), [_beginning(event.output)] if event.output else []
        case ev.ResponseDone(message=message):
            return _answer(AttentionKind(item.kind), event), [message] if message else []
        case ev.FeedbackGiven():
            return "A user did not like an answer.", _given(event)
        case ev.SummaryFailed(attempts=attempts):
            times = "once" if attempts == 1 else f"{attempts} times"
            return f"No summary could be written. It was tried {times}.", []
    return TITLES[AttentionKind(item.kind)], []


def _beginning(output: str) -> str:
    """What a tool gave may be a whole page of HTML, and the next row is to be seen."""
    if len(output) <= OUTPUT_CHARS:
        return output
    return f"{output[:OUTPUT_CHARS]}\n[{OUTPUT_CHARS:,} of {len(output):,} characters; open it for the rest]"


def _question(event: ev.ToolApprovalRequested) -> tuple[str, list[str]]:
    """One from before questions were written down has its tool's name."""
    first, *more = (event.asks or f"{event.name.replace('_', ' ').capitalize()}?").splitlines()
    return first, more


def _given(event: ev.FeedbackGiven) -> list[str]:
    reason = event.reason.replace("_", " ").capitalize()
    return [one for one in (reason, event.comment) if one]


def _ran(event: ev.ToolResult) -> str:
    tool = event.name.replace("_", " ")
    if event.outcome == ev.Outcome.UNKNOWN:
        return f"Approved, but the server stopped while it ran: {tool}. Whether it took effect is not known."
    return f"Approved, but it failed: {tool}."


def _answer(kind: AttentionKind, event: ev.ResponseDone) -> str:
    if kind is AttentionKind.BUDGET:
        return "An answer was stopped, because the budget is used up."
    if event.reason == ev.Reason.INTERRUPTED:
        return "An answer was cut off in the middle."
    return "The user got no answer."


def _note(item: InboxItem, event: ev.Event | None) -> str:
    if not isinstance(event, ev.ToolApprovalRequested) or event.approvals < 2:
        return ""
    said = f" {', '.join(map(_person, item.agreed))} said yes." if item.agreed else ""
    return f"{event.approvals} different people have to say yes.{said}"


def _person(name: str, user: str = "The user") -> str:
    return user if name == "client" else name
