"""What dead processes left undone: this one takes it over and does it, though nobody waits.

An orphan is an active session that no living process holds. Who comes back to one takes it over; where nobody does, and
it was asked for something, a server process adopts it, gives the answers that are left, and ends it after the grace like
any session that was left. See docs/decisions/0024-orphans-are-adopted.md.
"""

import asyncio
import logging
import random
import time

from chat.conf import conf
from chat.session.hub import Hub
from chat.session.session import Session
from chat.session.turns import asks_for_more
from sessions_app.errors import DatabaseAway
from sessions_app.log.leases import is_alive, unheld_sessions
from sessions_app.log.replay import read_history
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 2.5
_READ_PER_LOOK = 100
"""Orphans whose log is read in one look: after the death of a process with thousands of sessions, their clients come
back at the same time."""


class Orphans:
    """One per process."""

    def __init__(self, hub: Hub, *, process_id: str) -> None:
        self._hub = hub
        self._process_id = process_id
        self._held_since: float | None = None
        self._nothing_left: dict[str, int] = {}
        """Orphans that were asked for nothing more, with the epoch under which that was found: the sweep ends them."""
        self._adopted: list[Session] = []

    async def watch(self) -> None:
        while True:
            try:
                await self.look()
            except DatabaseAway:
                self._held_since = None
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Once. Raises `DatabaseAway`."""
        self._adopted = [one for one in self._adopted if one.answering]
        if not await self._may_tell_the_dead() or self._room() <= 0:
            return
        unheld = await in_db_thread(unheld_sessions)
        self._nothing_left = {
            one: epoch for one, epoch in self._nothing_left.items() if unheld.get(one) == epoch
        }
        unknown = [one for one in unheld if one not in self._nothing_left]
        random.shuffle(
            unknown
        )  # several processes look at the same time, and none may stumble over the same ones
        for session_id in unknown[:_READ_PER_LOOK]:
            if self._room() <= 0 or self._hub.closing:
                return
            if await in_db_thread(_asks_for_more, session_id):
                await self._adopt(session_id)
            else:
                self._nothing_left[session_id] = unheld[session_id]

    async def _may_tell_the_dead(self) -> bool:
        """Not right after the database was away: all leases have run out then, and the living need a moment to renew
        theirs. Nor while this process holds none itself."""
        if not await in_db_thread(is_alive, process_id=self._process_id):
            self._held_since = None
            return False
        self._held_since = self._held_since or time.monotonic()
        return time.monotonic() - self._held_since >= conf().sweep_pause_seconds

    def _room(self) -> int:
        return conf().orphans_at_once - len(self._adopted)

    async def _adopt(self, session_id: str) -> None:
        """One that cannot be adopted must not keep the others from it."""
        try:
            session = await self._hub.adopt(session_id)
        except DatabaseAway:
            raise
        except Exception:
            logger.exception("session %s: cannot be taken over", session_id)
            return
        if session and session.answering:
            logger.info("session %s: adopted, its questions are answered though nobody is there", session_id)
            self._adopted.append(session)


def _asks_for_more(session_id: str) -> bool:
    return asks_for_more(read_history(session_id=session_id))
