"""The live sessions of this process: who joins gets the one conversation, the last one to leave starts its end."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from chat.errors import ChatError, ModelNotAllowed, ShuttingDown
from chat.llm.catalog import chosen, default_model_spec
from chat.session.commands import SessionConfig
from chat.session.departures import Departures
from chat.session.relay import Relay
from chat.session.remote import RemoteConversation
from chat.session.session import Conversation, State, Subscriber
from chat.supervision import Tasks
from chat.tools.registry import Registry
from sessions_app import metrics
from sessions_app.conf import conf
from sessions_app.errors import (
    DatabaseAway,
    JournalError,
    JournalFenced,
    JournalFull,
    JournalRejected,
    SessionElsewhere,
    SessionNotFound,
)
from sessions_app.ids import age_s, uuid7
from sessions_app.log import events as ev
from sessions_app.log.journal import RESTARTS, Journal, SessionWriter
from sessions_app.log.leases import hand_back, is_alive, lost_leases, reach_of, strays
from sessions_app.log.lifecycle import OpenedSession, Visitor, append_now, end_session, open_session, owner_of
from sessions_app.log.live import LiveLog
from sessions_app.log.replay import read_history, read_records
from sessions_app.log.settle import takeover
from sessions_app.log.state import SessionState
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

_PAST_LEASE_S = 0.1
_ROW_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.75, 1.0, 1.5)
"""Between two looks for the row of a session whose id another process has told a moment ago."""
_TOLD_SECONDS = 86_400.0
"""For so long an id of ours is not refused because its row was never made: its process died, or had no database."""


@dataclass(frozen=True, kw_only=True)
class Join:
    """What a socket asks for. ``session_id`` None: a session of its own, new."""

    visitor: Visitor
    is_staff: bool = False
    session_id: str | None = None
    create: bool = True
    """False: the session has to exist."""
    reopen: bool = True
    """False: and must not have ended."""
    model: str | None = None
    """What the client wants a new session to be answered by."""
    source: str = ""


class Hub:
    """One per process."""

    def __init__(
        self,
        *,
        journal: Journal,
        process_id: str,
        registry: Registry,
        registered: Callable[[], "asyncio.Future[None]"],
    ) -> None:
        self._journal = journal
        self._process_id = process_id
        self._registry = registry
        self._registered = registered
        self._conversations: dict[str, Conversation] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._departures = Departures(lambda conversation, reason: self.end(conversation, reason=reason))
        self._tasks = Tasks()
        self.closing = False
        self.relay: Relay | None = None

    def conversations(self) -> list[Conversation]:
        return list(self._conversations.values())

    async def join(self, subscriber: Subscriber, join: Join) -> Conversation | RemoteConversation:
        """The conversation, here or in another process, with the subscriber attached.

        Raises `SessionNotFound`, `SessionElsewhere`, `ShuttingDown`, `DatabaseAway`.
        """
        if self.closing:
            raise ShuttingDown
        if join.session_id is None:
            return self.attach(self._start_new(join), subscriber)
        try:
            return await self._join_named(subscriber, join, join.session_id)
        except SessionNotFound:
            if join.create or not _told_lately(join.session_id):
                raise
        return await self._join_told(subscriber, join, join.session_id)

    async def _join_named(
        self, subscriber: Subscriber, join: Join, session_id: str
    ) -> Conversation | RemoteConversation:
        try:
            return await self._join_existing(subscriber, join, session_id)
        except SessionElsewhere as error:
            if not error.owner or await in_db_thread(is_alive, process_id=error.owner):
                raise
        return await self._join_existing(subscriber, join, session_id)  # its holder died meanwhile

    async def _join_told(
        self, subscriber: Subscriber, join: Join, session_id: str
    ) -> Conversation | RemoteConversation:
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
    ) -> Conversation | RemoteConversation:
        try:
            async with self._lock(session_id):
                if self._live(session_id) is None:
                    await self._open(session_id, join)
                return self.attach(self.find(session_id, join.visitor), subscriber)
        except SessionElsewhere as error:
            return await self._join_elsewhere(subscriber, session_id, join.visitor, error.owner)

    async def _join_elsewhere(
        self, subscriber: Subscriber, session_id: str, visitor: Visitor, owner: str
    ) -> RemoteConversation:
        """A holder that does not answer is waited for until its lease has run out: then it is dead, or renewed it."""
        channel, lease_left_s = await in_db_thread(reach_of, process_id=owner)
        if self.relay is None or not channel:
            raise SessionElsewhere(owner)
        try:
            return await self.relay.join(
                subscriber, session_id, visitor, channel, wait_s=lease_left_s + _PAST_LEASE_S
            )
        except SessionElsewhere as error:
            raise SessionElsewhere(owner) from error

    def find(self, session_id: str, visitor: Visitor | None) -> Conversation:
        """The conversation if it lives here; ``visitor`` None: without asking whose it is.

        Raises `SessionNotFound` for another's, `SessionElsewhere`.
        """
        conversation = self._live(session_id)
        if conversation is None or conversation.state is not State.LIVE:
            raise SessionElsewhere
        if visitor is not None and not _may_join(conversation.visitor, visitor):
            raise SessionNotFound
        return conversation

    def attach(self, conversation: Conversation, subscriber: Subscriber) -> Conversation:
        self._departures.back(conversation.session_id)
        conversation.attach(subscriber)
        return conversation

    def _live(self, session_id: str) -> Conversation | None:
        conversation = self._conversations.get(session_id)
        if conversation and conversation.log.failed:
            self._drop(conversation)
            return None
        return conversation

    # New sessions: the socket does not wait for the database.

    def _start_new(self, join: Join) -> Conversation:
        """A session under a fresh id is ours without asking; its row is made while the model is already called."""
        opened = OpenedSession(
            session_id=uuid7(),
            epoch=1,
            last_seq=0,
            created=True,
            was_ended=False,
            model=chosen(join.model) or default_model_spec(),
            user_id=join.visitor.user_id,
            guest_id="" if join.visitor.user_id else join.visitor.guest_id,
        )
        writer = self._journal.writer(session_id=opened.session_id, epoch=1, last_seq=0, ready=False)
        conversation = self._build(opened, [], join, writer)
        self._tasks.spawn(self._make_row(writer, opened, join), name=f"row of {opened.session_id}")
        return conversation

    async def _make_row(self, writer: SessionWriter, opened: OpenedSession, join: Join) -> None:
        deadline = asyncio.get_running_loop().time() + conf().buffer_seconds
        while True:
            try:
                await self._registered()
                row = await self._open_row(opened.session_id, join, opened.model)
            except DatabaseAway:
                if asyncio.get_running_loop().time() > deadline:
                    writer.fail(JournalFull())
                    return
                await asyncio.sleep(0.5)
            except SessionElsewhere:  # somebody who knew the new id opened it in another process first
                writer.fail(JournalFenced())
                return
            except Exception:
                logger.exception("session %s cannot be stored", opened.session_id)
                writer.fail(JournalRejected())
                return
            else:
                if row.epoch == writer.epoch:
                    writer.open()
                else:  # the answer to an earlier try got lost, and somebody was in between
                    writer.fail(JournalFenced())
                return

    # Sessions that exist

    async def _open(self, session_id: str, join: Join) -> Conversation:
        await self._registered()
        opened = await self._open_as_asked(session_id, join)
        records = [] if opened.created else await in_db_thread(read_history, session_id=session_id)
        last_seq = opened.last_seq
        taken_over = not opened.created and not opened.was_ended
        if taken_over:
            last_seq, records = await self._take_over(opened, records, join.source)
        writer = self._journal.writer(session_id=session_id, epoch=opened.epoch, last_seq=last_seq)
        conversation = self._build(opened, records, join, writer)
        if taken_over:
            conversation.turns.resume()
        return conversation

    async def _take_over(
        self, opened: OpenedSession, records: list[ev.Record], source: str
    ) -> tuple[int, list[ev.Record]]:
        """Settle what the last holder left behind, before anybody reads on."""
        last_seq = await in_db_thread(
            append_now,
            session_id=opened.session_id,
            epoch=opened.epoch,
            last_seq=opened.last_seq,
            events=takeover(
                SessionState(records), model=opened.model, source=source, cause=ev.ReopenCause.TAKEOVER
            ),
        )
        return last_seq, await in_db_thread(read_history, session_id=opened.session_id)

    async def _open_as_asked(self, session_id: str, join: Join) -> OpenedSession:
        """A session that exists keeps its model, whatever is asked for. Raises `ModelNotAllowed` for a new one."""
        try:
            model = chosen(join.model) or default_model_spec()
        except ModelNotAllowed as refused:
            try:
                return await self._open_row(session_id, replace(join, create=False), default_model_spec())
            except SessionNotFound:
                raise refused from None
        return await self._open_row(session_id, join, model)

    async def _open_row(self, session_id: str, join: Join, model: str) -> OpenedSession:
        return await in_db_thread(
            open_session,
            session_id=session_id,
            visitor=join.visitor,
            process_id=self._process_id,
            model=model,
            source=join.source,
            create=join.create,
            reopen=join.reopen,
        )

    async def adopt(self, session_id: str) -> Conversation | None:
        """Take over a session that no process holds, though nobody comes to it, and go on with what is left to do; None
        when somebody else has it, or it has ended. Raises `DatabaseAway`."""
        try:
            owner = await in_db_thread(owner_of, session_id=session_id)
            join = Join(visitor=owner.visitor, is_staff=owner.is_staff, session_id=session_id, reopen=False)
            async with self._lock(session_id):
                if self.closing or self._live(session_id):
                    return None
                conversation = await self._open(session_id, join)
        except (SessionElsewhere, SessionNotFound, JournalFenced):
            return None
        conversation.check_idle()
        return conversation

    def _build(
        self, opened: OpenedSession, records: list[ev.Record], join: Join, writer: SessionWriter
    ) -> Conversation:
        session_id = opened.session_id

        async def read_log(after: int) -> list[ev.Record]:
            return await in_db_thread(read_records, session_id=session_id, after=after)

        state = SessionState(records)
        conversation = Conversation(
            session_id=session_id,
            log=LiveLog(writer, read_log, state),
            config=SessionConfig().updated(state.settings),
            model=opened.model,
            visitor=Visitor(user_id=opened.user_id, guest_id=opened.guest_id),
            is_staff=join.is_staff and opened.user_id == join.visitor.user_id,
            registry=self._registry,
            on_idle=self._on_idle,
            on_end=self._departures.closed,
        )
        if opened.created:
            conversation.append(ev.SessionStarted(model=opened.model, source=join.source))
        elif opened.was_ended:
            conversation.append(ev.SessionReopened(model=opened.model, source=join.source))
        self._conversations[session_id] = conversation
        metrics.live_sessions.set(len(self._conversations))
        return conversation

    # The end

    def _on_idle(self, conversation: Conversation) -> None:
        if self.closing or conversation.state is not State.LIVE:
            return
        if conversation.log.failed:
            self._drop(conversation)
            return
        self._departures.left(conversation)

    async def end(self, conversation: Conversation, *, reason: str) -> None:
        """End the session for good; a ``reason`` of "left" only when still nobody is there."""
        async with self._lock(conversation.session_id):
            self._departures.back(conversation.session_id)
            if self.closing or conversation.state is not State.LIVE:
                return
            if reason == "left" and (conversation.subscribers or conversation.answering):
                return
            conversation.state = State.ENDING
            try:
                await conversation.finish_running(timeout_s=0.0)
                conversation.turns.drop()
                await self._end_row(conversation, reason)
            except JournalError as error:
                logger.info("session %s: not ended here: %s", conversation.session_id, error.code)
            except Exception:  # a hook's, say: who comes back goes on, else the sweep ends it
                logger.exception("session %s: its end failed", conversation.session_id)
                conversation.notify(ChatError())
                conversation.log.fail(JournalFenced(RESTARTS))
                self._drop(conversation)
                await self._hand_back({conversation.session_id: conversation.log.epoch})
            finally:
                self._drop(conversation)

    async def _end_row(self, conversation: Conversation, reason: str) -> None:
        """Tries until the database takes it. Raises a `JournalError` when the session is not ours any more."""
        await conversation.durable()
        while True:
            try:
                await in_db_thread(
                    end_session,
                    session_id=conversation.session_id,
                    epoch=conversation.log.epoch,
                    last_seq=conversation.log.last_seq,
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
        epochs = {one.session_id: one.log.epoch for one in self.conversations() if one.log.stored}
        lost = await in_db_thread(lost_leases, epochs=epochs) if epochs else set()
        for session_id in lost:
            if conversation := self._conversations.get(session_id):
                conversation.log.fail(JournalFenced())
                self._drop(conversation)

    async def hand_back_strays(self) -> None:
        """Sessions under this process's name that no conversation holds: their opening failed half-way."""
        named = await in_db_thread(strays, process_id=self._process_id)
        opening = {session_id for session_id, lock in self._locks.items() if lock.locked()}
        epochs = {
            session_id: epoch
            for session_id, epoch in named.items()
            if session_id not in self._conversations and session_id not in opening
        }
        if epochs:
            await self._hand_back(epochs)

    async def _hand_back(self, epochs: dict[str, int]) -> None:
        await in_db_thread(hand_back, process_id=self._process_id, epochs=epochs)

    def _drop(self, conversation: Conversation) -> None:
        conversation.state = State.CLOSED
        conversation.log.close()
        if self._conversations.get(conversation.session_id) is conversation:
            del self._conversations[conversation.session_id]
        metrics.live_sessions.set(len(self._conversations))

    async def shutdown(self, *, drain_s: float) -> None:
        """Take nobody in, let answers finish for a while, write what is pending, close all followers."""
        self.closing = True
        live = self.conversations()
        await asyncio.gather(*(one.finish_running(timeout_s=drain_s) for one in live), return_exceptions=True)
        self._departures.stop()
        self._tasks.cancel()

    def close_all(self) -> None:
        for conversation in self.conversations():
            self._drop(conversation)

    def _lock(self, session_id: str) -> asyncio.Lock:
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = asyncio.Lock()
        return lock


def _told_lately(session_id: str) -> bool:
    age = age_s(session_id)
    return age is not None and abs(age) < _TOLD_SECONDS


def _may_join(owner: Visitor, visitor: Visitor) -> bool:
    if owner.user_id is not None:
        return owner.user_id == visitor.user_id
    return owner.guest_id in ("", visitor.guest_id)
