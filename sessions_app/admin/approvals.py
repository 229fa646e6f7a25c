"""A member of staff says yes or no to a tool call that waits for it. The session's own process hears of it by a hook."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from sessions_app import hooks
from sessions_app.errors import DecisionRefused, SessionsError
from sessions_app.models import Session

PERMISSION = "sessions_app.change_session"
MAX_REASON_CHARS = 500


def may_decide(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


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
                reason=request.POST.get("reason", "").replace("\x00", "").strip()[:MAX_REASON_CHARS],
            )
        )
    except (DecisionRefused, SessionsError) as error:
        messages.error(request, f"Nothing was decided. {error.message}")
    else:
        messages.success(
            request, "Approved: the tool runs now." if approve else "Refused: the model is told."
        )
    page = reverse("admin:sessions_app_session_change", args=[session.pk])
    return HttpResponseRedirect(f"{page}?{request.POST.get('back', '')}")
