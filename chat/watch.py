"""The open sockets of this process and their credentials: when one ends, so does its socket."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from chat.errors import ChatError, CredentialsEnded
from identity.conf import conf
from identity.ends import ended_of
from identity.principal import Principal
from sessions_app.errors import DatabaseAway, SessionNotFound, SessionsError
from sessions_app.log.lifecycle import Visitor, owners_of
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

_LEAST_PAUSE_S = 0.2
"""What ends in one go (a person's ten keys, a crowd's cookies) is looked at in one go."""
_SESSIONS_A_QUERY = 500
"""Between two of them everybody else has a turn."""


class Watched(Protocol):
    """A socket, as it is watched."""

    principal: Principal
    visitor: Visitor

    @property
    def stored_session(self) -> str | None:
        """The id of its session, where that has a row."""

    def refuse(self, error: ChatError | SessionsError) -> None:
        """Tell it why, and close it."""


class Watch:
    """One per process. All methods but `look_soon` run on its event loop."""

    def __init__(self, belongs: Callable[[str, Visitor], None]) -> None:
        """``belongs`` is told whose a session is."""
        self._belongs = belongs
        self._sockets: set[Watched] = set()
        self._soon = asyncio.Event()

    def add(self, socket: Watched) -> None:
        self._sockets.add(socket)
        if socket.principal.expires_at is not None:
            self._soon.set()  # it may be the first to expire

    def discard(self, socket: Watched) -> None:
        self._sockets.discard(socket)

    def look_soon(self) -> None:
        self._soon.set()

    async def keep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s()):
                    await self._soon.wait()
            self._soon.clear()
            try:
                await self._look()
            except DatabaseAway:
                pass  # what is known holds until it can be asked
            except Exception:
                logger.exception("the credentials of open sockets cannot be looked at")
            await asyncio.sleep(_LEAST_PAUSE_S)

    def _patience_s(self) -> float:
        ends = (one.principal.expires_at for one in self._sockets)
        soonest = min((end for end in ends if end is not None), default=float("inf"))
        return max(0.0, min(conf().check_seconds, soonest - time.time()))

    async def _look(self) -> None:
        now = time.time()
        self._refuse(lambda one: one.principal.expires_at is not None and one.principal.expires_at <= now)
        asked = list(self._sockets)
        if not asked:
            return
        ended = await in_db_thread(ended_of, {one.principal for one in asked})
        self._refuse(lambda one: one.principal in ended)
        await self._look_at_sessions([one for one in asked if one in self._sockets])

    def _refuse(self, has_ended: Callable[[Watched], bool]) -> None:
        for socket in [one for one in self._sockets if has_ended(one)]:
            self._close(socket, CredentialsEnded())

    async def _look_at_sessions(self, sockets: list[Watched]) -> None:
        """One that was deleted is gone for everybody; one that is another's now, for who was let in as its owner."""
        followers: dict[str, list[Watched]] = {}
        for socket in sockets:
            if session_id := socket.stored_session:
                followers.setdefault(session_id, []).append(socket)
        ids = sorted(followers)
        for start in range(0, len(ids), _SESSIONS_A_QUERY):
            some = ids[start : start + _SESSIONS_A_QUERY]
            owners = await in_db_thread(owners_of, session_ids=some)
            for session_id in some:
                self._check(session_id, owners.get(session_id), followers[session_id])

    def _check(self, session_id: str, owner: Visitor | None, sockets: list[Watched]) -> None:
        if owner is not None:
            self._belongs(session_id, owner)
        for socket in sockets:
            if socket not in self._sockets:  # it left while the database was asked
                continue
            if owner is None:
                self._close(socket, SessionNotFound())
            elif not socket.visitor.owns(owner.as_owner(), session_id):
                self._close(socket, CredentialsEnded())

    def _close(self, socket: Watched, error: ChatError | SessionsError) -> None:
        self._sockets.discard(socket)
        socket.refuse(error)
