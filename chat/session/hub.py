"""The live sessions of this process: who joins gets the one session, the last one to leave starts its end."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from weakref import WeakValueDictionary

from chat.errors import ShuttingDown
from chat.quota.quotas import Quotas
from chat.quota.subjects import Payers
from chat.session.commands import SessionConfig
from chat.session.context import Subscriber
from chat.session.departures import Departures
from chat.session.life import State
from chat.session.opening import Held, Join, Opening, for_its_owner
from chat.session.relay import Relay
from chat.session.remote import RemoteSession
from chat.session.session import Session
from chat.supervision import Tasks
from chat.tools.registry import Registry
from sessions_app import metrics
from sessions_app.conf import conf
from sessions_app.errors import (
    DatabaseAway,
    JournalError,
    JournalFenced,
    SessionElsewhere,
    SessionErased,
    SessionNotFound,
)
from sessions_app.ids import age_s
from sessions_app.log import events as ev
from sessions_app.log.folding import Folding
from sessions_app.log.journal import Journal
from sessions_app.log.leases import erased_of, hand_back, is_alive, lost_leases, reach_of, strays
from sessions_app.log.lifecycle import Visitor, end_session, owner_of
from sessions_app.log.live import LiveLog
from sessions_app.log.replay import read_records
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

_PAST_LEASE_S = 0.1
_ROW_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.75, 1.0, 1.5)
"""Between two looks for the row of a session whose id another process has told a moment ago."""
_TOLD_SECONDS = 86_400.0
"""For so long an id of ours is not refused because its row was never made: its process died, or had no database."""


class Hub:
    """One per process."""

    def __init__(
        self,
        *,
        journal: Journal,
        process_id: str,
        registry: Registry,
        registered: Callable[[], "asyncio.Future[None]"],
        quotas: Quotas | None = None,
    ) -> None:
        self._process_id = process_id
        self._quotas = quotas or Quotas()
        self._registry = registry
        self._opening = Opening(journal=journal, process_id=process_id, registered=registered)
        self._sessions: dict[str, Session] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._departures = Departures(self.end, staying=lambda: len(self._sessions))
        self.folding = Folding()
        self._tasks = Tasks()
        self.closing = False
        self.relay: Relay | None = None

    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    # Joining

    async def join(self, subscriber: Subscriber, join: Join) -> Session | RemoteSession:
        """The session, here or in another process, with the subscriber attached.

        Raises `SessionNotFound`, `SessionElsewhere`, `ShuttingDown`, `DatabaseAway`.
        """
        if self.closing:
            raise ShuttingDown
        if join.session_id is None:
            return self.attach(self._start_new(join), subscriber, join.payers)
        try:
            return await self._join_named(subscriber, join, join.session_id)
        except SessionNotFound:
            if join.create or not join.was_told or not _told_lately(join.session_id):
                raise
        return await self._join_told(subscriber, join, join.session_id)

    async def _join_named(
        self, subscriber: Subscriber, join: Join, session_id: str
    ) -> Session | RemoteSession:
        try:
            return await self._join_existing(subscriber, join, session_id)
        except SessionElsewhere as error:
            if not error.owner or await in_db_thread(is_alive, process_id=error.owner):
                raise
        return await self._join_existing(subscriber, join, session_id)  # its holder died meanwhile

    async def _join_told(
        self, subscriber: Subscriber, join: Join, session_id: str
    ) -> Session | RemoteSession:
        """A session whose id may have been told before its row is there, or without ever coming to one: nothing that was
        acknowledged can be missing then, and it begins here. Raises `SessionNotFound` for another's."""
        if (age_s(session_id) or 0.0) < conf().buffer_seconds:  # so long its process tries to make the row
            for pause_s in _ROW_PAUSES_S:
                await asyncio.sleep(pause_s)
                with contextlib.suppress(SessionNotFound):
                    return await self._join_named(subscriber, join, session_id)
        return await self._join_named(subscriber, replace(join, create=True), session_id)

    async def _join_existing(
        self, subscriber: Subscriber, join: Join, session_id: str
    ) -> Session | RemoteSession:
        try:
            async with self._lock(session_id):
                if self.live(session_id) is None:
                    await self._open(session_id, join)
                await self.ask_whose(session_id, join.visitor)
                session = self.find(session_id, join.visitor)
                session.admit(is_staff=join.is_staff)
                return self.attach(session, subscriber, join.payers)
        except SessionElsewhere as error:
            return await self._join_elsewhere(subscriber, session_id, join, error.owner)

    async def _join_elsewhere(
        self, subscriber: Subscriber, session_id: str, join: Join, owner: str
    ) -> RemoteSession:
        """A holder that does not answer is waited for until its lease has run out: then it is dead, or renewed it."""
        channel, lease_left_s = await in_db_thread(reach_of, process_id=owner)
        if self.relay is None or not channel:
            raise SessionElsewhere(owner)
        try:
            return await self.relay.join(
                subscriber,
                session_id,
                join.visitor,
                channel,
                is_staff=join.is_staff,
                payers=join.payers,
                wait_s=lease_left_s + _PAST_LEASE_S,
            )
        except SessionElsewhere as error:
            raise SessionElsewhere(owner) from error

    def find(self, session_id: str, visitor: Visitor | None) -> Session:
        """The session if it lives here; ``visitor`` None: without asking whose it is.

        Raises `SessionNotFound` for another's, `SessionElsewhere`.
        """
        session = self.live(session_id)
        if session is None or not session.open:
            raise SessionElsewhere
        if visitor is not None and not visitor.owns(session.owner, session_id):
            raise SessionNotFound
        return session

    async def ask_whose(self, session_id: str, visitor: Visitor) -> None:
        """Whose a session is may have changed since it was opened here: a guest has signed in. Raises `SessionNotFound`."""
        session = self.live(session_id)
        if session is None or not session.log.stored or visitor.owns(session.owner, session_id):
            return
        owner = await in_db_thread(owner_of, session_id=session_id)
        self.belongs(session_id, owner.visitor)

    def belongs(self, session_id: str, owner: Visitor) -> None:
        if session := self.live(session_id):
            session.owner = owner.as_owner()
            session.budget.belongs_to(session.owner)

    def attach(self, session: Session, subscriber: Subscriber, payers: Payers = ()) -> Session:
        self._departures.back(session.session_id)
        session.paid_by(payers)
        session.attach(subscriber)
        return session

    def live(self, session_id: str) -> Session | None:
        """The session, where it lives here, whoever asks."""
        session = self._sessions.get(session_id)
        if session and session.log.failed:
            self._drop(session)
            return None
        return session

    def _lock(self, session_id: str) -> asyncio.Lock:
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = asyncio.Lock()
        return lock

    # Opening

    def _start_new(self, join: Join) -> Session:
        held = self._opening.new(join)
        session = self._hydrate(held, join)
        self._tasks.spawn(self._opening.make_row(held, join), name=f"session {session.session_id}: row")
        return session

    async def _open(self, session_id: str, join: Join) -> Session:
        held = await self._opening.existing(session_id, join)
        if self.closing:  # by now: nothing of it would be stored here, and nobody would end it
            await self._hand_back({session_id: held.row.epoch})
            raise ShuttingDown
        session = self._hydrate(held, join)
        if held.taken_over:
            session.recover()
        return session

    async def adopt(self, session_id: str) -> Session | None:
        """Take over a session that no process holds, though nobody comes to it, and go on with what is left to do; None
        when somebody else has it, or it has ended. Raises `DatabaseAway`."""
        try:
            owner = await in_db_thread(owner_of, session_id=session_id)
            join = replace(for_its_owner(session_id, owner), reopen=False)
            async with self._lock(session_id):
                if self.closing or self.live(session_id):
                    return None
                session = await self._open(session_id, join)
        except (SessionElsewhere, SessionNotFound, JournalFenced, ShuttingDown):
            return None
        session.check_idle()
        return session

    def _hydrate(self, held: Held, join: Join) -> Session:
        row, session_id = held.row, held.row.session_id
        assistant = held.assistant
        changes = assistant.agreed(dict(join.settings)) if row.begins and join.settings else {}
        session = Session(
            log=LiveLog(
                held.writer, partial(_read_log, session_id), held.state, on_finished=self.folding.note
            ),
            config=SessionConfig().updated({**held.state.settings, **changes}),
            model=row.model,
            assistant=assistant,
            owner=row.owner,
            is_staff=join.is_staff and row.owner == join.visitor.as_owner(),
            registry=self._registry,
            quotas=self._quotas,
            on_idle=self._on_idle,
            on_end=self._departures.closed,
            on_death=self._given_up,
        )
        if row.begins:
            begun = ev.SessionStarted(
                model=row.model,
                source=join.source,
                assistant=assistant.slug,
                assistant_version=assistant.version,
            )
            session.log.append(begun)
            if changes:
                session.log.append(ev.SessionUpdated(config=changes))
        elif row.was_ended:
            session.log.append(ev.SessionReopened(model=row.model, source=join.source))
        self._sessions[session_id] = session
        metrics.live_sessions.set(len(self._sessions))
        return session

    # The end

    def _on_idle(self, session: Session) -> None:
        if self.closing or not session.open:
            return
        if session.log.failed:
            self._drop(session)
            return
        self._departures.left(session)

    async def end(self, session: Session, reason: ev.EndReason) -> None:
        """End the session for good; one that was left only when still nobody is there."""
        async with self._lock(session.session_id):
            if self.closing or not session.open:  # the next one under its id may be about to end by then
                return
            self._departures.back(session.session_id)
            if reason is ev.EndReason.LEFT and (session.subscribers or session.answering):
                return
            session.state = State.ENDING
            try:
                await session.finish(timeout_s=0.0)
                session.drop_queue()
                await self._end_row(session, reason)
            except JournalError as error:
                logger.info("session %s: not ended here: %s", session.session_id, error.code)
                session.log.fail(error)  # who reads it comes again, and is not told that it has ended
            except Exception:  # a hook's, say
                logger.exception("session %s: its end failed", session.session_id)
                session.give_up()
            self._drop(session)

    async def _end_row(self, session: Session, reason: ev.EndReason) -> None:
        """Tries until the database takes it. Raises a `JournalError` when the session is not ours any more."""
        await session.durable()
        while True:
            try:
                await in_db_thread(
                    end_session,
                    session_id=session.session_id,
                    epoch=session.log.epoch,
                    last_seq=session.log.last_seq,
                    reason=reason,
                )
            except DatabaseAway as error:
                if self.closing:
                    raise JournalFenced from error
                await asyncio.sleep(1.0)
            else:
                return

    async def check_leases(self) -> None:
        """Step down from sessions that another process took while this one slept.

        Their next append would be refused anyway; but until then their sockets would wait here for what happens there.
        """
        epochs = {one.session_id: one.log.epoch for one in self.sessions() if one.log.stored}
        lost = await in_db_thread(lost_leases, epochs=epochs) if epochs else set()
        for session_id in lost:
            session = self._sessions.get(session_id)
            if session and session.log.epoch == epochs[session_id]:  # else it was opened anew meanwhile
                session.log.fail(JournalFenced())
                self._drop(session)

    def forget(self, session_id: str) -> None:
        """It was erased: what runs for it stops, and whoever reads it, here or in another process, is told that it is gone."""
        if session := self._sessions.get(session_id):
            session.log.fail(SessionErased())
            self._departures.back(session_id)
            self._drop(session)
        if self.relay:
            self.relay.forget(session_id)

    async def forget_erased(self) -> None:
        """Of what is live here: another process may have erased it."""
        here = {*self._sessions, *(self.relay.followed if self.relay else ())}
        for session_id in await in_db_thread(erased_of, session_ids=here) if here else ():
            self.forget(session_id)

    async def hand_back_strays(self) -> None:
        """Sessions under this process's name that live nowhere: their opening failed half-way, or they were given up."""
        named = await in_db_thread(strays, process_id=self._process_id)
        opening = {session_id for session_id, lock in self._locks.items() if lock.locked()}
        epochs = {
            session_id: epoch
            for session_id, epoch in named.items()
            if session_id not in self._sessions and session_id not in opening
        }
        if epochs:
            await self._hand_back(epochs)

    async def _hand_back(self, epochs: dict[str, int]) -> None:
        with contextlib.suppress(DatabaseAway):  # then the next look for strays does it
            await in_db_thread(hand_back, process_id=self._process_id, epochs=epochs)

    def _given_up(self, session: Session) -> None:
        """Who comes back goes on, else another process or the sweep does."""
        self._drop(session)
        work = self._hand_back({session.session_id: session.log.epoch})
        self._tasks.spawn(work, name=f"session {session.session_id}: hand back")

    def _drop(self, session: Session) -> None:
        session.close()
        if self._sessions.get(session.session_id) is session:
            del self._sessions[session.session_id]
        metrics.live_sessions.set(len(self._sessions))

    async def shutdown(self, *, drain_s: float) -> None:
        """Take nobody in, let answers finish for a while, write what is pending, close all followers."""
        self.closing = True
        live = self.sessions()
        ends = await asyncio.gather(*(one.finish(timeout_s=drain_s) for one in live), return_exceptions=True)
        for session, error in zip(live, ends, strict=True):
            if isinstance(error, Exception):
                logger.error("session %s: not finished", session.session_id, exc_info=error)
        self._departures.stop()
        self._tasks.cancel()

    def close_all(self) -> None:
        for session in self.sessions():
            self._drop(session)


def _told_lately(session_id: str) -> bool:
    age = age_s(session_id)
    return age is not None and abs(age) < _TOLD_SECONDS


async def _read_log(session_id: str, after: int) -> list[ev.Record]:
    return await in_db_thread(read_records, session_id=session_id, after=after)
