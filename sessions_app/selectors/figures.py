"""The figures of the dashboard: each query is bounded by a window with an index behind it, or by a number of rows.

Sums over a long window of a large installation take a while, so those are kept for a minute once they were slow.
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum, Value

from sessions_app.models import Session

MAX_COUNT = 10_000
"""Nothing is counted further than this."""
NEWEST_ANSWERS = 2_000
TROUBLED_SESSIONS = 500
SESSIONS_WITH_TOOLS = 300
SLOW_QUERY_S = 0.25
KEPT_S = 60.0
_SLOWEST = 5
_ANSWERS = """
    SELECT session_id, seq, coalesce(payload->>'model', '') AS model,
           (payload->'timings'->>'first_token_ms')::float AS first_token_ms,
           (payload->'timings'->>'total_ms')::float AS total_ms
    FROM session_events WHERE event_type = 'response_done' AND created_at >= %s
    ORDER BY created_at DESC LIMIT %s
"""
_SPEED = f"""
    WITH newest AS MATERIALIZED ({_ANSWERS})
    SELECT count(first_token_ms),
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY first_token_ms),
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY total_ms)
               FILTER (WHERE first_token_ms IS NOT NULL)
    FROM newest
"""  # noqa: S608 - built from constants alone
_SLOW = f"""
    WITH newest AS MATERIALIZED ({_ANSWERS})
    SELECT session_id, seq, model, first_token_ms, total_ms FROM newest
    WHERE total_ms IS NOT NULL ORDER BY total_ms DESC LIMIT %s
"""  # noqa: S608
_TROUBLED = """
    SELECT session_id FROM sessions WHERE failed_responses > 0 AND start_time >= %s
    ORDER BY start_time DESC LIMIT %s
"""
_FAILURES = f"""
    WITH troubled AS MATERIALIZED ({_TROUBLED})
    SELECT coalesce(e.payload->>'reason', ''), count(*), count(DISTINCT e.session_id)
    FROM troubled t JOIN session_events e ON e.session_id = t.session_id
    WHERE e.event_type = 'response_done' AND e.payload->>'status' = 'failed'
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8
"""  # noqa: S608
_FAILED_FOR = f"""
    WITH troubled AS MATERIALIZED ({_TROUBLED})
    SELECT DISTINCT e.session_id FROM troubled t JOIN session_events e ON e.session_id = t.session_id
    WHERE e.event_type = 'response_done' AND e.payload->>'status' = 'failed' AND coalesce(e.payload->>'reason', '') = %s
"""  # noqa: S608
_LAST_FAILURES = """
    SELECT DISTINCT ON (session_id) session_id, seq, coalesce(payload->>'reason', '') FROM session_events
    WHERE session_id = ANY(%s) AND event_type = 'response_done' AND payload->>'status' = 'failed'
    ORDER BY session_id, seq DESC
"""
_WITH_TOOLS = """
    SELECT session_id FROM sessions WHERE start_time >= %s AND tool_calls > 0
    ORDER BY start_time DESC LIMIT %s
"""
_USED_TOOL = f"""
    WITH recent AS MATERIALIZED ({_WITH_TOOLS})
    SELECT DISTINCT e.session_id FROM recent r JOIN session_events e ON e.session_id = r.session_id
    WHERE e.event_type = 'tool_result' AND e.payload->>'name' = %s
      AND coalesce(e.payload->>'outcome', 'ok') = ANY(%s)
