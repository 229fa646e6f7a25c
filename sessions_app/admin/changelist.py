"""What the admin's lists share: paging that costs the same at a million rows, typed columns, read-only models; and the
session list's order and drill-down by date."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Page, Paginator
from django.db import connections
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import Http404, HttpRequest
from django.utils.functional import cached_property
from django.utils.http import urlencode
from unfold.decorators import display
from unfold.views import ChangeList

from sessions_app.admin.hits import Hit, rows_of
from sessions_app.admin.periods import Periods
from sessions_app.admin.search import said_term, words_of
from sessions_app.selectors.choices import choices_on

# Counting a million rows takes 110 ms and an OFFSET of a million 2.4 s, so neither is ever done: rows are
# counted up to `BOUND`, and what lies beyond is reached by narrowing the list (a date, a filter, a search).


BOUND = 10_000
FOUND_PER_PAGE = 25
_FAR = 5
"""Pages up to this one are read as they are."""


def bounded_count(queryset: QuerySet[Any]) -> int:
    """How many rows, at most ``BOUND + 1``."""
    return queryset.order_by()[: BOUND + 1].count()


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Pages over the first `BOUND` rows. ``overflows``: there are more of them."""

    template_name = "admin/pagination_bounded.html"
    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return min(self._counted, BOUND)

    @property
    def overflows(self) -> bool:
        return self._counted > BOUND

    def page(self, number: int | str) -> Page[Any]:
        """The rows before it are skipped in an index, where there is one, and not read."""
        found = super().page(number)
        if found.number > _FAR:
            rows: Any = found.object_list
            keys = list(rows.values_list("pk", flat=True))
            found.object_list = self.object_list.filter(pk__in=keys)
        return found

    @cached_property
    def estimate(self) -> int | None:
        """About how many rows there are: the database's own guess, kept by its vacuum. None when filtered or unknown."""
        if self.object_list.query.where:
            return None
        connection = connections[self.object_list.db]
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(self.object_list.model._meta.db_table)
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [table])
            row = cursor.fetchone()
        return int(row[0]) if row and row[0] > BOUND else None

    @cached_property
    def _counted(self) -> int:
        return bounded_count(self.object_list)


Method = TypeVar("Method", bound=Callable[..., Any])


def column(
    title: str,
    *,
    ordering: str | Combinable | None = None,
    empty_value: str | None = None,
    tones: Mapping[str, str] | None = None,
) -> Callable[[Method], Method]:
    """``tones`` makes it a coloured label: the method returns a key of it, or (key, text)."""
    decorator = display(description=title, ordering=ordering, empty_value=empty_value, label=tones)
    return cast("Callable[[Method], Method]", decorator)


class ReadOnlyAdminMixin:
    """Whoever has the model's ``view`` permission may read; nobody, superuser or not, may write."""

    model: Any
    opts: Any

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.view_{self.opts.model_name}")

    def object_or_404(self, request: HttpRequest, object_id: str, *related: str) -> Any:
        """The object for a page of its own. Raises PermissionDenied for who may not read it and for every write."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return self.readable_or_404(request, object_id, *related)

    def readable_or_404(self, request: HttpRequest, object_id: str, *related: str) -> Any:
        """The object, whatever is to be done with it. Raises PermissionDenied for who may not read it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            key = self.opts.pk.to_python(unquote(object_id))
        except (ValidationError, ValueError):
            found = None
        else:
            found = self.model.objects.select_related(*related).filter(pk=key).first()
        if found is None:
            raise Http404(f"There is no {self.opts.verbose_name} with the id {unquote(object_id)}.")
        return found


NEWEST_FIRST = ("-start_time", "-session_id")


class BoundedChangeList(ChangeList):  # type: ignore[misc]  # unfold has no types
    """A list that is paged by `BoundedPaginator`: it says "12 results, show all" only where that is so. Who was on its last page when that
    was emptied, by them or by others, is on the one before it, with the same filters."""

    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
            if self.page_num <= paginator.num_pages:
                raise
            self.page_num: int = paginator.num_pages
            super().get_results(request)
        if not (self.query or self.has_active_filters) or self.paginator.overflows:
            self.full_result_count = self.result_count


class SessionChangeList(BoundedChangeList):
    """Newest first. Another order sorts all that matches, so it is for at most `BOUND` sessions."""

    def get_filters(self, request: HttpRequest) -> Any:
        try:
            return super().get_filters(request)
        except (ValueError, OverflowError) as error:  # Django's own of the last year that there is
            raise IncorrectLookupParameters from error

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        queryset: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        if self._sorts_itself(request) and bounded_count(queryset) > BOUND:
            for params in (self.params, self.filter_params):
                params.pop(ORDER_VAR, None)
            messages.warning(
                request,
                f"Narrow the list to {BOUND:,} sessions or fewer to sort it by that column.",
            )
            queryset = queryset.order_by(*NEWEST_FIRST)
        return queryset

    def get_results(self, request: HttpRequest) -> None:
        if self.query:  # each row has its excerpt then, which is dear to find and long to read
            self.list_per_page: int = min(self.model_admin.list_per_page, FOUND_PER_PAGE)
        super().get_results(request)
        self.periods = Periods.of(self, choices_on(request).span)
        self.result_list: list[Any] = rows_of(
            list(self.result_list), getattr(request, "session_search", None)
        )
        reviews = request.user.has_perm("sessions_app.review_session")
        for row in self.result_list:
            row.list_query = request.GET.urlencode()
            row.may_review = reviews
            row.waits_for_you = row.waits_for == request.user.get_username()
        self.words = " ".join(words_of(self.query))

    @property
    def said_query(self) -> str:
        """The address of the same list with the words looked for in what was said; empty: there is no such search."""
        term = said_term(self.query)
        return self.get_query_string({SEARCH_VAR: term}, [PAGE_VAR]) if term else ""

    def url_for_result(self, result: Any) -> str:
        """To the very place where the words were said, if the session was found by them."""
        url: str = super().url_for_result(result)
        hit: Hit | None = getattr(result, "hit", None)
        return f"{url}?{urlencode({'hit': str(hit.seq), 'words': self.words})}" if hit and hit.seq else url

    def _sorts_itself(self, request: HttpRequest) -> bool:
        """By another column than the time it started, whose index serves both directions."""
        columns = self.get_ordering_field_columns() if ORDER_VAR in self.params else {}
        return any(
            self.list_display[index] != "started" for index in columns if index < len(self.list_display)
        )
