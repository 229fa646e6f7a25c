"""The summary of an ended session: whether one is due, what it is made from, and its place in the log.

A summary belongs to one end of its session, named by the seq of that end (``through_seq``). Whoever writes one for an
end that is not the last one any more, or that has its summary already, writes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Left

from sessions_app.log import events as ev
from sessions_app.log.lifecycle import append_now
from sessions_app.models import Session, SessionEvent, SessionStatus, SummaryState

# What a summary is made from: the conversation in plain lines, bounded however long the session was.


MAX_TRANSCRIPT_CHARS = 24_000
MAX_MESSAGE_CHARS = 2_000
_MAX_ROWS = 1_000
"""Per half; bounds what is read when messages are tiny."""
_SPEAKERS = {name: event.speaker for name, event in ev.EVENT_TYPES.items() if event.speaker}
_LINES = {
    **{name: speaker + ": {text}" for name, speaker in _SPEAKERS.items()},
    ev.ToolCall.event_type: "[The assistant used the tool {tool}]",
}


def transcript_for_summary(*, session_id: str, max_chars: int = MAX_TRANSCRIPT_CHARS) -> str:
    """What user, assistant and operators said, and the names of the tools used, a paragraph each.

    A long message is cut at `MAX_MESSAGE_CHARS`. Of a conversation longer than ``max_chars`` the beginning (a third)
    and the end are kept, and a line between them says how many entries are left out.
    """
    spoken = SessionEvent.objects.filter(session_id=session_id, event_type__in=_LINES)
    beginning = _take(spoken.order_by("seq"), max_chars // 3)
    if not beginning:
        return ""
    used_chars = sum(len(line) for _, line in beginning)
    end = _take(spoken.filter(seq__gt=beginning[-1][0]).order_by("-seq"), max_chars - used_chars)[::-1]
    omitted = spoken.filter(seq__gt=beginning[-1][0]).count() - len(end)
    gap = [f"[... {omitted} entries of the conversation are left out here ...]"] if omitted else []
    return "\n\n".join([*_texts(beginning), *gap, *_texts(end)])


def _take(spoken: QuerySet[SessionEvent], budget_chars: int) -> list[tuple[int, str]]:
    """(seq, line) of the first entries that fit into the budget; at least one when there is any."""
    rows = spoken.annotate(tool=KT("payload__name"), text=Left("content", MAX_MESSAGE_CHARS + 1)).values_list(
        "seq", "event_type", "text", "tool"
    )
    taken: list[tuple[int, str]] = []
    for seq, event_type, text, tool in rows[:_MAX_ROWS]:
        line = _LINES[event_type].format(text=_clipped(text or ""), tool=tool)
        budget_chars -= len(line)
        if budget_chars < 0 and taken:
            break
        taken.append((seq, line))
    return taken


def _clipped(text: str) -> str:
    """Further lines are indented, so that nobody's text looks like another's entry."""
    cut = text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]} [... cut]"
    return cut.replace("\n", "\n  ")


def _texts(lines: Iterable[tuple[int, str]]) -> Iterable[str]:
    return (line for _, line in lines)


@dataclass(frozen=True, kw_only=True)
class DueSummary:
    model: str
    """The session's own, as ``PROVIDER:NAME``."""
    transcript: str


def request_summary(*, session_id: str) -> bool:
    """Say on a session that just ended what becomes of its summary; True: a job for it has to be queued.

    Belongs into the transaction that ends the session. Without a user's message there is nothing to summarise; when
    nobody said anything since the last summary, that one still holds.
    """
    session = Session.objects.only("user_messages", "summary_state", "summary_seq").get(session_id=session_id)
    if session.user_messages == 0:
        state = SummaryState.SKIPPED
    elif session.summary_state == SummaryState.WRITTEN and not _said_since(session):
        state = SummaryState.WRITTEN
    else:
        state = SummaryState.PENDING
    Session.objects.filter(session_id=session_id).update(summary_state=state)
    return state is SummaryState.PENDING


def _said_since(session: Session) -> bool:
    news = SessionEvent.objects.filter(
        session_id=session.session_id, seq__gt=session.summary_seq or 0, event_type__in=_SPEAKERS
    )
    return news.exists()


def due_summary(*, session_id: str, through_seq: int) -> DueSummary | None:
    """What to summarise; None when the end at ``through_seq`` needs no summary any more."""
    session = Session.objects.filter(_unsummarised(through_seq), session_id=session_id).first()
    if session is None or _last_end(session_id) != through_seq:
        return None
    return DueSummary(model=session.model, transcript=transcript_for_summary(session_id=session_id))


def write_summary(
    *,
    session_id: str,
    through_seq: int,
    title: str,
    summary: str,
    model: str,
    usage: ev.Usage,
    cost_microusd: int | None = None,
) -> bool:
    """Put the summary on the session and into its log; False, and nothing done, when it is outdated."""
    with transaction.atomic():
        session = _locked(session_id, through_seq)
        if session is None:
            return False
        session.title, session.summary = title[:200], summary
        session.summary_state, session.summary_seq = SummaryState.WRITTEN, through_seq
        session.save(update_fields=["title", "summary", "summary_state", "summary_seq"])
        written = ev.SummaryWritten(
            summary=summary, title=title[:200], model=model, usage=usage, cost_microusd=cost_microusd
        )
        _append(session, written)
    return True


def fail_summary(*, session_id: str, through_seq: int, error: str, attempts: int) -> bool:
    """Say on the session and in its log that there will be no summary of this end; an older one stays.

    ``error`` is for staff and must hold no secret. False, and nothing done, when it is outdated.
    """
    with transaction.atomic():
        session = _locked(session_id, through_seq)
        if session is None:
            return False
        session.summary_state = SummaryState.FAILED
        session.save(update_fields=["summary_state"])
        _append(session, ev.SummaryFailed(error=error, attempts=attempts))
    return True


def _locked(session_id: str, through_seq: int) -> Session | None:
    """The session, held against whoever would open or end it, when its end at ``through_seq`` lacks a summary."""
    sessions = Session.objects.select_for_update(no_key=True).filter(_unsummarised(through_seq))
    session = sessions.filter(session_id=session_id).first()
    return session if session is not None and _last_end(session_id) == through_seq else None


def _unsummarised(through_seq: int) -> Q:
    written = Q(summary_state=SummaryState.WRITTEN, summary_seq=through_seq)
    return Q(status=SessionStatus.ENDED, erased_at__isnull=True) & (~written | Q(summary_seq__isnull=True))


def _last_end(session_id: str) -> int | None:
    ends = SessionEvent.objects.filter(session_id=session_id, event_type=ev.SessionEnded.event_type)
    return ends.order_by("-seq").values_list("seq", flat=True).first()


def _append(session: Session, event: ev.Event) -> None:
    append_now(
        session_id=session.session_id, epoch=session.lease_epoch, last_seq=session.last_seq, events=[event]
    )
