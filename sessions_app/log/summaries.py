"""The summary of an ended session: whether one is due, what it is made from, and its place in the log.

A summary belongs to one end of its session, named by the seq of that end (``through_seq``). Whoever writes one for an
end that is not the last one any more, or that has its summary already, writes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Left, Now

from sessions_app.errors import JournalFenced
from sessions_app.log import events as ev
from sessions_app.log.journal_sql import Append, append_statement
from sessions_app.models import (
    AttentionKind,
    InboxItem,
    Session,
    SessionEvent,
    SessionStatus,
    Settled,
    SummaryState,
)

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


_BEGINNINGS = """
SELECT s.session_id, e.seq, e.event_type, left(e.content, %(chars)s), e.payload ->> 'name'
FROM unnest(%(session_ids)s::text[]) AS s(session_id) CROSS JOIN LATERAL (
    SELECT seq, event_type, content, payload FROM session_events
    WHERE session_id = s.session_id AND event_type = ANY(%(types)s::text[]) ORDER BY seq LIMIT %(rows)s
) e ORDER BY s.session_id, e.seq
"""
_PUT = """
UPDATE sessions s SET title = n.title, summary = n.summary, summary_state = n.summary_state, summary_seq = n.summary_seq
FROM json_to_recordset(%(rows)s::json) AS n(
    session_id text, title text, summary text, summary_state text, summary_seq bigint)
