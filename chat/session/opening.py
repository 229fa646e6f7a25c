"""How a process comes to hold a session: a new one at once, its row made behind it; one that exists by its lease and its log."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from chat.assistants import PLAIN, Assistant, shelf
from chat.batches import Batches
from chat.errors import AssistantNotFound, ModelNotAllowed
from chat.quota.subjects import Payers
from identity.second_factor import staff_has_to_show_one
from sessions_app.conf import conf
from sessions_app.errors import (
    DatabaseAway,
    JournalFenced,
    JournalFull,
    JournalRejected,
    SessionNotFound,
)
from sessions_app.ids import uuid7
from sessions_app.log import events as ev
from sessions_app.log.journal import Journal, SessionWriter
from sessions_app.log.lifecycle import (
    NewSession,
    OpenedSession,
    Owner,
    Visitor,
    append_now,
    make_sessions,
    open_session,
)
from sessions_app.log.replay import read_history
from sessions_app.log.settle import takeover
from sessions_app.log.state import SessionState
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 100
"""New sessions whose rows are made by one statement."""


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
    was_told: bool = False
    """The client proves that this server told it the id: it may begin a session whose row never came to be."""
    model: str | None = None
    """What the client wants a new session to be answered by."""
    source: str = ""
    payers: Payers = ()
    """Whom its answers are counted for."""
    settings: Mapping[str, Any] | None = None
    """Those of a session that it begins: what was agreed with whoever let the client in."""
    assistant: Assistant = PLAIN
    """With whom a session is begun; one that exists keeps its own."""


def for_its_owner(session_id: str, owner: Owner) -> Join:
    """What a process asks for by itself: a session that is there, with its owner's rights. Staff that has to show a second
    factor has none here: nobody knows what the owner would have come in by."""
    is_staff = owner.is_staff and not staff_has_to_show_one()
    return Join(visitor=owner.visitor, is_staff=is_staff, session_id=session_id, create=False)


class Held(NamedTuple):
    """A session that is this process's now."""

    row: OpenedSession
    state: SessionState
    """What its log stands for."""
    writer: SessionWriter
    assistant: Assistant
    taken_over: bool = False
    """Its last holder left it in the middle of something; that is settled by now."""


class Opening:
    def __init__(
        self,
        *,
        journal: Journal,
        process_id: str,
        registered: Callable[[], "asyncio.Future[None]"],
    ) -> None:
        """``registered``: done once the process has a lease to hold sessions by."""
        self._journal = journal
        self._process_id = process_id
        self._registered = registered
        self._rows = Batches(self._make_rows, name="rows of new sessions", most=_ROWS_AT_ONCE)

    # New sessions: the socket does not wait for the database.

    def new(self, join: Join) -> Held:
        """A session under a fresh id is ours without asking; `make_row` has to follow. Raises `ModelNotAllowed`."""
        row = OpenedSession(
            session_id=uuid7(),
            epoch=1,
            last_seq=0,
            created=True,
            was_ended=False,
            model=join.assistant.chosen(join.model),
            owner=join.visitor.as_owner(),
            assistant=join.assistant.slug,
        )
        return Held(
            row,
            SessionState(),
            self._journal.writer(session_id=row.session_id, epoch=1, last_seq=0, ready=False),
            join.assistant,
        )

    async def make_row(self, held: Held, join: Join) -> None:
        """While the model is already called: from then on its events are let through. Where it cannot be, they fail."""
        writer, deadline = held.writer, asyncio.get_running_loop().time() + conf().buffer_seconds
        while True:
            try:
                # the process may have found no database since it began
                async with asyncio.timeout_at(deadline):
                    await self._registered()
                made = await self._rows.ask(_new_session(held.row, join))
            except (DatabaseAway, TimeoutError):
                if asyncio.get_running_loop().time() >= deadline:
                    return writer.fail(JournalFull())
                await asyncio.sleep(0.5)
            except Exception:
                logger.exception("session %s cannot be stored", held.row.session_id)
                return writer.fail(JournalRejected())
            else:  # not ours: somebody who knew the new id opened it in another process first
                return writer.open() if made else writer.fail(JournalFenced())

    async def _make_rows(self, new: Sequence[NewSession]) -> Sequence[bool]:
        made = await in_db_thread(make_sessions, new, process_id=self._process_id)
        return [one.session_id in made for one in new]

    # Sessions that exist

    async def existing(self, session_id: str, join: Join) -> Held:
        """Raises `SessionNotFound`, `SessionElsewhere`, `ModelNotAllowed`, `DatabaseAway`."""
        await self._registered()
        row = await self._open_as_asked(session_id, join)
        state = SessionState() if row.created else await in_db_thread(state_of, session_id)
        last_seq = row.last_seq
        taken_over = not row.created and not row.was_ended
        if taken_over:  # settle what the last holder left behind, before anybody reads on
            last_seq = await in_db_thread(
                append_now,
                session_id=session_id,
                epoch=row.epoch,
                last_seq=last_seq,
                events=takeover(state, model=row.model, source=join.source, cause=ev.ReopenCause.TAKEOVER),
            )
            state = await in_db_thread(state_of, session_id)
        writer = self._journal.writer(session_id=session_id, epoch=row.epoch, last_seq=last_seq)
        return Held(row, state, writer, await self._assistant_of(row, state, join), taken_over)

    async def _assistant_of(self, row: OpenedSession, state: SessionState, join: Join) -> Assistant:
        """Where no log says with whom it was begun, its row does."""
        if not row.begins:
            return await shelf.begun_with(*state.assistant)
        if row.created or row.assistant == join.assistant.slug:
            return join.assistant
        try:
            return await shelf.find(row.assistant)
        except AssistantNotFound:
            return await shelf.begun_with("", 0)

    async def _open_as_asked(self, session_id: str, join: Join) -> OpenedSession:
        """A session that exists keeps its model, whatever is asked for. Raises `ModelNotAllowed` for a new one."""
        try:
            model = join.assistant.chosen(join.model)
        except ModelNotAllowed as refused:
            with contextlib.suppress(SessionNotFound):
                return await self._open_row(session_id, replace(join, create=False), join.assistant.model)
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
            assistant=join.assistant.slug,
            create=join.create,
            reopen=join.reopen,
        )


def _new_session(row: OpenedSession, join: Join) -> NewSession:
    return NewSession(
        session_id=row.session_id,
        owner=join.visitor.as_owner(),
        model=row.model,
        source=join.source,
        assistant=join.assistant.slug,
    )


def state_of(session_id: str) -> SessionState:
    """Folded in the thread that read it: a long log takes as long as a frame may not wait."""
    return SessionState(read_history(session_id=session_id))
