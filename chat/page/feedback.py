"""``POST /api/sessions/ID/feedback``: a word on an answer from somebody who has no socket open, its session ended or not."""

from typing import Annotated, Literal

import msgspec
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST
from msgspec import Meta

from chat.errors import ChatError, ItemNotFound
from chat.page.own_data import body_as, for_its_owner, not_theirs
from chat.page.views import error_response
from chat.runtime import carried_out, runtime
from chat.session.commands import GiveFeedback
from chat.session.feedback import check, rate_in_ended
from chat.session.relay_messages import RemoteError
from sessions_app.errors import DatabaseAway, SessionElsewhere, SessionNotFound, SessionOver, SessionsError
from sessions_app.privacy.people import Person

_TRIES = 3
"""A session may begin again, or end, while it is looked at."""
_LOOK_AGAIN = (SessionElsewhere.code, SessionOver.code)
_NOT_THERE = (ItemNotFound.code, SessionNotFound.code)


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    item_id: Annotated[str, Meta(min_length=1, max_length=128)]
    rating: Literal["up", "down", "none"]
    reason: Annotated[str, Meta(max_length=64)] | None = None
    comment: str | None = None


@require_POST
@for_its_owner
def feedback(request: HttpRequest, person: Person, session_id: str) -> HttpResponseBase:
    """200 with what counts from now on; 404 where the session is not theirs, or has no such answer; 503 for what may succeed
    in a moment."""
    if not person.sessions().filter(pk=session_id, erased_at__isnull=True).exists():
        return not_theirs()
    try:
        command = _command(request)
        check(command)
        _carry_out(session_id, command)
    except (ChatError, SessionsError) as error:
        return error_response(_status(error), error.code, error.message)
    return JsonResponse({name: getattr(command, name) for name in ("item_id", "rating", "reason", "comment")})


def _command(request: HttpRequest) -> GiveFeedback:
    """Raises `FrameError`."""
    word = body_as(request, Word)
    return GiveFeedback(
        item_id=word.item_id, rating=word.rating, reason=word.reason or "", comment=word.comment or ""
    )


def _status(error: ChatError | SessionsError) -> int:
    if error.code in _NOT_THERE:
        return 404
    return 503 if error.retryable or isinstance(error, SessionsError) else 400


def _carry_out(session_id: str, command: GiveFeedback) -> None:
    """Raises a `ChatError`, or a `SessionsError` that a second try may not meet."""
    for _ in range(_TRIES):
        if rate_in_ended(session_id, command):
            return None
        try:
            return _tell_the_live_one(session_id, command)
        except (SessionElsewhere, SessionOver):  # it has ended meanwhile, or another process took it
            continue
        except RemoteError as error:
            if error.code not in _LOOK_AGAIN:
                raise
    raise SessionElsewhere


def _tell_the_live_one(session_id: str, command: GiveFeedback) -> None:
    try:
        carried_out(_tell(session_id, command))
    except TimeoutError:
        raise DatabaseAway from None


async def _tell(session_id: str, command: GiveFeedback) -> None:
    """Where it lives, without being in it: what is refused leaves no trace, and nothing keeps it from its end."""
    await (await runtime()).gallery.act(session_id, command)
