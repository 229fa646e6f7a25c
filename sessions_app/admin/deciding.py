"""Who of the staff may decide and step in, a tool call's yes or no, and how the page is told what came of an act."""

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from sessions_app import hooks
from sessions_app.errors import DecisionRefused, SessionsError
from sessions_app.models import Session

PERMISSIONS = ("sessions_app.operate_session", "sessions_app.change_session")
"""Either lets a member of staff decide: the second is the older one."""
OPERATE = "sessions_app.operate_session"
MAX_REASON_CHARS = 500


def may_decide(request: HttpRequest) -> bool:
    return any(request.user.has_perm(one) for one in PERMISSIONS)


def may_put_away(request: HttpRequest) -> bool:
    """What waits and is no approval: reviewers look at it, as those who step in do."""
    return request.user.has_perm("sessions_app.view_session") and any(
        request.user.has_perm(one) for one in (OPERATE, "sessions_app.review_session")
    )


def may_operate(request: HttpRequest) -> bool:
    return request.user.has_perm(OPERATE)


@require_POST
def decide(request: HttpRequest, session: Session, approval_id: str) -> HttpResponse:
    """Takes ``approve`` (yes or no), ``reason``, and ``back`` (the query of the transcript's page) from the form.

    Raises PermissionDenied.
    """
    if not may_decide(request):
        raise PermissionDenied
    approve = request.POST.get("approve") == "yes"
    try:
        hooks.decide_approval(
            hooks.Decision(
                session_id=session.pk,
                approval_id=approval_id,
                approve=approve,
                by=request.user.get_username(),
                staff_id=request.user.pk,
                reason=request.POST.get("reason", "").replace("\x00", "").strip()[:MAX_REASON_CHARS],
            )
        )
    except (DecisionRefused, SessionsError) as error:
        return answered(request, session, f"Nothing was decided. {error.message}", went_well=False)
    return answered(
        request, session, "Approved: the tool runs now." if approve else "Refused: the model is told."
    )


def answered(request: HttpRequest, session: Session, words: str, *, went_well: bool = True) -> HttpResponse:
    """To the page's own script, which shows it where one is; else the page anew, with the words above."""
    if request.accepts("application/json") and not request.accepts("text/html"):
        return JsonResponse({"words": words}, status=200 if went_well else 409)
    (messages.success if went_well else messages.error)(request, words)
    page = reverse("admin:sessions_app_session_change", args=[quote(session.pk)])
    return HttpResponseRedirect(f"{page}?{request.POST.get('back', '')}")
