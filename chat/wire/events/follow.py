"""The log of one session from a place on: what is stored, then as it goes on, in whatever process, until nothing runs any more."""

from collections.abc import AsyncGenerator, Sequence

from chat.wire.http.visit import Visit
from chat.wire.responses.follow import Follower, Patience
from sessions_app.errors import JournalFenced, SessionElsewhere
from sessions_app.log import events as ev
from sessions_app.log.lookup import answer_of, goes_on
from sessions_app.log.replay import kept_until, read_records, stored_until
from sessions_app.postgres.threads import in_db_thread
from sessions_app.review.told import all_told

_MAY_BE_THE_LAST = (ev.ResponseDone, ev.SessionEnded)


class LogFollower:
    def __init__(self, visit: Visit, session_id: str, *, after: int) -> None:
        self._visit = visit
        self._session_id = session_id
        self._after = after
        self._patience = Patience(visit, session_id)

    async def stored(self) -> Sequence[ev.Record]:
        """The next ones that are in the database; none: there are no more. A reader that has seen what a takeover found lost goes
        back to where the log agrees with it."""
        self._after = await in_db_thread(kept_until, session_id=self._session_id, seq=self._after)
        return await self._page()

    async def runs(self) -> bool:
        """Whether something is to come by itself: a response runs, waits, or is to be tried again."""
        if await in_db_thread(goes_on, session_id=self._session_id):
            return True
        places = await in_db_thread(answer_of, session_id=self._session_id)
        if not places:
            return False
        follower = Follower(self._visit, places[-1])
        await follower.stored_now()
        return not follower.over

    async def nothing_is_left(self) -> bool:
        """Nothing is told behind its place, and nothing runs; looked at twice, since it may come to its end in between."""
        if all_told(await self.stored()) or await self.runs():
            return False
        return not all_told(await self.stored())

    async def events(self) -> AsyncGenerator[list[ev.Record], None]:
        """Raises `ShuttingDown`, and what makes it impossible to read on."""
        while True:
            try:
                async for records in self._records():
                    self._patience.heard()
                    self._after = records[-1].seq
                    yield list(records)
                return
            except (SessionElsewhere, JournalFenced):
                await self._patience.lost_its_place()

    async def _records(self) -> AsyncGenerator[Sequence[ev.Record], None]:
        """Ends where nothing runs any more, and all is told: an answer may come to its end between two looks."""
        while True:
            while records := await self.stored():
                yield records
            if await self.runs():
                break
            if not (records := await self.stored()):
                return
            yield records
        session = await self._visit.enter(self._session_id, reopen=False)
        # behind the end, or stored and not heard of by its process yet
        if self._after > session.info().last_seq:
            stored = await in_db_thread(stored_until, session_id=self._session_id)
            self._after = min(self._after, max(stored, session.info().last_seq))
        async for records in session.follow(self._after):
            yield records
            if any(isinstance(one.event, _MAY_BE_THE_LAST) for one in records) and not await self.runs():
                return
        raise SessionElsewhere  # it has ended, or moved: the database knows

    async def _page(self) -> Sequence[ev.Record]:
        return await in_db_thread(read_records, session_id=self._session_id, after=self._after)
