"""The summary of an ended session: whether one is due, what it is made from, and its place in the log.

A summary belongs to one end of its session, named by the seq of that end (``through_seq``). Whoever writes one for an
end that is not the last one any more, or that has its summary already, writes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from django.db import connection, transaction
from django.db.models.functions import Now

from sessions_app.errors import JournalFenced
from sessions_app.log import events as ev
from sessions_app.log.journal_sql import Append, append_statement
from sessions_app.log.spoken import SPEAKERS, transcripts
from sessions_app.models import (
    AttentionKind,
    InboxItem,
    Session,
    SessionEvent,
    SessionStatus,
    Settled,
    SummaryState,
)

_COLUMNS = (
    "session_id",
    "title",
    "summary",
    "summary_state",
    "summary_seq",
    "topics",
    "intent",
    "outcome",
    "sentiment",
    "language",
    "quality",
)
_PUT = """
UPDATE sessions s SET
    title = CASE WHEN s.named THEN s.title ELSE n.title END, summary = n.summary, summary_state = n.summary_state,
    summary_seq = n.summary_seq, topics = n.topics, intent = n.intent, outcome = n.outcome, sentiment = n.sentiment,
    language = n.language, quality = n.quality
FROM json_to_recordset(%(rows)s::json) AS n(
    session_id text, title text, summary text, summary_state text, summary_seq bigint, topics text[], intent text,
    outcome text, sentiment text, language text, quality smallint)
WHERE s.session_id = n.session_id
"""


class End(NamedTuple):
    """One end of a session, by its seq."""

    session_id: str
    through_seq: int
    again: bool = False
    """Though it has a summary: somebody of the staff wants another."""
    asked_seq: int = 0
    """The session's last seq when they asked: a summary that came later is the one that they wanted. 0: not known."""


@dataclass(frozen=True, kw_only=True)
class DueSummary:
    model: str
    """The session's own, as ``PROVIDER:NAME``."""
    transcript: str | None
    """None: it is long, and has to be read in parts (`sessions_app.log.spoken`)."""


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


def ask_again(*, session_id: str, queue: Callable[[End], None], anew: bool = False) -> bool:
    """Have the summary of the session's last end written after all: ``queue`` is called with that end, in the transaction
    that says so on the session. False, and nothing done, where none has failed; with ``anew``, where there is nothing to sum up
    or a summary is being written."""
    with transaction.atomic():
        session = Session.objects.select_for_update(no_key=True).filter(pk=session_id).first()
        wanted = (SummaryState.FAILED, SummaryState.WRITTEN) if anew else (SummaryState.FAILED,)
        if session is None or session.summary_state not in wanted:
            return False
        through_seq = _last_end(session_id)
        if session.status != SessionStatus.ENDED or session.erased_at is not None or through_seq is None:
            return False
        if session.summary_state == SummaryState.FAILED:
            session.summary_state = SummaryState.PENDING
            session.save(update_fields=["summary_state"])
        missing = InboxItem.objects.filter(session=session, kind=AttentionKind.FAILED_SUMMARY)
        missing.exclude(settled_how=Settled.LOG).update(
            settled_at=Now(), settled_how=Settled.LOG, settled_by=""
        )
        queue(End(session_id, through_seq, anew, session.last_seq if anew else 0))
    return True


def _said_since(session: Session) -> bool:
    return _said_after(session, session.summary_seq or 0)


def _said_after(session: Session, seq: int) -> bool:
    news = SessionEvent.objects.filter(session_id=session.session_id, seq__gt=seq, event_type__in=SPEAKERS)
    return news.exists()