"""  # noqa: S608
_TOOLS = f"""
    WITH recent AS MATERIALIZED ({_WITH_TOOLS})
    SELECT e.payload->>'name', count(*), count(*) FILTER (WHERE e.payload->>'outcome' IN ('error', 'unknown')),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY (e.payload->>'duration_ms')::float)
    FROM recent r JOIN session_events e ON e.session_id = r.session_id
    WHERE e.event_type = 'tool_result'
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8
"""  # noqa: S608
R = TypeVar("R")


@dataclass(frozen=True)
class Speed:
    """Milliseconds, over the newest answers of the window that had a first token: half, 95 % and 99 % took no longer."""

    answers: int = 0
    first_token: Sequence[float | None] = (None, None, None)
    whole_answer: Sequence[float | None] = (None, None, None)

    @property
    def median_ms(self) -> float | None:
        return self.first_token[0]

    @property
    def p95_ms(self) -> float | None:
        return self.first_token[1]


@dataclass(frozen=True)
class SlowAnswer:
    session_id: str
    seq: int
    model: str
    first_token_ms: float | None
    total_ms: float


@dataclass(frozen=True)
class Failure:
    reason: str
    answers: int
    sessions: int


@dataclass(frozen=True)
class ToolFigures:
    name: str
    calls: int
    failed: int
    median_ms: float | None


def _rows(query: str, *params: dt.datetime | int | str | list[str]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())


def speed_since(since: dt.datetime) -> Speed:
    ((answers, first_token, whole_answer),) = _rows(_SPEED, since, NEWEST_ANSWERS)
    return Speed(answers, first_token, whole_answer) if answers else Speed()


def slowest_since(since: dt.datetime) -> list[SlowAnswer]:
    """Of the newest answers."""
    return [SlowAnswer(*row) for row in _rows(_SLOW, since, NEWEST_ANSWERS, _SLOWEST)]


def failures_since(since: dt.datetime) -> list[Failure]:
    """Of the newest conversations that have any; the most frequent first."""
    return [Failure(*row) for row in _rows(_FAILURES, since, TROUBLED_SESSIONS)]


def tools_since(since: dt.datetime) -> list[ToolFigures]:
    """Of the newest conversations that used tools; the most used first."""
    return [ToolFigures(*row) for row in _rows(_TOOLS, since, SESSIONS_WITH_TOOLS)]


_SUMS: Mapping[str, Any] = {
    "sessions": Count("pk"),
    "with_errors": Count("pk", filter=Q(failed_responses__gt=0)),
    "messages": Sum("user_messages"),
    "answers": Sum("responses"),
    "failed": Sum("failed_responses"),
    "input_tokens": Sum("input_tokens"),
    "output_tokens": Sum("output_tokens"),
    "cost_microusd": Sum("cost_microusd"),
    "unpriced": Sum("unpriced"),
}
_MARKS: Mapping[str, Any] = {
    **{name: Count("pk", filter=Q(outcome=name)) for name in ("resolved", "unresolved", "abandoned")},
    **{name: Count("pk", filter=Q(sentiment=name)) for name in ("positive", "neutral", "negative")},
    "rated_good": Count("pk", filter=Q(feedback_up__gt=0)),
    "rated_bad": Count("pk", filter=Q(feedback_down__gt=0)),
}
SUM_NAMES = tuple(_SUMS)
MARK_NAMES = tuple(_MARKS)


def sums_since(since: dt.datetime, bucket: Any) -> list[dict[str, Any]]:
    """What the sessions that started in each ``bucket`` came to, by model; one pass over the window."""
    rows = Session.objects.filter(start_time__gte=since).order_by().annotate(bucket=bucket)
    found = rows.values("bucket", "model").annotate(**_SUMS, **_MARKS)
    return [{name: value or 0 if name in _SUMS else value for name, value in row.items()} for row in found]


def totals_between(since: dt.datetime, until: dt.datetime) -> dict[str, int]:
    """What the sessions that started between came to, all models together."""
    rows = Session.objects.filter(start_time__gte=since, start_time__lt=until).order_by()
    return {name: value or 0 for name, value in rows.aggregate(**_SUMS, **_MARKS).items()}


def troubled_since(since: dt.datetime, most: int) -> list[str]:
    """The newest sessions with a failed answer or a bad rating, and then those that their summary calls unresolved: an index for
    each."""
    window = Session.objects.filter(start_time__gte=since).order_by("-start_time")
    each = [
        window.filter(failed_responses__gt=0).annotate(place=Value(0)),
        window.filter(feedback_down__gt=0).annotate(place=Value(0)),
        window.filter(outcome="unresolved").annotate(place=Value(1)),
    ]
    first, *others = [rows.values_list("session_id", "start_time", "place")[:most] for rows in each]
    found = first.union(*others).order_by("place", "-start_time")
    return list(dict.fromkeys(session_id for session_id, _, _ in found))[:most]


def last_failures(session_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    """(seq, reason) of the last failed answer of each that has one."""
    return {session_id: (seq, reason) for session_id, seq, reason in _rows(_LAST_FAILURES, list(session_ids))}


def failed_for(reason: str, since: dt.datetime) -> list[str]:
    """The sessions that `failures_since` counts for this reason."""
    return [session_id for (session_id,) in _rows(_FAILED_FOR, since, TROUBLED_SESSIONS, reason)]


def used_tool(name: str, since: dt.datetime, *, failed: bool = False) -> list[str]:
    """The sessions in which `tools_since` counts calls of this tool; those with a call that went wrong alone."""
    outcomes = ["error", "unknown"] if failed else ["error", "unknown", "ok"]
    return [session_id for (session_id,) in _rows(_USED_TOOL, since, SESSIONS_WITH_TOOLS, name, outcomes)]


def bounded(rows: QuerySet[Any]) -> int:
    return rows.order_by()[:MAX_COUNT].count()


@dataclass
class Kept:
    """What took long to find out, for a while; in one process."""

    _found: dict[str, tuple[float, Any]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, key: str, find: Callable[[], R], *, clock: Callable[[], float] = time.monotonic) -> R:
        began = clock()
        with self._lock:
            until, value = self._found.get(key, (0.0, None))
        if began < until:
            return value  # type: ignore[no-any-return]
        value = find()
        if clock() - began >= SLOW_QUERY_S:
            with self._lock:
                self._found[key] = (clock() + KEPT_S, value)
        return value

    def forget(self) -> None:
        with self._lock:
            self._found.clear()


kept = Kept()
