"""``POST /api/sessions/ID/feedback``: a word on an answer from somebody who has no socket open, its session ended or not."""

import asyncio
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from typing import Annotated, Literal

import msgspec
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST
from msgspec import Meta

from chat.errors import ChatError, FrameError, ShuttingDown
from chat.page.own_data import for_its_owner, not_theirs
from chat.page.views import error_response
from chat.runtime import running, runtime
from chat.session.commands import GiveFeedback
from chat.session.feedback import check, rate_in_ended
from chat.session.opening import for_its_owner as join_of
from chat.session.subscribers import Guest
from chat.wire.realtime.checks import check_nul, invalid, parse_object
from sessions_app.errors import DatabaseAway, SessionElsewhere
from sessions_app.ids import new_id
from sessions_app.log.lifecycle import owner_of
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.people import Person

_SECONDS = 15.0
_MAX_BYTES = 64 * 1024
_TRIES = 3
"""A session may begin again, or end, while it is looked at."""


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    item_id: Annotated[str, Meta(min_length=1, max_length=128)]
    rating: Literal["up", "down", "none"]
    reason: Annotated[str, Meta(max_length=64)] | None = None
    comment: str | None = None


@require_POST
@for_its_owner
def feedback(request: HttpRequest, person: Person, session_id: str) -> HttpResponseBase:
    """200 with what counts from now on; 404 where the session is not theirs, or has no such answer."""
    if not person.sessions().filter(pk=session_id, erased_at__isnull=True).exists():
        return not_theirs()
    try:
        command = _command(request)
        check(command)
        _carry_out(session_id, command)
    except ChatError as error:
        return error_response(_status(error), error.code, error.message)
    except SessionElsewhere as error:
        return error_response(503, error.code, error.message)
    return JsonResponse({name: getattr(command, name) for name in ("item_id", "rating", "reason", "comment")})


def _command(request: HttpRequest) -> GiveFeedback:
    """Raises `FrameError`."""
    try:
        text = request.body[: _MAX_BYTES + 1].decode()
    except UnicodeDecodeError:
        raise FrameError("The body is not JSON in UTF-8.") from None
    value = parse_object(text)
    check_nul(text, value)
    try:
        word = msgspec.convert(value, Word)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error
    return GiveFeedback(
        item_id=word.item_id, rating=word.rating, reason=word.reason or "", comment=word.comment or ""
    )


def _status(error: ChatError) -> int:
    if error.code == "item_not_found":
        return 404
    return 503 if isinstance(error, ShuttingDown) else 400


def _carry_out(session_id: str, command: GiveFeedback) -> None:
    """Raises a `ChatError`, or a `SessionsError` that a second try may not meet."""
    for _ in range(_TRIES):
        if rate_in_ended(session_id, command):
            return None
        try:
            return _tell_the_live_one(session_id, command)
        except SessionElsewhere:  # it has ended meanwhile, or another process took it
            continue
    raise SessionElsewhere


def _tell_the_live_one(session_id: str, command: GiveFeedback) -> None:
    server = running()
    if server is None:
        raise ShuttingDown
    try:
        asyncio.run_coroutine_threadsafe(_visit(session_id, command), server.loop).result(_SECONDS)
    except FutureTimeoutError:
        raise DatabaseAway from None


async def _visit(session_id: str, command: GiveFeedback) -> None:
    """Where it lives, and only if it goes on."""
    owner = await in_db_thread(owner_of, session_id=session_id)
    visit = Guest(new_id("conn"), "http")
    session = await (await runtime()).hub.join(
        visit, replace(join_of(session_id, owner), source="http", reopen=False)
    )
    try:
        await session.do(command)
    finally:
        session.detach(visit, 1000)