def due_summaries(ends: Sequence[End]) -> list[DueSummary | None]:
    """What to summarise; None where an end needs no summary any more. Two queries for any number of short conversations."""
    sessions = Session.objects.filter(session_id__in={end.session_id for end in ends})
    found = {session.session_id: session for session in sessions}
    due = {end for end in ends if _is_due(found.get(end.session_id), end)}
    texts = transcripts([end.session_id for end in due])
    return [
        DueSummary(model=found[end.session_id].model, transcript=texts[end.session_id])
        if end in due
        else None
        for end in ends
    ]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a summary says beside its words, as far as its model said so."""

    topics: Sequence[str] = ()
    intent: str = ""
    outcome: ev.Resolution | None = None
    open_questions: Sequence[str] = ()
    follow_ups: Sequence[str] = ()
    sentiment: ev.Sentiment | None = None
    language: str = ""
    quality: int | None = None
    quality_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class NewSummary:
    end: End
    title: str
    summary: str
    model: str
    usage: ev.Usage
    cost_microusd: int | None = None
    findings: Findings = field(default_factory=Findings)
    chunks: int = 1
    author: str = ""
    """Who of the staff asked for it."""


def write_summaries(summaries: Sequence[NewSummary]) -> list[bool]:
    """Put each summary on its session and into its log, in one transaction; False, and nothing done, for one that is
    outdated."""
    with transaction.atomic():
        due = _locked([one.end for one in summaries])
        new: list[tuple[Session, ev.Event]] = []
        written: list[bool] = []
        for one in summaries:
            session = due.get(one.end)
            written.append(session is not None)
            if session is None:
                continue
            # a second summary of the same session is outdated by the first
            due = {end: other for end, other in due.items() if end.session_id != session.session_id}
            _take(session, one)
            new.append((session, _written(one)))
        if new:
            _put_on_sessions([session for session, _ in new])
            _append(new)
    return written


def _take(session: Session, one: NewSummary) -> None:
    findings = one.findings
    session.title, session.summary = one.title[:200], one.summary
    session.summary_state, session.summary_seq = SummaryState.WRITTEN, one.end.through_seq
    session.topics, session.intent = list(findings.topics), findings.intent
    session.outcome, session.sentiment = findings.outcome or "", findings.sentiment or ""
    session.language, session.quality = findings.language, findings.quality


def _written(one: NewSummary) -> ev.SummaryWritten:
    findings = one.findings
    return ev.SummaryWritten(
        summary=one.summary,
        title=one.title[:200],
        model=one.model,
        usage=one.usage,
        cost_microusd=one.cost_microusd,
        topics=list(findings.topics),
        intent=findings.intent,
        outcome=findings.outcome,
        open_questions=list(findings.open_questions),
        follow_ups=list(findings.follow_ups),
        sentiment=findings.sentiment,
        language=findings.language,
        quality=findings.quality,
        quality_reason=findings.quality_reason,
        chunks=one.chunks,
        author=one.author,
    )


def fail_summary(
    *,
    session_id: str,
    through_seq: int,
    error: str,
    attempts: int,
    again: bool = False,
    asked_seq: int = 0,
) -> bool:
    """Say on the session and in its log that there will be no summary of this end; an older one stays. Where one that still holds
    is there (``again``), the log alone says so.

    ``error`` is for staff and must hold no secret. False, and nothing done, when it is outdated.
    """
    end = End(session_id, through_seq, again, asked_seq)
    with transaction.atomic():
        session = _locked([end]).get(end)
        if session is None:
            return False
        # also one of an end before: nobody said anything since, or another would be pending
        has_one = session.summary_state == SummaryState.WRITTEN
        if not has_one:
            session.summary_state = SummaryState.FAILED
            session.save(update_fields=["summary_state"])
        _append([(session, ev.SummaryFailed(error=error, attempts=attempts, again=has_one))])
    return True


def _locked(ends: Sequence[End]) -> dict[End, Session]:
    """The sessions, held against whoever would open or end them, of those ends that lack a summary."""
    sessions = Session.objects.select_for_update(no_key=True).filter(
        session_id__in={end.session_id for end in ends}
    )
    found = {session.session_id: session for session in sessions.order_by("session_id")}
    return {end: found[end.session_id] for end in ends if _is_due(found.get(end.session_id), end)}


def waits_for_its_end(end: End) -> bool:
    """Of another version, which is outdated now: it is due once the session ends, where nobody says anything until then."""
    session = Session.objects.filter(pk=end.session_id, erased_at__isnull=True).first()
    if session is None or not end.again or session.status == SessionStatus.ENDED:
        return False
    return not _written_since(end) and not _said_after(session, end.through_seq)


def _is_due(session: Session | None, end: End) -> bool:
    if session is None or session.status != SessionStatus.ENDED or session.erased_at is not None:
        return False
    if _has_it(session, end) and (not end.again or _written_since(end)):
        return False
    # mostly nothing follows the end, and then it is the last one
    if session.last_seq == end.through_seq or _last_end(end.session_id) == end.through_seq:
        return True
    # what staff want anew is not lost by a visit without a word: another end, of the same conversation
    return (
        end.again
        and session.summary_state == SummaryState.WRITTEN
        and not _said_after(session, end.through_seq)
    )


def _has_it(session: Session, end: End) -> bool:
    return session.summary_state == SummaryState.WRITTEN and session.summary_seq == end.through_seq


def _written_since(end: End) -> bool:
    """A worker may die between the summary and the end of its job, which then runs again."""
    written = SessionEvent.objects.filter(
        session_id=end.session_id, seq__gt=end.asked_seq, event_type=ev.SummaryWritten.event_type
    )
    return bool(end.asked_seq) and written.exists()


def _last_end(session_id: str) -> int | None:
    ends = SessionEvent.objects.filter(session_id=session_id, event_type=ev.SessionEnded.event_type)
    return ends.order_by("-seq").values_list("seq", flat=True).first()


def _put_on_sessions(sessions: Sequence[Session]) -> None:
    rows = [{name: getattr(session, name) for name in _COLUMNS} for session in sessions]
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
