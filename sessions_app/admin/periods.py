"""The drill-down by year, month and day above the session list.

Django's own reads all matching rows to list the dates that occur (400 ms at a million rows); this one asks for the
first and the last session, two index probes (`sessions_app.selectors.choices`), and offers every period between.
"""

import calendar
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime

FIELD = "start_time"
_YEAR, _MONTH, _DAY = (f"{FIELD}__{unit}" for unit in ("year", "month", "day"))
_DATE = forms.DateField(required=False)


def day_of(text: str) -> dt.date | None:
    """A day as somebody may have typed it into the list's filter; None: it is none."""
    try:
        day: dt.date | None = _DATE.clean(text)
    except ValidationError:
        return None
    return day


@dataclass(frozen=True)
class Link:
    title: str
    query: str


@dataclass(frozen=True)
class Periods:
    """``title``: the period that is shown, empty for all; ``back``: the one around it."""

    title: str = ""
    back: Link | None = None
    choices: list[Link] = field(default_factory=list)

    @classmethod
    def of(cls, changelist: Any, span: tuple[dt.datetime, dt.datetime] | None) -> "Periods":
        """For a change list whose ``start_time__year`` and so on have been checked: Django refuses a 13th month."""
        if span is None:
            return cls()
        first, last = (timezone.localtime(end).date() for end in span)
        return _Drill(changelist, first, last).periods()


def stale_times(query: Mapping[str, str]) -> list[str]:
    """A figure of the dashboard leads to a list from a very time on, beside its day; these are the names of such times that are not of the
    day that stands there by now, or where somebody took the day away: the filter shows days alone."""
    found = []
    for at, day, before in ((f"{FIELD}__gte", f"{FIELD}_from", 0), (f"{FIELD}__lt", f"{FIELD}_to", 1)):
        moment = _moment(query.get(at, ""))
        if moment and day in query:
            last = timezone.localtime(moment - before * dt.timedelta.resolution).date()
            found += [] if last == day_of(query[day]) else [at]
    return found


def _moment(text: str) -> dt.datetime | None:
    try:
        moment = parse_datetime(text)
        return moment and (moment if timezone.is_aware(moment) else timezone.make_aware(moment))
    except (ValueError, OverflowError):
        return None


class _Drill:
    def __init__(self, changelist: Any, first: dt.date, last: dt.date) -> None:
        self._changelist = changelist
        self._first, self._last = first, last

    def periods(self) -> Periods:
        year, month, day = (_number(self._changelist.params.get(name)) for name in (_YEAR, _MONTH, _DAY))
        if not year:
            return Periods("", None, self._widest())
        if not month:
            return Periods(str(year), self._link("All dates"), list(self._months(year)))
        title = formats.date_format(dt.date(year, month, 1), "YEAR_MONTH_FORMAT")
        if not day:
            return Periods(title, self._link(str(year), year), list(self._days(year, month)))
        date = formats.date_format(dt.date(year, month, day), "DATE_FORMAT")
        return Periods(date, self._link(title, year, month))

    def _widest(self) -> list[Link]:
        """Years; months where all is of one year, days where it is of one month. One choice alone is none."""
        last = self._last
        for choices in (self._years(), self._months(last.year), self._days(last.year, last.month, "j M")):
            found = list(choices)
            if len(found) > 1:
                return found
        return []

    def _years(self) -> Iterator[Link]:
        for year in range(self._first.year, self._last.year + 1):
            yield self._link(str(year), year)

    def _months(self, year: int) -> Iterator[Link]:
        first, last = self._first.replace(day=1), self._last
        for month in range(1, 13):
            if first <= (date := dt.date(year, month, 1)) <= last:
                yield self._link(formats.date_format(date, "F"), year, month)

    def _days(self, year: int, month: int, form: str = "j") -> Iterator[Link]:
        for day in range(1, calendar.monthrange(year, month)[1] + 1):
            if self._first <= (date := dt.date(year, month, day)) <= self._last:
                yield self._link(formats.date_format(date, form), year, month, day)

    def _link(self, title: str, *period: int) -> Link:
        chosen = dict(zip((_YEAR, _MONTH, _DAY), period, strict=False))
        return Link(title, self._changelist.get_query_string(chosen, [f"{FIELD}__"]))


def _number(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None
