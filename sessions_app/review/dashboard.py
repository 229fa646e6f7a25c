"""The admin's first page: how the sessions, their answers and the servers are doing.

Every query is bounded, by a window of time with an index behind it or by a number of rows, so that the page costs the
same in the first week and at a million sessions.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Now, TruncDay, TruncHour
from django.http import HttpRequest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from sessions_app.hooks import notices
from sessions_app.models import ServerProcess, Session, SessionStatus, SummaryState

MAX_COUNT = 10_000
"""Nothing is counted further than this."""
NEWEST_ANSWERS = 2_000
NEWEST_JOBS = 5_000
LATEST_SESSIONS = 8
_SPEED = """
    SELECT count(first_token_ms), percentile_cont(0.5) WITHIN GROUP (ORDER BY first_token_ms),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY first_token_ms)
    FROM (
        SELECT (payload->'timings'->>'first_token_ms')::float AS first_token_ms
        FROM session_events WHERE event_type = 'response_done' AND created_at >= %s
        ORDER BY created_at DESC LIMIT %s
    ) AS newest
"""


@dataclass(frozen=True)
class Window:
    """A stretch of time up to now, cut into equal buckets."""

    key: str
    title: str
    bucket: dt.timedelta
    buckets: int
    truncate: Callable[[str], Any]
    label_format: str

    def starts(self) -> list[dt.datetime]:
        """Where the buckets begin, oldest first, in the server's time zone; the last one is under way."""
        now = timezone.localtime()
        begin = now.replace(minute=0, second=0, microsecond=0)
        if self.bucket >= dt.timedelta(days=1):
            begin = begin.replace(hour=0)
        return [begin - self.bucket * back for back in range(self.buckets - 1, -1, -1)]


WINDOWS = (
    Window("day", "24 hours", dt.timedelta(hours=1), 24, TruncHour, "%H:%M"),
    Window("weeks", "14 days", dt.timedelta(days=1), 14, TruncDay, "%d %b"),
)


@dataclass(frozen=True)
class Bar:
    """One bucket. ``height`` in per cent of the tallest bar, ``error_share`` in per cent of this one."""

    label: str
    sessions: int
    with_errors: int
    height: float
    error_share: float


@dataclass(frozen=True)
class Speed:
    """Milliseconds to the first token, over the newest answers of the window."""

    answers: int = 0
    median_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True)
class Server:
    name: str
    started_at: dt.datetime
    sessions: int


def dashboard_callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """django-unfold's hook: the index page's context. Who may not see sessions sees none of it."""
    if request.user.has_perm("sessions_app.view_session"):
        context["dashboard"] = dashboard(request.GET.get("window", ""))
    return {**context, "title": "Dashboard"}


def dashboard(window_key: str = "") -> dict[str, Any]:
    window = next((window for window in WINDOWS if window.key == window_key), WINDOWS[0])
    since = window.starts()[0]
    buckets = _buckets(window, since)
    return {
        "window": window,
        "windows": WINDOWS,
        "totals": _totals(buckets),
        "bars": _bars(window, buckets),
        "speed": _speed(since),
        "live": _bounded(Session.objects.filter(status=SessionStatus.ACTIVE)),
        "latest": _latest_sessions(),
        "servers": _servers(),
        "jobs": _jobs(),
        "summaries_failed": _bounded(Session.objects.filter(summary_state=SummaryState.FAILED)),
        "max_count": MAX_COUNT,
        "notices": notices(),
    }


_SUMS = {
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


def _buckets(window: Window, since: dt.datetime) -> dict[dt.datetime, dict[str, Any]]:
    """What the sessions that started in each bucket came to; a bucket without a session is missing."""
    rows = Session.objects.filter(start_time__gte=since).order_by()
    rows_by_bucket = rows.annotate(bucket=window.truncate("start_time")).values("bucket").annotate(**_SUMS)
    return {row["bucket"]: dict(row) for row in rows_by_bucket}


def _totals(buckets: dict[dt.datetime, dict[str, Any]]) -> dict[str, int]:
    totals = {name: sum(bucket[name] or 0 for bucket in buckets.values()) for name in _SUMS}
    return {**totals, "tokens": totals["input_tokens"] + totals["output_tokens"]}


def _bars(window: Window, buckets: dict[dt.datetime, dict[str, Any]]) -> list[Bar]:
    tallest = max((bucket["sessions"] for bucket in buckets.values()), default=0) or 1
    empty = {"sessions": 0, "with_errors": 0}
    return [
        Bar(
            label=start.strftime(window.label_format),
            sessions=(bucket := buckets.get(start, empty))["sessions"],
            with_errors=bucket["with_errors"],
            height=round(100 * bucket["sessions"] / tallest, 1),
            error_share=round(100 * bucket["with_errors"] / (bucket["sessions"] or 1), 1),
        )
        for start in window.starts()
    ]


def _speed(since: dt.datetime) -> Speed:
    with connection.cursor() as cursor:
        cursor.execute(_SPEED, [since, NEWEST_ANSWERS])
        row = cursor.fetchone()
    return Speed(*row) if row else Speed()


def _bounded(rows: QuerySet[Any]) -> int:
    return rows.order_by()[:MAX_COUNT].count()


def _latest_sessions() -> list[Session]:
    return list(Session.objects.select_related("user").defer("summary")[:LATEST_SESSIONS])


def _servers() -> list[Server]:
    """The processes that are alive, with how many sessions each holds."""
    held = Session.objects.filter(status=SessionStatus.ACTIVE).order_by().values("lease_owner")
    sessions = dict(held.annotate(count=Count("pk")).values_list("lease_owner", "count"))
    alive = ServerProcess.objects.filter(expires_at__gt=Now()).order_by("started_at")
    return [Server(str(process), process.started_at, sessions.get(process.pk, 0)) for process in alive]


def _jobs() -> dict[str, int]:
    """How many of the newest jobs are in each state; older ones are done with."""
    newest = ProcrastinateJob.objects.order_by("-pk").values("pk")[:NEWEST_JOBS]
    by_state = ProcrastinateJob.objects.filter(pk__in=newest).order_by().values("status")
    counts = dict(by_state.annotate(count=Count("pk")).values_list("status", "count"))
    return {state: counts.get(state, 0) for state in ("todo", "doing", "failed")}
