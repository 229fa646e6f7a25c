"""What waits for the staff, in words: who, what, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sessions_app.log import events as ev
from sessions_app.models import AttentionKind, InboxItem
from sessions_app.selectors.inbox import Waiting

TITLES = {
    AttentionKind.APPROVAL: "Approvals",
    AttentionKind.FAILED_ANSWER: "Failed answers",
    AttentionKind.BUDGET: "Stopped by a budget",
    AttentionKind.BAD_RATING: "Bad ratings",
    AttentionKind.FAILED_SUMMARY: "Missing summaries",
}
ICONS = {
    AttentionKind.APPROVAL: "approval_delegation",
    AttentionKind.FAILED_ANSWER: "error",
    AttentionKind.BUDGET: "savings",
    AttentionKind.BAD_RATING: "thumb_down",
    AttentionKind.FAILED_SUMMARY: "summarize",
}
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
    decides: bool = False
    runs_again: bool = False


def row_of(waiting: Waiting, *, who: str) -> Row:
    item, session = waiting.item, waiting.item.session
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
        decides=item.kind == AttentionKind.APPROVAL,
        runs_again=item.kind in CAN_RUN_AGAIN,
    )


def _words(item: InboxItem, event: ev.Event | None) -> tuple[str, list[str]]:
    match event:
        case ev.ToolApprovalRequested():
            return _question(event)
        case ev.ResponseDone(message=message):
            return _answer(AttentionKind(item.kind)), [message] if message else []
        case ev.FeedbackGiven():
            return "A user did not like an answer.", _given(event)
        case ev.SummaryFailed(attempts=attempts):
            times = "once" if attempts == 1 else f"{attempts} times"
            return f"No summary could be written. It was tried {times}.", []
    return TITLES[AttentionKind(item.kind)], []


def _question(event: ev.ToolApprovalRequested) -> tuple[str, list[str]]:
    """One from before questions were written down has its tool's name."""
    first, *more = (event.asks or f"{event.name.replace('_', ' ').capitalize()}?").splitlines()
    return first, more


def _given(event: ev.FeedbackGiven) -> list[str]:
    reason = event.reason.replace("_", " ").capitalize()
    return [one for one in (reason, event.comment) if one]


def _answer(kind: AttentionKind) -> str:
    if kind is AttentionKind.BUDGET:
        return "An answer was stopped, because the budget is used up."
    return "The user got no answer."


def _note(item: InboxItem, event: ev.Event | None) -> str:
    if not isinstance(event, ev.ToolApprovalRequested) or event.approvals < 2:
        return ""
    said = f" {', '.join(map(_person, item.agreed))} said yes." if item.agreed else ""
    return f"{event.approvals} different people have to say yes.{said}"


def _person(name: str) -> str:
    return "The user" if name == "client" else name
