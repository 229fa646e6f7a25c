"""Filters that only a figure of the dashboard leads to: the very conversations that it counts, of the newest in its period."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from unfold.contrib.filters.admin import DropdownFilter

from sessions_app.admin.periods import day_of
from sessions_app.models import Session
from sessions_app.selectors import figures

_EVER = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def _since(request: HttpRequest) -> dt.datetime:
    """Where the list begins."""
    try:
        at = parse_datetime(request.GET.get("start_time__gte", ""))
    except ValueError:
        return _EVER
    day = day_of(request.GET.get("start_time_from", ""))
    if at:
        return at if timezone.is_aware(at) else timezone.make_aware(at)
    return timezone.make_aware(dt.datetime.combine(day, dt.time())) if day else _EVER


class FigureFilter(DropdownFilter):  # type: ignore[misc]  # unfold has no types
    """Not offered; shown, so that it can be taken away, where it is on."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        value = request.GET.get(self.parameter_name)
        return [(value, value.replace("_", " ") or "Unknown")] if value is not None else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        if self.value() is None:
            return queryset
        return queryset.filter(pk__in=self.behind(self.value(), _since(request)))

    def behind(self, value: str, since: dt.datetime) -> list[str]:
        raise NotImplementedError


class FailureFilter(FigureFilter):
    title = "why an answer failed"
    parameter_name = "failure"

    def behind(self, value: str, since: dt.datetime) -> list[str]:
        return figures.failed_for(value, since)


class ToolFilter(FigureFilter):
    title = "tool"
    parameter_name = "tool"

    def behind(self, value: str, since: dt.datetime) -> list[str]:
        return figures.used_tool(value, since)


class FailedToolFilter(FigureFilter):
    title = "tool that went wrong"
    parameter_name = "tool_failed"

    def behind(self, value: str, since: dt.datetime) -> list[str]:
        return figures.used_tool(value, since, failed=True)
