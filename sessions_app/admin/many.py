"""What is done to many sessions of the list at once, and taken back."""

from collections.abc import Sequence
from typing import Any, Literal

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from sessions_app.admin.desk import SUGGESTED_TAGS, page, reviewer_of
from sessions_app.admin.saved_views import number_of
from sessions_app.admin.undoing import (
    Change,
    before,
    is_anothers,
    take_back,
    tell,
    tell_unchanged,
    tell_undone,
)
from sessions_app.admin.walk import list_url
from sessions_app.desk import acts
from sessions_app.desk.acts import ActRefused, Reviewer, TagsFull
from sessions_app.errors import SessionNotFound
from sessions_app.models import ReviewState, ReviewTag, Session
from sessions_app.review.text import visitor_name

AT_ONCE = 200
"""So many sessions take an action of the list at once."""
Act = Literal["state", "assign", "tag"]


def bulk(
    request: HttpRequest, sessions: QuerySet[Session], act: Act, made: str, what: str, *, here: str = ""
) -> None:
    """``what`` tells what was done, after the number of sessions that it changed; ``here``: the list's address."""
    by = reviewer_of(request)
    chosen = list(sessions[: AT_ONCE + 1])
    if len(chosen) > AT_ONCE:
        messages.error(request, f"At most {AT_ONCE} sessions at once. Choose fewer.")
        return
    changed: list[Session] = []
    full: list[TagsFull] = []
    for session in sorted(chosen, key=lambda one: one.pk):
        try:
            changed += [session] if _do(act, made, session.pk, by) else []
        except SessionNotFound:
            continue
        except TagsFull as refused:  # of this one alone
            full.append(refused)
        except ActRefused as refused:
            messages.error(request, str(refused))
            break
    if full:
        messages.error(
            request, f"{full[0]} {len(full)} of them {'has' if len(full) == 1 else 'have'} so many."
        )
    others = sum(is_anothers(session, by) for session in changed) if act == "state" else 0
    words = (
        f"{len(changed)} {'session' if len(changed) == 1 else 'sessions'} {what}.{_left_out(request, chosen)}"
    )
    if others:
        words += f" {others} of them {'is' if others == 1 else 'are'} assigned to somebody else."
    if not changed:
        tell_unchanged(request, words)
        return
    change = Change(act, made, {session.pk: before(act, session) for session in changed})
    tell(request, words, change, here=here or request.get_full_path(), warns=others > 0)


def _left_out(request: HttpRequest, found: Sequence[Session]) -> str:
    """Of those that were ticked: somebody did something since that took them from the list as it is filtered, and they stay so."""
    if request.POST.get("select_across") == "1":
        return ""
    ticked = set(request.POST.getlist(ACTION_CHECKBOX_NAME))
    gone = len(ticked - {session.pk for session in found})
    if not ticked or not gone:
        return ""
    of_them = f"{gone} that you chose {'is' if gone == 1 else 'are'} not in this list any more"
    return f" {of_them}: nothing was done with {'it' if gone == 1 else 'them'}."


def _do(act: Act, made: str, session_id: str, by: Reviewer) -> bool:
    """Whether that changed it. Raises `ActRefused`, `SessionNotFound`."""
    match act:
        case "state":
            return acts.set_state(session_id=session_id, state=ReviewState(made), by=by)
        case "assign":
            wanted = number_of(made)
            if made and wanted is None:
                raise ActRefused("That person cannot review sessions.")
            return acts.assign(session_id=session_id, assignee_id=wanted, by=by)
        case "tag":
            return acts.add_tag(session_id=session_id, name=made, by=by)


def ask_bulk(request: HttpRequest, model_admin: Any, sessions: QuerySet[Session]) -> HttpResponse:
    """Asks for the tag, or for whom to assign the chosen ones to."""
    reviewer_of(request)
    chosen = list(sessions.select_related("user")[: AT_ONCE + 1])
    if len(chosen) > AT_ONCE:
        messages.error(request, f"At most {AT_ONCE} sessions at once. Choose fewer.")
        return HttpResponseRedirect(list_url(request.GET.urlencode()))
    if left_out := _left_out(request, chosen).strip():
        messages.warning(request, left_out)
    if not chosen:
        return HttpResponseRedirect(list_url(request.GET.urlencode()))
    context = {
        "title": "Tag or assign",
        "chosen": [(session, visitor_name(session)) for session in chosen],
        "staff": acts.reviewers(),
        "known_tags": ReviewTag.objects.values_list("name", flat=True)[:SUGGESTED_TAGS],
        "back": request.GET.urlencode(),
    }
    return page(request, model_admin, "bulk", context)


@require_POST
def do_bulk(request: HttpRequest) -> HttpResponse:
    """Takes ``session`` (each id), ``tag`` and ``assignee`` (``keep``, nothing for nobody, or an id) from the form; or ``undo`` (a
    `Change`) and ``here`` (the address of the page that it was done from)."""
    if "undo" in request.POST:
        return _undo(request)
    reviewer_of(request)
    ids = [one.replace("\x00", "") for one in request.POST.getlist("session")[: AT_ONCE + 1]]
    sessions = Session.objects.filter(pk__in=ids).only("pk", "assignee_id")
    here = list_url(request.POST.get("back", ""))
    tag, assignee = request.POST.get("tag", ""), request.POST.get("assignee", "keep")
    if tag.strip():
        bulk(request, sessions, "tag", tag, "tagged", here=here)
    if assignee != "keep":
        bulk(request, sessions, "assign", assignee, f"assigned to {name_of(assignee)}", here=here)
    return HttpResponseRedirect(here)


def name_of(assignee: str) -> str:
    number = number_of(assignee)
    user = None if number is None else get_user_model()._default_manager.filter(pk=number).first()
    return user.get_username() if user else "nobody"


def _undo(request: HttpRequest) -> HttpResponse:
    by = reviewer_of(request)
    here = request.POST.get("here", "")
    try:
        text = request.POST["undo"].replace("\x00", "")
        undone, left = take_back(text, by)
    except ActRefused as refused:
        messages.error(request, str(refused))
    else:
        words = "Undone." if undone == 1 and not left else f"Undone for {undone} of {undone + left} sessions."
        words += " The others were changed by somebody since." if left else ""
        tell_undone(request, text, words, here=here, warns=left > 0)
    safe = url_has_allowed_host_and_scheme(here, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(here if safe else list_url(""))
