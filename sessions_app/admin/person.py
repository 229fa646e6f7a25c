"""The page of one person: a user, a guest, or one of a shop's own users; who they are, and their sessions."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.paginator import EmptyPage, Page, PageNotAnInteger
from django.db.models import Avg, Case, Count, F, Max, Q, QuerySet, Sum, When
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from sessions_app.admin.changelist import NEWEST_FIRST, BoundedPaginator
from sessions_app.admin.desk import page
from sessions_app.admin.person_address import EXTERNAL, USER, address, person_at
from sessions_app.admin.person_story import story_of
from sessions_app.admin.saved_views import may_review
from sessions_app.admin.walk import PERSON, session_url
from sessions_app.admin.way import back_of_person
from sessions_app.models import ReviewState, Session, SessionStatus
from sessions_app.privacy.people import Person

COUNTED = 1_000
"""Figures are of so many of the newest sessions."""
PER_PAGE = 30
PERIOD = timedelta(days=30)
"""What went on lately is held against the time before it, which is as long."""
MAX_NAMES = 50


@dataclass(frozen=True)
class Who:
    person: Person
    name: str
    kind: str
    details: list[tuple[str, Any]]
    account_url: str = ""


@require_safe
def person_page(request: HttpRequest, model_admin: Any, kind: str) -> HttpResponse:
    """Takes ``key`` from the address. Raises PermissionDenied, and Http404 for somebody who never talked here and has no account."""
    if not request.user.has_perm("sessions_app.view_session"):
        raise PermissionDenied
    key = request.GET.get("key", "").replace("\x00", "")
    who = _who(request, kind, key)
    only = request.GET.get("only", "")
    sessions = _narrowed(who.person.sessions(), only).defer("summary").select_related("user")
    sessions = sessions.order_by(*NEWEST_FIRST)
    paginator = BoundedPaginator(sessions, PER_PAGE)
    try:
        shown = paginator.page(request.GET.get("page", 1))
    except (EmptyPage, PageNotAnInteger):
        shown = paginator.page(1)
    if not paginator.count and kind != USER and only not in _ONLY:
        raise Http404("Nobody of that name has talked here.")
    here = f"{kind}?{request.GET.urlencode()}"
    back_url, back_words = back_of_person(request)
    rows: list[Any] = list(shown.object_list)
    for row in rows:
        row.url = session_url(row.pk, **{PERSON: here})
        row.messages = row.user_messages + row.assistant_messages
    context = {
        "title": f"Person: {who.name}",
        "back_url": back_url,
        "back_words": back_words,
        "rows": rows,
        "pages": {"newer": _page_of(request, shown, -1), "older": _page_of(request, shown, 1)},
        "may_review": may_review(request),
        "who": who,
        "sessions": shown,
        "count": paginator.count,
        "overflows": paginator.overflows,
        "only": only if only in _ONLY else "",
        "urls": {name or "all": _url_of(request, name) for name in ("", *_ONLY)},
        "story": story_of(_newest(who.person.sessions()), here),
        "figures": _figures(who.person.sessions()),
        "others": _users_of_a_shop(who.person, here) if kind == USER else [],
        "counted": COUNTED,
    }
    return page(request, model_admin, "person", context)


def _who(request: HttpRequest, kind: str, key: str) -> Who:
    person = person_at(kind, key)
    if person is None:
        raise Http404("There is no such person.")
    if person.guest_id:
        return Who(person, f"Guest {key[:8]}", "A guest, known by a cookie", [("Guest id", key)])
    user = get_user_model()._default_manager.filter(pk=person.user_id or 0).first()
    if user is None:
        raise Http404("There is no such person.")
    if kind == EXTERNAL:
        kind_words = f"A user of {user.get_username()}"
        return Who(person, person.external_user_id, kind_words, [], address(USER, str(user.pk)))
    details: list[tuple[str, Any]] = [("Name", user.get_full_name()), ("Since", user.date_joined)]
    account_url = ""
    if request.user.has_perm("auth.view_user"):
        details += [("E-mail", user.email or "none"), ("Last sign-in", user.last_login)]
        account_url = reverse("admin:auth_user_change", args=[user.pk])
    kind_words = "Staff" if user.is_staff else "A signed-in user"
    known = [(label, value) for label, value in details if value]
    return Who(person, user.get_username(), kind_words, known, account_url)


def _page_of(request: HttpRequest, shown: Page[Session], step: int) -> str:
    """The address of the page after this one, or before it; empty: there is none."""
    if not (shown.has_next() if step > 0 else shown.has_previous()):
        return ""
    query = request.GET.copy()
    query["page"] = str(shown.number + step)
    return f"?{query.urlencode()}"


def _url_of(request: HttpRequest, only: str) -> str:
    query = request.GET.copy()
    for name in ("page", "only"):
        query.pop(name, None)
    if only:
        query["only"] = only
    return f"?{query.urlencode()}"


_WAITS = Q(review_state=ReviewState.NEW, status=SessionStatus.ENDED) & ~Q(first_words="")
_ONLY = {
    "failed": Q(failed_responses__gt=0),
    "review": _WAITS,
    "flagged": Q(review_state=ReviewState.FLAGGED),
}
"""What a figure counts, by the word of it that an address has."""


def _narrowed(sessions: QuerySet[Session], only: str) -> QuerySet[Session]:
    """Of the newest ones, as the figures are."""
    if only not in _ONLY:
        return sessions
    newest = sessions.order_by(*NEWEST_FIRST).values("pk")[:COUNTED]
    return Session.objects.filter(_ONLY[only], pk__in=newest)


def _newest(sessions: QuerySet[Session]) -> QuerySet[Session]:
    found = Session.objects.filter(pk__in=sessions.order_by(*NEWEST_FIRST).values("pk")[:COUNTED])
    return found.order_by(*NEWEST_FIRST)


def _figures(sessions: QuerySet[Session]) -> dict[str, Any]:
    newest = _newest(sessions).order_by()
    recent = Q(start_time__gte=Now() - PERIOD)
    before = Q(start_time__gte=Now() - 2 * PERIOD) & ~recent
    bad = Q(feedback_down__gt=0)
    return newest.aggregate(
        messages=Sum(F("user_messages") + F("assistant_messages"), default=0),
        failed=Sum("failed_responses", default=0),
        flagged=Count("pk", filter=_ONLY["flagged"]),
        sessions=Count("pk"),
        to_review=Count("pk", filter=_WAITS),
        score=Avg("review__score"),
        last_seen=Max(Case(When(status=SessionStatus.ENDED, then="end_time"), default="last_event_at")),
        cost=Sum("cost_microusd", default=0),
        unpriced=Sum("unpriced", default=0),
        recent=Count("pk", filter=recent),
        before=Count("pk", filter=before),
        recent_bad=Count("pk", filter=recent & bad),
        before_bad=Count("pk", filter=before & bad),
    )


def _users_of_a_shop(person: Person, here: str) -> list[tuple[str, str]]:
    """(name, page) of those with whom the newest sessions were."""
    newest = person.sessions().exclude(external_user_id="").order_by(*NEWEST_FIRST)
    names = dict.fromkeys(newest.values_list("external_user_id", flat=True)[:COUNTED])
    way = {PERSON: here}
    return [(name, address(EXTERNAL, f"{person.user_id}:{name}", **way)) for name in list(names)[:MAX_NAMES]]
