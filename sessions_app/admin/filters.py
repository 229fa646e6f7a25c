"""The session list's filters. Each has an index behind it, or is cheap without one (docs/decisions/0005, 0070)."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RadioFilter, RangeDateFilter

from sessions_app.admin.periods import day_of
from sessions_app.desk.acts import reviewers
from sessions_app.models import ReviewState, ReviewTag, Session, SessionTag
from sessions_app.selectors.choices import choices_on

MAX_TAGGED = 5_000
"""Of a tag the newest are gathered first, as a search does: a join lets the planner walk the table."""
_UNSEEN = ("-", "-")


def _only_sessions(request: HttpRequest) -> bool:
    """Nobody sees what the filter offers: it is asked to narrow, and no more."""
    return bool(getattr(request, "only_the_sessions", False))


def _named(request: HttpRequest, names: Callable[[], Sequence[str]]) -> list[tuple[str, str]]:
    """A filter that offers nothing narrows nothing either, so one that nobody sees offers something."""
    return [_UNSEEN] if _only_sessions(request) else [(name, name) for name in names()]


class StatusFilter(ChoicesDropdownFilter):  # type: ignore[misc]  # unfold has no types
    """Active or ended."""


class SummaryFilter(ChoicesDropdownFilter):  # type: ignore[misc]
    """The state of the summary."""


class ModelFilter(DropdownFilter):  # type: ignore[misc]
    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return _named(request, lambda: choices_on(request).models)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        return queryset.filter(model=self.value()) if self.value() else queryset


class AssistantFilter(DropdownFilter):  # type: ignore[misc]
    """With whom a session was begun."""

    title = "assistant"
    parameter_name = "assistant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return _named(request, lambda: choices_on(request).assistants)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        if not self.value():
            return queryset
        return queryset.filter(assistant=self.value()).exclude(assistant="")


class ErrorsFilter(RadioFilter):  # type: ignore[misc]
    title = "errors"
    parameter_name = "errors"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("yes", "With failed answers"), ("no", "Without")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        match self.value():
            case "yes":
                return queryset.filter(failed_responses__gt=0)
            case "no":
                return queryset.filter(failed_responses=0)
        return queryset


class FeedbackFilter(RadioFilter):  # type: ignore[misc]
    """By what users think of answers: `sessions_rated_bad` and `sessions_rated_good`."""

    title = "feedback"
    parameter_name = "feedback"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("bad", "Bad answers"), ("good", "Good answers")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        match self.value():
            case "bad":
                return queryset.filter(feedback_down__gt=0)
            case "good":
                return queryset.filter(feedback_up__gt=0)
        return queryset


class OutcomeFilter(ChoicesDropdownFilter):  # type: ignore[misc]
    """What became of what the user came for, as the summary has it."""


class SentimentFilter(ChoicesDropdownFilter):  # type: ignore[misc]
    """How the user felt, as the summary has it."""


class VisitorFilter(RadioFilter):  # type: ignore[misc]
    title = "who"
    parameter_name = "who"
    _kinds: ClassVar = {
        "user": Q(user__isnull=False),
        "guest": Q(user__isnull=True) & ~Q(guest_id=""),
        "anonymous": Q(user__isnull=True, guest_id=""),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("user", "Signed-in user"), ("guest", "Guest"), ("anonymous", "Anonymous program")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        kind = self._kinds.get(self.value() or "")
        return queryset.filter(kind) if kind is not None else queryset


class StartedFilter(RangeDateFilter):  # type: ignore[misc]
    """Days of the server's time zone, the last one included; what is no date narrows nothing."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        if since := self._midnight("_from"):
            queryset = queryset.filter(start_time__gte=since)
        if until := self._midnight("_to", days=1):
            queryset = queryset.filter(start_time__lt=until)
        return queryset

    def _midnight(self, end: str, days: int = 0) -> dt.datetime | None:
        day = day_of(self.used_parameters.get(self.parameter_name + end, ""))
        if day is None:
            return None
        try:
            return timezone.make_aware(dt.datetime.combine(day, dt.time()) + dt.timedelta(days=days))
        except OverflowError:
            return None


class ShownFilter(RadioFilter):  # type: ignore[misc]
    """Sessions in which nobody said anything are left out, unless somebody looks for one by name or asks for them."""

    title = "empty sessions"
    parameter_name = "show"
    all_option: ClassVar = ["", "Leave out"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("all", "Show them too"), ("empty", "Show only them")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        match self.value():
            case "all":
                return queryset
            case "empty":
                return queryset.filter(first_words="")
        return queryset if request.GET.get("q", "").strip() else queryset.exclude(first_words="")


class ReviewFilter(DropdownFilter):  # type: ignore[misc]
    title = "review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return list(ReviewState.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        return queryset.filter(review_state=self.value()) if self.value() else queryset


def reviewers_on(request: HttpRequest) -> list[Any]:
    """`reviewers`, asked once for a page."""
    staff: list[Any] | None = getattr(request, "_reviewers", None)
    if staff is None:
        staff = list(reviewers())
        request._reviewers = staff  # type: ignore[attr-defined]
    return staff


class AssigneeFilter(DropdownFilter):  # type: ignore[misc]
    title = "assignee"
    parameter_name = "assignee"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        others = () if _only_sessions(request) else reviewers_on(request)
        staff = [(str(user.pk), user.get_username()) for user in others if user.pk != request.user.pk]
        return [("me", "Me"), ("nobody", "Nobody"), *staff]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        match self.value():
            case None | "":
                return queryset
            case "me":
                return queryset.filter(assignee_id=request.user.pk)
            case "nobody":
                return queryset.filter(assignee__isnull=True)
            case str(key) if key.isascii() and key.isdigit() and len(key) < 10:
                return queryset.filter(assignee_id=int(key))
        return queryset.none()


class TagFilter(DropdownFilter):  # type: ignore[misc]
    title = "tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return _named(request, lambda: choices_on(request).tags)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        if not self.value():
            return queryset
        tag = ReviewTag.objects.filter(name=self.value().replace("\x00", "")).first()
        marks = SessionTag.objects.filter(tag=tag)
        ids = list(marks.order_by("-start_time").values_list("session_id", flat=True)[: MAX_TAGGED + 1])
        if len(ids) > MAX_TAGGED:
            words = f"More than {MAX_TAGGED:,} sessions have this tag. These are of its newest."
            messages.info(request, words)
        return queryset.filter(pk__in=ids[:MAX_TAGGED])
