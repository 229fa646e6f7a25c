"""What staff do in a conversation that goes on, from its page: stop, whisper (and take that back), take over, answer as a person, hand back."""

import contextlib
import re

from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from sessions_app import hooks
from sessions_app.admin.deciding import answered, may_operate
from sessions_app.desk.acts import Reviewer, stepped
from sessions_app.errors import DecisionRefused, SessionNotFound, SessionsError
from sessions_app.hooks import Act
from sessions_app.log.replay import operator_now
from sessions_app.models import ReviewAct, Session

MAX_CHARS = 20_000
_DONE = {
    Act.STOP: "The answer was stopped.",
    Act.WHISPER: "The model reads it before its next answer.",
    Act.WITHDRAW: "Taken back: the model does not read it.",
    Act.TAKE_OVER: "You answer from here on; the customer is told that a person does.",
    Act.SPEAK: "Sent.",
    Act.HAND_BACK: "The model answers again.",
}
_IN_HISTORY = {Act.TAKE_OVER: ReviewAct.TOOK_OVER, Act.HAND_BACK: ReviewAct.HANDED_BACK}
_WITH_WORDS = (Act.WHISPER, Act.SPEAK)
_NONCE = re.compile(r"[0-9a-f]{32}")


def _nonce_of(request: HttpRequest) -> str:
    """Each form has one of its own: what it sends twice, because no answer came, is said once."""
    nonce = request.POST.get("nonce", "")
    return nonce if _NONCE.fullmatch(nonce) else ""


@require_POST
def steer(request: HttpRequest, session: Session) -> HttpResponse:
    """Takes ``act`` (an `Act`), ``text`` for those that have words, ``nonce`` (where it has one), and ``back`` (the query of the page)
    from the form.

    Raises PermissionDenied, BadRequest.
    """
    if not may_operate(request):
        raise PermissionDenied
    try:
        act = Act(request.POST.get("act", ""))
    except ValueError as error:
        raise BadRequest("There is no such act.") from error
    text = request.POST.get("text", "").replace("\x00", "").strip()
    if act in _WITH_WORDS and not text:
        return answered(request, session, "Write something first.", went_well=False)
    if len(text) > MAX_CHARS:
        return answered(request, session, f"At most {MAX_CHARS:,} characters at once.", went_well=False)
    me = request.user.get_username()
    held_by = operator_now(session_id=session.pk)
    try:
        hooks.step_in(
            hooks.Step(
                session_id=session.pk,
                act=act,
                by=me,
                text=text,
                item_id=request.POST.get("item", "").replace("\x00", ""),
                nonce=_nonce_of(request),
            )
        )
    except (DecisionRefused, SessionsError) as error:
        return answered(request, session, error.message, went_well=False)
    if act in _IN_HISTORY and not (act == Act.TAKE_OVER and held_by == me):
        with contextlib.suppress(SessionNotFound):  # erased meanwhile
            stepped(session_id=session.pk, act=_IN_HISTORY[act], by=Reviewer(request.user.pk, me))
    return answered(request, session, _DONE[act])
