"""The events of one response, from the log: what is stored first, then as it goes on, in whatever process.

A reader that loses its place (the session moved, its process died) folds the response anew from the database and gives what
it has not given yet, by the events' numbers: the same as a client that comes back does.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from chat.errors import ChatError, NoActiveResponse, ShuttingDown
from chat.session.commands import CancelResponse
from chat.session.remote import RemoteSession
from chat.session.session import Session
from chat.wire.http.visit import AnySession, Visit
from chat.wire.responses.objects import Response, StreamEvent
from chat.wire.responses.projector import ResponseProjector
from sessions_app.errors import JournalFenced, SessionElsewhere, SessionNotFound
from sessions_app.log.events import Record
from sessions_app.log.lookup import Place, is_there
from sessions_app.log.replay import read_records, stored_until
from sessions_app.postgres.threads import in_db_thread

_POLL_S = 0.25
_STORED_POLL_S = 0.03
_PATIENCE_S = 90.0
"""Nothing comes of a response for so long that no process holds: longer than a lease, and than the look for orphans."""


class Patience:
    """Of a reader that has lost its place, with a session that is to come up in some process."""

    def __init__(self, visit: Visit, session_id: str) -> None:
        self._visit = visit
        self._session_id = session_id
        self._silent_s = 0.0

    def heard(self) -> None:
        self._silent_s = 0.0

    async def lost_its_place(self) -> None:
        """Raises `ShuttingDown`, `SessionNotFound` where it was erased, and `SessionElsewhere` where nothing has come for too long."""
        self._visit.leave()
        if self._visit.server.hub.closing:
            raise ShuttingDown
        if self._silent_s > _PATIENCE_S:
            raise SessionElsewhere
        await asyncio.sleep(_POLL_S)
        self._silent_s += _POLL_S
        if not await in_db_thread(is_there, session_id=self._session_id, visitor=self._visit.visitor):
            raise SessionNotFound


class Follower:
    """``stored``: no event is given before it is in the database, so that none is ever given and then lost. Else a delta is
    given at once, and the last tenth of a second of a process that dies may have been shown in vain."""

    def __init__(self, visit: Visit, place: Place, *, after: int = -1, stored: bool = False) -> None:
        self._visit = visit
        self._place = place
        self._after = after
        """The number of the last event that was given."""
        self._stored = stored
        self._projector = ResponseProjector(place.session_id, place.response_id)
        self._shown: ResponseProjector | None = None
        """The fold of what was given before the place was lost, until the log has come as far."""
        self._patience = Patience(visit, place.session_id)

    @property
    def response(self) -> Response | None:
        return self._projector.response

    @property
    def tail(self) -> str:
        return self._projector.tail

    @property
    def after(self) -> int:
        """The number of the last event that was given."""
        return self._after

    @property
    def ended_at(self) -> float | None:
        return self._projector.ended_at

    @property
    def over(self) -> bool:
        return self._projector.over

    async def stored_now(self) -> Response | None:
        """As the database has it."""
        async for _ in self.stored_events():
            pass
        return self.response

    async def stored_events(self) -> AsyncGenerator[list[StreamEvent], None]:
        """What the database has of them. Where to go on is `after`, for another one."""
        seq = self._place.seq - 1
        while not self.over and (records := await self._page(seq)):
            yield self._take(records)
            seq = records[-1].seq

    async def events(self) -> AsyncGenerator[list[StreamEvent], None]:
        """Until the response is over. Raises `ShuttingDown`, and what makes it impossible to read on."""
        while not self.over:
            try:
                async for records in self._records():
                    self._patience.heard()
                    if events := self._take(records):
                        yield events
                    if self._projector.over:
                        return
            except (SessionElsewhere, JournalFenced):
                await self._patience.lost_its_place()
                self._shown = self._shown or self._projector
                self._projector = ResponseProjector(self._place.session_id, self._place.response_id)

    def _take(self, records: Sequence[Record]) -> list[StreamEvent]:
        new: list[StreamEvent] = []
        for record in records:
            if self._shown and self._projector.is_behind(self._after, record):
                new += self._projector.give_up(self._shown, self._after)
                self._shown = None
            new += [event for event in self._projector.events(record) if event.sequence_number > self._after]
        if new:
            self._after = new[-1].sequence_number
        return new

    async def _records(self) -> AsyncGenerator[Sequence[Record], None]:
        seq = self._place.seq - 1
        session = self._visit.session
        if session is None or session.session_id != self._place.session_id:
            while records := await self._page(seq):
                yield records
                seq = records[-1].seq
            session = await self._visit.enter(self._place.session_id, reopen=False)
        async for records in session.follow(seq):
            if self._stored:
                await until_stored(session, records[-1].seq)
            yield records
        raise SessionElsewhere  # it has ended, or moved: the database knows

    async def _page(self, seq: int) -> Sequence[Record]:
        return await in_db_thread(read_records, session_id=self._place.session_id, after=seq)


async def until_stored(session: AnySession, seq: int) -> None:
    """Raises a `JournalError`."""
    if isinstance(session, Session):
        await session.log.durable(seq)
        return
    assert isinstance(session, RemoteSession)
    while await in_db_thread(stored_until, session_id=session.session_id) < seq:
        if session.closed:
            raise SessionElsewhere
        await asyncio.sleep(_STORED_POLL_S)


async def stop_one(session: AnySession, response_id: str) -> bool:
    """False: it is over, at home or in another process."""
    try:
        await session.do(CancelResponse(response_id=response_id))
    except ChatError as error:
        if error.code == NoActiveResponse.code:
            return False
        raise
    return True
