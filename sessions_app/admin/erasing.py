"""Erasing from the admin: the chosen sessions are shown once more, then what was said in them goes."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from sessions_app.models import EraseActor, EraseScope, Erasure, Session
from sessions_app.privacy.erase import By, erase_person, erase_sessions
from sessions_app.privacy.people import Person

PERMISSION = "sessions_app.erase_session"
MOST_AT_ONCE = 100
"""One request erases so many at most; a person with more of them is erased by `manage.py erase --user`."""


def may_erase(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


def erasure_of(session: Session) -> Erasure | None:
    """The last word on what was erased of it."""
    if not (session.erased_at or session.tool_data_erased_at):
        return None
    scope = EraseScope.WORDS if session.erased_at else EraseScope.TOOL_DATA
    found = Erasure.objects.select_related("staff").filter(session_id=session.pk, scope=scope)
    return found.first()


@dataclass(frozen=True)
class Chosen:
    """A line of the page that asks: a session, or all that a user said."""

    field: str
    key: str
    title: str
    more: str


def confirm_sessions(request: HttpRequest, model_admin: Any, sessions: QuerySet[Session]) -> HttpResponse:
    """What each is called, often its user's first words, is for those alone who may see it."""
    may_see = request.user.has_perm("sessions_app.view_session")
    found = sessions.filter(erased_at__isnull=True)[: MOST_AT_ONCE + 1]
    chosen = [Chosen("session", one.pk, one.heading if may_see else "", one.pk) for one in found]
    return _confirm(request, model_admin, chosen)


def confirm_people(request: HttpRequest, model_admin: Any, users: QuerySet[User]) -> HttpResponse:
    due = [(user, _due(user)) for user in users[: MOST_AT_ONCE + 1]]
    chosen = [
        Chosen("user", str(user.pk), user.get_username(), f"{sessions:,} sessions")
        for user, sessions in due
        if sessions
    ]
    return _confirm(request, model_admin, chosen)


def _due(user: User) -> int:
    return Person(user_id=user.pk).sessions().filter(erased_at__isnull=True).count()


def _confirm(request: HttpRequest, model_admin: Any, chosen: list[Chosen]) -> HttpResponse:
    if len(chosen) > MOST_AT_ONCE:
        messages.error(request, f"At most {MOST_AT_ONCE} are erased at once. Choose fewer.")
        return _back(request)
    if not chosen:
        messages.info(request, "There is nothing left to erase.")
        return _back(request)
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Erase what was said",
        "chosen": chosen,
        "back": _list_of(request),
    }
    return TemplateResponse(request, "admin/sessions_app/session/erase.html", context)


@require_POST
def erase(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Takes ``session`` and ``user`` (each id), and ``back``, the page to go on to, from the form; without ``sure`` it asks first. Raises PermissionDenied."""
    if not may_erase(request):
        raise PermissionDenied
    ids = [one.replace("\x00", "") for one in request.POST.getlist("session")[: MOST_AT_ONCE + 1]]
    if "sure" not in request.POST:
        return confirm_sessions(request, model_admin, Session.objects.filter(pk__in=ids))
    by = By(actor=EraseActor.STAFF, staff_id=request.user.pk)
    chosen = erase_sessions(ids[:MOST_AT_ONCE], by=by)
    if chosen.failed:
        messages.error(request, f"{chosen.failed} could not be erased: the server's log says why.")
    erased = chosen.erased
    for text in request.POST.getlist("user")[:MOST_AT_ONCE]:
        tally = erase_person(person=Person(user_id=_number(text)), by=by, limit=MOST_AT_ONCE)
        erased += tally.erased
        if tally.left or tally.failed:
            words = f"{tally.left:,} sessions of that user are left: erase again. {tally.failed} could not be erased."
            messages.warning(request, words)
    messages.success(request, f"Sessions whose words are erased: {erased}.")
    return _back(request)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _back(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(_list_of(request))


def _list_of(request: HttpRequest) -> str:
    """From which they were chosen, with its filters: the page of an action, then its form's ``back``."""
    plain = reverse("admin:sessions_app_session_changelist")
    back = request.POST.get("back", "") or (request.get_full_path() if "action" in request.POST else plain)
    allowed = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if allowed else plain
