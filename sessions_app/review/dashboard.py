"""The admin's first page: what a lead asks in the morning first, then how much, how fast, and what it cost.

Every query is bounded (`sessions_app.selectors.figures`), so that the page costs the same in the first week and at a million
sessions; every figure leads to the list that it counts.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.db.models.functions import TruncDay, TruncHour
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from sessions_app.hooks import notices
from sessions_app.models import Session, SessionStatus
from sessions_app.review import humanize
from sessions_app.review.charts import Bar, bar_chart
from sessions_app.selectors import figures
from sessions_app.selectors.inbox import MOST_COUNTED, all_put_away, count_waiting_on

LATEST_SESSIONS = 8
TROUBLES_SHOWN = 6
TROUBLES = "troubles"
SLOWEST = "slowest"
"""The list of what went wrong, as the address of a session that was opened from it calls it."""
SLOW_MS = 10_000
"""An answer that takes longer is one of the slow ones."""


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


def _days(key: str, days: int) -> Window:
    return Window(key, f"{days} days", dt.timedelta(days=1), days, TruncDay, "%d %b")


WINDOWS = (
    Window("day", "24 hours", dt.timedelta(hours=1), 24, TruncHour, "%H:%M"),
    _days("week", 7),
    _days("weeks", 14),
    _days("month", 30),
    _days("quarter", 90),
)


@dataclass(frozen=True)
class Tile:
    """A figure, and the list that it counts."""

    title: str
    value: str
    words: str
    link: str = ""
    tone: str = ""
    change: str = ""
    """Against the time before, in words."""
    arrow: str = ""


@dataclass(frozen=True)
class Trouble:
    """A conversation in which something went wrong, and the place of it."""

    session: Session
    marks: Sequence[str]
    seq: int | None
    put_away_by: str = ""
    """Who put away the last of what waited there, where nothing waits any more."""


@dataclass(frozen=True)
class Share:
    """One of several that make up a whole. ``per_cent`` of it."""

    title: str
    count: int
    start: int
    """Where it begins, in per cent."""
    per_cent: int
    link: str
    tone: str


def dashboard_callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """django-unfold's hook: the index page's context. Who may not see sessions sees none of it."""
    if request.user.has_perm("sessions_app.view_session"):
        context["dashboard"] = dashboard(request.GET.get("window", ""), waiting=count_waiting_on(request))
    return {**context, "title": "Dashboard"}


def dashboard(window_key: str = "", *, waiting: int = 0) -> dict[str, Any]:
    window = _window(window_key)
    since = window.starts()[0]
    sums = figures.kept.get(window.key, lambda: figures.sums_since(since, window.truncate("start_time")))
    totals = _totals(sums)
    before = figures.kept.get(f"before {window.key}", lambda: _before(since))
    speed = figures.speed_since(since)
    slowest = figures.slowest_since(since)
    troubled = figures.troubled_since(since, TROUBLES_SHOWN)
    sessions = _with_who().in_bulk([*troubled, *(one.session_id for one in slowest)])
    lists = Lists(since)
    chart = bar_chart(_bars(window, sums))
    return {
        "window": window,
        "windows": WINDOWS,
        "first": _first(waiting, totals, before, slowest, lists),
        "troubles": _troubles([sessions[one] for one in troubled if one in sessions]),
        "tiles": _tiles(totals, before, lists),
        "totals": totals,
        "chart": chart,
        "bars": [drawn.bar for drawn in chart.bars],
        "speed": speed,
        "slowest": [(sessions[one.session_id], one) for one in slowest if one.session_id in sessions],
        "models": _by_model(sums, lists),
        "failures": [
            (failure_words(one.reason), one, lists.link(failure=one.reason))
            for one in figures.failures_since(since)
        ],
        "failures_link": lists.link(errors="yes"),
        "tools": [
            (one, lists.link(tool=one.name), lists.link(tool_failed=one.name))
            for one in figures.tools_since(since)
        ],
        "outcomes": _shares(totals, _OUTCOMES, "outcome", lists),
        "sentiments": _shares(totals, _SENTIMENTS, "sentiment", lists),
        "latest": _latest_sessions(),
        "notices": notices(),
    }


class Lists:
    """Addresses of the session list, from the window's beginning on.

    The list's own filter knows whole days, and shows them; where a window begins within one, the time is said as well.
    """

    def __init__(self, since: dt.datetime, *, until: dt.datetime | None = None) -> None:
        """``until`` itself is left out."""
        self._bounds = {"start_time_from": timezone.localtime(since).date().isoformat()}
        if _within_a_day(since):
            self._bounds["start_time__gte"] = since.astimezone(dt.UTC).isoformat()
        if until:
            last = until - dt.timedelta.resolution
            self._bounds["start_time_to"] = timezone.localtime(last).date().isoformat()
        if until and _within_a_day(until):
            self._bounds["start_time__lt"] = until.astimezone(dt.UTC).isoformat()

    def link(self, **filters: str) -> str:
        return self.link_of(filters)

    def link_of(self, filters: Mapping[str, str]) -> str:
        query = urlencode({**filters, **self._bounds, "show": "all"})
        return f"{reverse('admin:sessions_app_session_changelist')}?{query}"


def _within_a_day(at: dt.datetime) -> bool:
    return timezone.localtime(at).time() != dt.time()


def _totals(sums: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    names = (*figures.SUM_NAMES, *figures.MARK_NAMES)
    totals = {name: sum(row[name] for row in sums) for name in names}
    return {**totals, "tokens": totals["input_tokens"] + totals["output_tokens"]}


def _before(since: dt.datetime) -> dict[str, int]:
    """The same figures of the time before, which is as long."""
    return figures.totals_between(since - (timezone.now() - since), since)


def _change(now: int, before: int) -> tuple[str, str]:
    """(words, arrow)."""
    if now == before:
        return "as many as before", "="
    words = f"{abs(now - before):,} {'more' if now > before else 'fewer'} than before"
    return words, "\N{UPWARDS ARROW}" if now > before else "\N{DOWNWARDS ARROW}"


def listed(window_key: str, which: str) -> list[str]:
    """The sessions of a list of the page, in its order: of `TROUBLES`, of `SLOWEST`, or of the latest ones."""
    if which == SLOWEST:
        return list(slowest_places(window_key))
    if which != TROUBLES:
        return list(Session.objects.values_list("pk", flat=True)[:LATEST_SESSIONS])
    return figures.troubled_since(_window(window_key).starts()[0], TROUBLES_SHOWN)


def slowest_places(window_key: str) -> dict[str, int]:
    """By the session, the seq of its slowest answer; the slowest first."""
    places: dict[str, int] = {}
    for answer in figures.slowest_since(_window(window_key).starts()[0]):
        places.setdefault(answer.session_id, answer.seq)
    return places


def _window(key: str) -> Window:
    return next((window for window in WINDOWS if window.key == key), WINDOWS[0])


def _troubles(sessions: Sequence[Session]) -> list[Trouble]:
    ids = [session.pk for session in sessions]
    failures, put_away = figures.last_failures(ids), all_put_away(ids)
    found = []
    for session in sessions:
        seq, reason = failures.get(session.pk, (None, ""))
        marks = [f"No answer: {failure_words(reason).lower()}"] if seq else []
        marks += ["Rated bad"] if session.feedback_down else []
        marks += ["Unresolved"] if session.outcome == "unresolved" else []
        found.append(Trouble(session, marks, seq, put_away.get(session.pk, "")))
    return found


def _first(
    waiting: int,
    totals: Mapping[str, int],
    before: Mapping[str, int],
    slowest: Sequence[figures.SlowAnswer],
    lists: Lists,
) -> list[Tile]:
    words = f"{MOST_COUNTED - 1}+" if waiting >= MOST_COUNTED else str(waiting)
    slow = sum(answer.total_ms >= SLOW_MS for answer in slowest)
    longest = humanize.milliseconds(slowest[0].total_ms) if slowest else "-"
    return [
        Tile(
            "Waiting for you",
            words,
            "approvals and what went wrong" if waiting else "nothing waits",
            reverse("admin:sessions_app_inboxitem_changelist"),
            "warning" if waiting else "",
        ),
        _trouble(
            "Failed",
            (totals["with_errors"], before["with_errors"]),
            "conversations with a failed answer",
            lists.link(errors="yes"),
        ),
        _trouble(
            "Rated bad",
            (totals["rated_bad"], before["rated_bad"]),
            "conversations that users did not like",
            lists.link(feedback="bad"),
        ),
        _trouble(
            "Unresolved",
            (totals["unresolved"], before["unresolved"]),
            "users who still need something",
            lists.link(outcome__exact="unresolved"),
        ),
        Tile("Slowest answer", longest, "of the newest ones", "#slowest", "warning" if slow else ""),
    ]


def _trouble(title: str, counts: tuple[int, int], words: str, link: str) -> Tile:
    """``counts``: now, and in the time before."""
    tone = "danger" if counts[0] else ""
    return Tile(title, humanize.exact(counts[0]), words, link, tone, *_change(*counts))


def _tiles(totals: Mapping[str, int], before: Mapping[str, int], lists: Lists) -> list[Tile]:
    live = figures.bounded(Session.objects.filter(status=SessionStatus.ACTIVE))
    more = "+" if live >= figures.MAX_COUNT else ""
    everything = lists.link()
    listed = reverse("admin:sessions_app_session_changelist")
    return [
        Tile(
            "Live now",
            f"{humanize.exact(live)}{more}",
            "open conversations",
            f"{listed}?status__exact=active&show=all",
            "live",
        ),
        Tile(
            "Conversations",
            humanize.exact(totals["sessions"]),
            f"{totals['messages']:,} messages from users",
            everything,
            "",
            *_change(totals["sessions"], before["sessions"]),
        ),
        Tile(
            "Answers",
            humanize.exact(totals["answers"]),
            f"{totals['failed']:,} failed",
            everything,
            "",
            *_change(totals["answers"], before["answers"]),
        ),
        Tile(
            "Tokens",
            humanize.compact(totals["tokens"]),
            f"{humanize.compact(totals['input_tokens'])} in, {humanize.compact(totals['output_tokens'])} out",
            "#models",
        ),
        Tile("Cost", _cost(totals), _cost_words(totals), "#models"),
    ]


def _cost(totals: Mapping[str, int]) -> str:
    unknown = totals["unpriced"] and not totals["cost_microusd"]
    return humanize.usd(None if unknown else totals["cost_microusd"])


def _cost_words(totals: Mapping[str, int]) -> str:
    unpriced = totals["unpriced"]
    if not unpriced:
        return "answers and summaries"
    return f"{unpriced:,} {'call' if unpriced == 1 else 'calls'} at an unknown price"


def _bars(window: Window, sums: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """None is missing, also where no session began."""
    bars = []
    for start in window.starts():
        rows = [row for row in sums if row["bucket"] == start]
        bars.append(
            Bar(
                label=start.strftime(window.label_format),
                value=sum(row["sessions"] for row in rows),
                part=sum(row["with_errors"] for row in rows),
                link=Lists(start, until=start + window.bucket).link(),
            )
        )
    return bars


def _by_model(sums: Sequence[Mapping[str, Any]], lists: Lists) -> list[dict[str, Any]]:
    """The dearest first."""
    models: dict[str, dict[str, Any]] = {}
    for row in sums:
        one = models.setdefault(row["model"], dict.fromkeys(figures.SUM_NAMES, 0))
        for name in figures.SUM_NAMES:
            one[name] += row[name]
    found = [
        {
            "name": model.partition(":")[2] or model or "none",
            "link": lists.link(model=model) if model else lists.link(),
            "cost": humanize.cost(one["cost_microusd"], one["unpriced"]),
            **one,
        }
        for model, one in models.items()
    ]
    return sorted(found, key=lambda one: (-one["cost_microusd"], -one["sessions"], one["name"]))


_OUTCOMES = (("resolved", "success"), ("unresolved", "danger"), ("abandoned", "warning"))
_SENTIMENTS = (("positive", "success"), ("neutral", "neutral"), ("negative", "danger"))


def _shares(
    totals: Mapping[str, int], names: Sequence[tuple[str, str]], field: str, lists: Lists
) -> list[Share]:
    """Nothing where no summary says anything of it."""
    whole = sum(totals[name] for name, _ in names)
    if not whole:
        return []
    shares: list[Share] = []
    before = 0
    for name, tone in names:
        start, before = before, before + totals[name]
        begins, ends = round(100 * start / whole), round(100 * before / whole)
        link = lists.link_of({f"{field}__exact": name})
        shares.append(Share(name.capitalize(), totals[name], begins, ends - begins, link, tone))
    return shares


def failure_words(reason: str) -> str:
    """An error's code as people read it."""
    return reason.replace("_", " ").capitalize() or "Unknown"


def _latest_sessions() -> list[Session]:
    return list(_with_who()[:LATEST_SESSIONS])


def _with_who() -> QuerySet[Session]:
    return Session.objects.select_related("user", "assignee").defer("summary")
