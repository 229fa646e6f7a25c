"""The sessions that are about to end: those that everybody has left, once their grace is over, and those that were closed.

A crowd leaves in one instant. It is ended by a few at a time, in the order of its going, so that neither the event loop
nor the database has the whole crowd at once: whoever talks, joins or comes back meanwhile is served beside it.
"""

import asyncio
import ctypes
import gc
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from chat.session.session import Session
from chat.supervision import Tasks
from sessions_app.conf import conf
from sessions_app.log import events as ev

logger = logging.getLogger(__name__)

End = Callable[[Session, ev.EndReason], Awaitable[None]]
"""Ends a session for a reason; without effect when it need not end any more."""

_CROWD = 500
"""Sessions: of fewer the memory is not worth a collection."""
_TO_ONE_THAT_STAYS = 10
_SETTLE_S = 2.0
"""Until the last ones are written, and their timers over."""
_STILL_GOING = 50
"""Sessions that ended within `_SETTLE_S`: with more of them the crowd is not gone yet."""
_trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _pad: 0)
"""The C library's own (glibc): what was freed goes back to the system."""


class Departures:
    def __init__(self, end: End, *, staying: Callable[[], int]) -> None:
        """``staying``: how many sessions are here."""
        self._end = end
        self._staying = staying
        self._gone = 0
        self._giving_back: asyncio.TimerHandle | None = None
        self._left: dict[str, tuple[float, Session]] = {}
        """In the order in which they are due: the grace is the same for all."""
        self._closed: deque[Session] = deque()
        self._came = asyncio.Event()
        self._tasks = Tasks()
        self._lanes: list[asyncio.Task[None]] = []

    def left(self, session: Session) -> None:
        """Nobody is there any more; who comes within the grace undoes it (`back`)."""
        self.back(session.session_id)
        due = asyncio.get_running_loop().time() + conf().grace_seconds
        self._left[session.session_id] = (due, session)
        self._wake()

    def back(self, session_id: str) -> None:
        self._left.pop(session_id, None)

    def closed(self, session: Session) -> None:
        """Somebody wants it to end now."""
        self._closed.append(session)
        self._wake()

    def stop(self) -> None:
        """Nothing is ended any more; what was begun is cut off."""
        self._left.clear()
        self._closed.clear()
        self._tasks.cancel()
        if self._giving_back:
            self._giving_back.cancel()

    def _wake(self) -> None:
        if not self._lanes:
            # half of the threads at most wait for ends: the other half is for those who are there
            lanes = range(max(1, conf().db_threads // 2))
            self._lanes = [self._tasks.keep(self._lane, name=f"departures {one}") for one in lanes]
        self._came.set()

    async def _lane(self) -> None:
        while True:
            session, reason = await self._next()
            try:
                await self._end(session, reason)
            except Exception:
                logger.exception("session %s: not ended", session.session_id)
            self._gone += 1
            if self._crowd_has_gone and self._giving_back is None:
                self._give_back_soon()

    @property
    def _crowd_has_gone(self) -> bool:
        return self._gone >= max(_CROWD, _TO_ONE_THAT_STAYS * self._staying())

    def _give_back_soon(self) -> None:
        self._giving_back = asyncio.get_running_loop().call_later(_SETTLE_S, self._give_back, self._gone)

    def _give_back(self, gone: int) -> None:
        """The small objects that Python keeps for the next crowd hold the memory around them; a full collection, which nothing
        else asks for, lets go of them. It looks through all that is live, some 10 ms for each thousand sessions that stay: they
        are few beside those who have gone.
        """
        self._giving_back = None
        if self._gone - gone > _STILL_GOING:
            self._give_back_soon()
        elif self._crowd_has_gone:
            self._gone = 0
            gc.collect()
            _trim(0)

    async def _next(self) -> tuple[Session, ev.EndReason]:
        loop = asyncio.get_running_loop()
        while True:
            if self._closed:
                return self._closed.popleft(), ev.EndReason.CLOSED
            self._came.clear()
            wait_s: float | None = None
            for session_id, (due, session) in self._left.items():
                if (wait_s := due - loop.time()) <= 0:
                    del self._left[session_id]
                    return session, ev.EndReason.LEFT
                break
            try:
                async with asyncio.timeout(wait_s):
                    await self._came.wait()
            except TimeoutError:
                pass
