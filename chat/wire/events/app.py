"""``GET /api/sessions/ID/stream``: a session's log as server-sent events, for a browser's own `EventSource`: docs/http.md.

An `EventSource` sends no headers of its own, connects again after every end of the body with the last ``id`` that it has, and
stays away only after 204, or a status that is no success.
"""

import contextlib
import re
from collections.abc import AsyncGenerator

from chat.errors import ChatError, CredentialsInvalid, FrameError
from chat.wire.auth import check_origin
from chat.wire.events.follow import LogFollower
from chat.wire.http.exchange import Aborted, ClientGone, Exchange, event_bytes
from chat.wire.http.serving import HttpApi, route
from chat.wire.http.visit import Visit, let_in
from chat.wire.responses.answers import Reading
from identity.guests import holds_secret
from identity.keys import KEY
from sessions_app.errors import InvalidSessionId, SessionNotFound, SessionsError
from sessions_app.ids import check_session_id
from sessions_app.log import events as ev
from sessions_app.log.lookup import is_there
from sessions_app.postgres.threads import in_db_thread
from sessions_app.review.told import all_told, encode

PATHS = re.compile(r"/api/sessions/[^/]*/stream/?")
DIALECT = "events"
_SEQ = re.compile(r"[0-9]{1,15}")


class NothingRunsError(Exception):
    """There is nothing more to wait for."""


class _Events:
    """What is told of the log, as `Reading` asks for it; the first page is there already."""

    def __init__(self, follower: LogFollower) -> None:
        self._follower = follower

    async def events(self) -> AsyncGenerator[list[ev.JSON], None]:
        async with contextlib.aclosing(self._follower.events()) as pages:
            async for records in pages:
                if events := all_told(records):
                    yield events


class _Reading(Reading):
    def __init__(self, one: Exchange, visit: Visit, follower: LogFollower) -> None:
        super().__init__(one, visit, _Events(follower), render=_told)
        self._log = follower

    async def _quiet(self) -> None:
        """Raises `NothingRunsError` as well."""
        await super()._quiet()
        if not await self._log.runs():
            raise NothingRunsError


def _told(event: ev.JSON) -> bytes:
    return event_bytes(encode(event), cursor=str(event["seq"]))


async def stream(one: Exchange, visit: Visit, session_id: str) -> None:
    """Raises `Aborted` where it breaks off: who comes again goes on at the very next event."""
    await _check_may(one, visit, session_id)
    follower = LogFollower(visit, session_id, after=_cursor(one))
    if await follower.nothing_is_left():
        await one.nothing()
        return
    try:
        await one.begin_stream()
        with contextlib.suppress(NothingRunsError):
            await _Reading(one, visit, follower).until_over()
        await one.end_stream()
    except ClientGone:
        return
    except (ChatError, SessionsError) as error:
        raise Aborted from error


async def _check_may(one: Exchange, visit: Visit, session_id: str) -> None:
    """Raises `SessionNotFound`, also for another's; `CredentialsInvalid` where nothing at all is shown."""
    try:
        check_session_id(session_id)
    except InvalidSessionId:
        raise SessionNotFound from None
    if holds_secret(session_id, one.first("resume_token") or ""):
        visit.knows_secret_of(session_id)
    elif visit.is_nobody:
        raise CredentialsInvalid
    if not await in_db_thread(is_there, session_id=session_id, visitor=visit.visitor):
        raise SessionNotFound


def _cursor(one: Exchange) -> int:
    """Raises `FrameError`."""
    given = one.headers.get("last-event-id") or one.first("after") or "0"
    if not _SEQ.fullmatch(given):
        raise FrameError(
            "after, or Last-Event-ID, is the seq of the last event that you have.",
            code="invalid_cursor",
            param="after",
        )
    return int(given)


class _EventsApi(HttpApi):
    async def before(self, one: Exchange) -> bool:
        """Raises `OriginRefused`."""
        return await let_in(one, methods="GET", headers="authorization, last-event-id")

    def shown(self, one: Exchange) -> dict[str, str]:
        """A header, else a token in the address, else a cookie: of a page of this server's, for nobody else could read the answer.
        Raises `CredentialsInvalid`."""
        if authorization := one.headers.get("authorization"):
            return {"authorization": authorization}
        if token := one.first("token"):
            if token.startswith(KEY):
                raise CredentialsInvalid(
                    "An API key is not for addresses, which are written down everywhere. Make a client secret with it."
                )
            return {"authorization": f"Bearer {token}"}
        cookie = {"cookie": one.headers["cookie"]} if "cookie" in one.headers else {}
        if "origin" not in one.headers:
            return cookie
        about = {"origin": one.headers["origin"], "host": one.headers.get("host", ""), **cookie}
        return check_origin(about)


events_application = _EventsApi([route("GET", "/api/sessions/ID/stream", stream)], dialect=DIALECT)
"""Held by `/api/openapi.json` as well: `chat.api.stream`."""
