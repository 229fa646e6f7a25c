"""Figures: of one session (its counters, and what only its log can tell), and what the models were paid for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Aggregate, BigIntegerField, Count, FloatField, Max, Q, QuerySet, Sum, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from sessions_app.errors import SessionNotFound
from sessions_app.log.events import ResponseDone, ToolCall, ToolResult
from sessions_app.models import PRICED_EVENTS, Session, SessionEvent

STATUSES = ("completed", "incomplete", "cancelled", "failed")
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Milliseconds; None where nothing was measured."""

    median_ms: float | None
    longest_ms: float | None


@dataclass(kw_only=True)
class ToolUse:
    """The calls of one tool by outcome, and how long those took that have a result."""

    calls: int = 0
    ok: int = 0
    error: int = 0
    unknown: int = 0
    total_ms: float = 0.0
    longest_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SessionAnalytics:
    session_id: str
    status: str
    model: str
    started_at: datetime
    duration_seconds: float
    """Until now, for a session that goes on."""
    events: int
    user_messages: int
    assistant_messages: int
    responses: dict[str, int]
    """Finished ones, by status."""
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    first_token: Spread
    """From a response's start to its first token."""
    whole_answer: Spread
    """From a response's start to its end, for those that were completed."""
    tools: dict[str, ToolUse]
    """By name, the most used first."""


class _Median(Aggregate):
    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def session_analytics(*, session_id: str) -> SessionAnalytics:
    """Three queries, however long the session. Raises `SessionNotFound`."""
    session = Session.objects.filter(session_id=session_id).first()
    if session is None:
        raise SessionNotFound
    answers = _answers(session_id)
    return SessionAnalytics(
        session_id=session_id,
        status=session.status,
        model=session.model,
        started_at=session.start_time,
        duration_seconds=_duration_seconds(session),
        events=session.last_seq,
        user_messages=session.user_messages,
        assistant_messages=session.assistant_messages,
        responses={status: answers[status] for status in STATUSES if answers[status]},
        input_tokens=session.input_tokens,
        output_tokens=session.output_tokens,
        cached_tokens=answers["cached_tokens"],
        reasoning_tokens=answers["reasoning_tokens"],
        first_token=Spread(median_ms=answers["first_median"], longest_ms=answers["first_longest"]),
        whole_answer=Spread(median_ms=answers["whole_median"], longest_ms=answers["whole_longest"]),
        tools=_tools(session_id),
    )


def _duration_seconds(session: Session) -> float:
    if session.duration_seconds is not None:
        return session.duration_seconds
    return max((timezone.now() - session.start_time).total_seconds(), 0.0)


def _events(session_id: str, *event_types: str) -> QuerySet[SessionEvent]:
    return SessionEvent.objects.filter(session_id=session_id, event_type__in=event_types)


def _answers(session_id: str) -> Row:
    """An answer's payload leaves out what is zero or unknown."""
    first_ms, whole_ms = _number("timings__first_token_ms"), _number("timings__total_ms")
    completed = Q(payload__status="completed")
    row: Row = _events(session_id, ResponseDone.event_type).aggregate(
        **{status: Count("pk", filter=Q(payload__status=status)) for status in STATUSES},
        cached_tokens=_total("usage__cached_tokens"),
        reasoning_tokens=_total("usage__reasoning_tokens"),
        first_median=_Median(first_ms),
        first_longest=Max(first_ms),
        whole_median=_Median(whole_ms, filter=completed),
        whole_longest=Max(whole_ms, filter=completed),
    )
    return row


def _number(path: str) -> Cast:
    return Cast(KT(f"payload__{path}"), FloatField())


def _total(path: str) -> Coalesce:
    return Coalesce(Sum(Cast(KT(f"payload__{path}"), BigIntegerField())), Value(0))


def _tools(session_id: str) -> dict[str, ToolUse]:
    duration_ms = _number("duration_ms")
    groups = (
        _events(session_id, ToolCall.event_type, ToolResult.event_type)
        .order_by()
        .values("event_type", name=KT("payload__name"), outcome=KT("payload__outcome"))
        .annotate(count=Count("pk"), total_ms=Sum(duration_ms), longest_ms=Max(duration_ms))
    )
    tools: dict[str, ToolUse] = {}
    for group in groups:
        _add(tools.setdefault(group["name"], ToolUse()), group)
    return dict(sorted(tools.items(), key=lambda item: (-item[1].calls, item[0])))


def _add(tool: ToolUse, group: Row) -> None:
    if group["event_type"] == ToolCall.event_type:
        tool.calls += group["count"]
        return
    match group["outcome"]:
        case None | "ok":  # the default, which a payload leaves out
            tool.ok += group["count"]
        case "error":
            tool.error += group["count"]
        case _:
            tool.unknown += group["count"]
    tool.total_ms += group["total_ms"] or 0.0
    tool.longest_ms = max(tool.longest_ms, group["longest_ms"] or 0.0)


def spent_since(*, user_id: int | None, guest_id: str, since: datetime, external_user_id: str = "") -> int:
    """Millionths of a US dollar, as far as they are known. A user's own sessions, or those of one customer of theirs: each has a
    budget of their own. Else those of the guest's cookie.

    The index `session_events_priced` holds only what was paid for, so this reads as many rows as there were answers
    since then in the sessions that had an event since then.
    """
    whose = (
        Session.objects.filter(user_id=user_id, external_user_id=external_user_id)
        if user_id
        else Session.objects.filter(guest_id=guest_id)
    )
    sessions = whose.filter(last_event_at__gte=since).order_by().values("session_id")
    paid = SessionEvent.objects.filter(
        session_id__in=sessions, event_type__in=PRICED_EVENTS, created_at__gte=since
    )
    cost = Cast(KT("payload__cost_microusd"), BigIntegerField())
    return int(paid.order_by().aggregate(spent=Sum(cost))["spent"] or 0)