WHERE s.session_id = n.session_id
"""


def _transcripts(session_ids: Sequence[str]) -> dict[str, str]:
    """By session; those that are short in one query."""
    params: dict[str, Any] = {
        "session_ids": list(session_ids),
        "types": list(_LINES),
        "chars": MAX_MESSAGE_CHARS + 1,
        "rows": _MAX_ROWS,
    }
    lines: dict[str, list[str]] = {session_id: [] for session_id in session_ids}
    if session_ids:
        with connection.cursor() as cursor:
            cursor.execute(_BEGINNINGS, params)
            for session_id, _, event_type, text, tool in cursor:
                lines[session_id].append(_line(event_type, text, tool))
    return {
        session_id: "\n\n".join(told)
        if len(told) < _MAX_ROWS and sum(map(len, told)) <= MAX_TRANSCRIPT_CHARS
        else transcript_for_summary(session_id=session_id)
        for session_id, told in lines.items()
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
        line = _line(event_type, text, tool)
        budget_chars -= len(line)
        if budget_chars < 0 and taken:
            break
        taken.append((seq, line))
    return taken


def _line(event_type: str, text: str | None, tool: str | None) -> str:
    return _LINES[event_type].format(text=_clipped(text or ""), tool=tool)


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


def ask_again(*, session_id: str, queue: Callable[[str, int], None]) -> bool:
    """Have the summary of the session's last end written after all: ``queue`` is called with that end, in the transaction
    that says so on the session. False, and nothing done, where none has failed."""
    with transaction.atomic():
        session = Session.objects.select_for_update(no_key=True).filter(pk=session_id).first()
        if session is None or session.summary_state != SummaryState.FAILED:
            return False
        through_seq = _last_end(session_id)
        if session.status != SessionStatus.ENDED or session.erased_at is not None or through_seq is None:
            return False
        session.summary_state = SummaryState.PENDING
        session.save(update_fields=["summary_state"])
        InboxItem.objects.filter(
            session=session, kind=AttentionKind.FAILED_SUMMARY, settled_at__isnull=True
        ).update(settled_at=Now(), settled_how=Settled.LOG)
        queue(session_id, through_seq)
    return True


def _said_since(session: Session) -> bool:
    news = SessionEvent.objects.filter(
        session_id=session.session_id, seq__gt=session.summary_seq or 0, event_type__in=_SPEAKERS
    )
    return news.exists()


class End(NamedTuple):
    """One end of a session, by its seq."""

    session_id: str
    through_seq: int


def due_summaries(ends: Sequence[End]) -> list[DueSummary | None]:
    """What to summarise; None where an end needs no summary any more. Two queries for any number of short conversations."""
    sessions = Session.objects.filter(session_id__in={end.session_id for end in ends})
    found = {session.session_id: session for session in sessions}
    due = {end for end in ends if _is_due(found.get(end.session_id), end)}
    transcripts = _transcripts([end.session_id for end in due])
    return [
        DueSummary(model=found[end.session_id].model, transcript=transcripts[end.session_id])
        if end in due
        else None
        for end in ends
    ]


@dataclass(frozen=True, kw_only=True)
class NewSummary:
    end: End
    title: str
    summary: str
    model: str
    usage: ev.Usage
    cost_microusd: int | None = None


def write_summaries(summaries: Sequence[NewSummary]) -> list[bool]:
    """Put each summary on its session and into its log, in one transaction; False, and nothing done, for one that is
    outdated."""
    with transaction.atomic():
        due = _locked([one.end for one in summaries])
        new: list[tuple[Session, ev.Event]] = []
        written: list[bool] = []
        for one in summaries:
            session = due.pop(one.end, None)  # a second summary of the same end is outdated by the first
            written.append(session is not None)
            if session is None:
                continue
            session.title, session.summary = one.title[:200], one.summary
            session.summary_state, session.summary_seq = SummaryState.WRITTEN, one.end.through_seq
            event = ev.SummaryWritten(
                summary=one.summary,
                title=one.title[:200],
                model=one.model,
                usage=one.usage,
                cost_microusd=one.cost_microusd,
            )
            new.append((session, event))
        if new:
            _put_on_sessions([session for session, _ in new])
            _append(new)
    return written


def fail_summary(*, session_id: str, through_seq: int, error: str, attempts: int) -> bool:
    """Say on the session and in its log that there will be no summary of this end; an older one stays.

    ``error`` is for staff and must hold no secret. False, and nothing done, when it is outdated.
    """
    end = End(session_id, through_seq)
    with transaction.atomic():
        session = _locked([end]).get(end)
        if session is None:
            return False
        session.summary_state = SummaryState.FAILED
        session.save(update_fields=["summary_state"])
        _append([(session, ev.SummaryFailed(error=error, attempts=attempts))])
    return True


def _locked(ends: Sequence[End]) -> dict[End, Session]:
    """The sessions, held against whoever would open or end them, of those ends that lack a summary."""
    sessions = Session.objects.select_for_update(no_key=True).filter(
        session_id__in={end.session_id for end in ends}
    )
    found = {session.session_id: session for session in sessions.order_by("session_id")}
    return {end: found[end.session_id] for end in ends if _is_due(found.get(end.session_id), end)}


def _is_due(session: Session | None, end: End) -> bool:
    if session is None or session.status != SessionStatus.ENDED or session.erased_at is not None:
        return False
    if session.summary_state == SummaryState.WRITTEN and session.summary_seq == end.through_seq:
        return False
    # mostly nothing follows the end, and then it is the last one
    return session.last_seq == end.through_seq or _last_end(end.session_id) == end.through_seq


def _last_end(session_id: str) -> int | None:
    ends = SessionEvent.objects.filter(session_id=session_id, event_type=ev.SessionEnded.event_type)
    return ends.order_by("-seq").values_list("seq", flat=True).first()


def _put_on_sessions(sessions: Sequence[Session]) -> None:
    columns = ("session_id", "title", "summary", "summary_state", "summary_seq")
    rows = [{name: getattr(session, name) for name in columns} for session in sessions]
    with connection.cursor() as cursor:
        cursor.execute(_PUT, {"rows": msgspec.json.encode(rows).decode()})


def _append(new: Sequence[tuple[Session, ev.Event]]) -> None:
    """The event is the next one of its session, which is `_locked`."""
    now = datetime.now(UTC)
    appends = [
        Append(one.session_id, one.lease_epoch, [ev.Record(one.session_id, one.last_seq + 1, now, event)])
        for one, event in new
    ]
    with connection.cursor() as cursor:
        cursor.execute(*append_statement(appends))
        if len(cursor.fetchall()) != len(appends):
            raise JournalFenced
