"""The session list: its order, its drill-down by date, and what it says about its size."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from sessions_app.admin import paginator
from sessions_app.admin.periods import Periods

NEWEST_FIRST = ("-start_time", "-session_id")


class BoundedChangeList(ChangeList):  # type: ignore[misc]  # unfold has no types
    """A list that is paged by `BoundedPaginator`: it says "12 results, show all" only where that is so."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.has_active_filters) or self.paginator.overflows:
            self.full_result_count = self.result_count


class SessionChangeList(BoundedChangeList):
    """Newest first. Another order sorts all that matches, so it is for at most `paginator.BOUND` sessions."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        queryset: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        if self._sorts_itself(request) and paginator.bounded_count(queryset) > paginator.BOUND:
            for params in (self.params, self.filter_params):
                params.pop(ORDER_VAR, None)
            messages.warning(
                request,
                f"Narrow the list to {paginator.BOUND:,} sessions or fewer to sort it by that column.",
            )
            queryset = queryset.order_by(*NEWEST_FIRST)
        return queryset

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.periods = Periods.of(self)

    def _sorts_itself(self, request: HttpRequest) -> bool:
        """By another column than the time it started, whose index serves both directions."""
        columns = self.get_ordering_field_columns() if ORDER_VAR in self.params else {}
        return any(
            self.list_display[index] != "started" for index in columns if index < len(self.list_display)
        )
