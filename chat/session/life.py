"""How one live session lives in the one process that holds its lease: who is there, its queue of turns, one loop, its end.

Who asks something of a session (`chat.session.session`) puts it into the log and the queue, and waits for neither. The loop takes the turns one
at a time and lives while there are any; what runs beside it, the summary of older turns, ends with the session as
well. Nothing here waits for a subscriber, and no subscriber owns anything: dropping one cancels nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from chat.assistants import Assistant
from chat.conf import conf
from chat.errors import (
    ActiveResponse,
    ChatError,
    FrameError,
    ItemNotFound,
    QueueFull,
)
from chat.llm.catalog import Candidate
from chat.quota.quotas import Quotas
from chat.quota.subjects import Payers
from chat.redaction import safe_cause
from chat.session.commands import (
    SessionConfig,
    SessionInfo,
    TurnPolicy,
)
from chat.session.compaction import Compaction
from chat.session.context import Context, Subscriber
from chat.session.cost import Budget
from chat.session.out_of_band import view_for
from chat.session.response import (
    CANCELLED,
    FAILED,
    INTERRUPTED,
    SESSION_ENDED,
    STORAGE_AWAY,
    Response,
    Stop,
)
from chat.session.turns import Turn, turns_left
from chat.supervision import Tasks
from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from sessions_app.errors import JournalError, JournalFenced
from sessions_app.log import events as ev
from sessions_app.log.journal import RESTARTS
from sessions_app.log.leases import lost_leases
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.live import LiveLog
from sessions_app.log.settle import dropped
from sessions_app.log.state import SessionState
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

_LAST_WORDS_S = 5.0
"""Of a session that dies, to be stored; then whoever comes next settles it."""


class State(StrEnum):
    LIVE = "live"
    ENDING = "ending"
    """Its end is being written: nothing is taken any more."""
    CLOSED = "closed"
    """It is not in this process any more."""


class Life:
    """All methods run on the event loop's thread; those that are not ``async`` never wait."""

    def __init__(
        self,
        *,
        log: LiveLog,
        config: SessionConfig,
        model: str,
        assistant: Assistant,
        owner: Visitor,
        is_staff: bool,
        registry: Registry,
        quotas: Quotas,
        on_idle: Callable[[Any], None],
        on_end: Callable[[Any], None],
        on_death: Callable[[Any], None],
    ) -> None:
        """Each of these is given the session. ``on_idle``: nobody is there and nothing is to do; ``on_end``: somebody wants it to end; ``on_death``: a fault of ours
        ended its loop, and nothing goes on with it here."""
        self.session_id = log.session_id
        self.log = log
        self.history = log.state
        self.config = config
        self.owner = owner
        """Whose it is; a guest who signs in makes it a user's."""
        self.state = State.LIVE
        self.subscribers: dict[str, Subscriber] = {}
        self.budget = Budget(log.state, owner, quotas)
        self._model = model
        self._assistant = assistant
        self._is_staff = is_staff
        self._registry = assistant.tools_of(registry)
        self._on_idle, self._on_end, self._on_death = on_idle, on_end, on_death
        self._queue: list[Turn] = []
        self._response: Response | None = None
        """The one that runs."""
        self._loop: asyncio.Task[None] | None = None
        self._tasks = Tasks()
        self._compaction: Compaction | None = None

    # Subscribers

    def attach(self, subscriber: Subscriber) -> None:
        self.subscribers[subscriber.connection_id] = subscriber
        self._append_quietly(
            ev.ConnectionOpened(connection_id=subscriber.connection_id, dialect=subscriber.dialect)
        )

    def admit(self, *, is_staff: bool) -> None:
        """The tools of staff are only offered while all who came in have staff's rights: a key for talking, say, does not get
        them from its user's other tab."""
        self._is_staff = self._is_staff and is_staff

    def paid_by(self, payers: Payers) -> None:
        """Whom the answers from here on are counted for: who came last, as far as it is known who that is."""
        self.budget.payers = payers or self.budget.payers

    def detach(self, subscriber: Subscriber, close_code: int) -> None:
        if self.subscribers.pop(subscriber.connection_id, None) is None:
            return
        if self.open:
            self._append_quietly(
                ev.ConnectionClosed(connection_id=subscriber.connection_id, close_code=close_code)
            )
        self.check_idle()

    def _append_quietly(self, event: ev.Event) -> None:
        """For what is worth a line in the log but no error to anybody."""
        try:
            self.log.append(event)
        except JournalError as error:
            logger.info("session %s: %s not logged: %s", self.session_id, event.event_type, error.code)

    def follow(self, after: int) -> AsyncIterator[Sequence[ev.Record]]:
        return self.log.follow(after)

    def notify(self, error: Exception) -> None:
        for subscriber in list(self.subscribers.values()):
            subscriber.notify(error)

    async def check_lease(self) -> None:
        """Raises `JournalFenced` when another process took the session and this one has not noticed yet."""
        if not self.log.stored:
            return
        lost = await in_db_thread(lost_leases, epochs={self.session_id: self.log.epoch})
        if lost:
            error = JournalFenced()
            self.log.fail(error)
            raise error

    # What it is

    @property
    def open(self) -> bool:
        return self.state is State.LIVE

    @property
    def held(self) -> bool:
        """A member of staff answers: no model is asked."""
        return self.history.operator is not None

    @property
    def answering(self) -> bool:
        """A turn is under way, or waits."""
        return self._loop is not None and not self._loop.done()

    def info(self) -> SessionInfo:
        return SessionInfo(
            session_id=self.session_id,
            model=self.candidates()[0].spec,
            config=msgspec.to_builtins(self.config),
            last_seq=self.log.visible_seq,
            response_seq=self.log.open_response_seq,
            queued=[turn.response_id for turn in self._queue],
            assistant=self._assistant.slug,
            instructions=self._assistant.shown_instructions,
        )

    def candidates(self, chosen: str | None = None) -> list[Candidate]:
        """The models for the next response, in the order in which they are asked. ``chosen``: once that is."""
        return self._assistant.candidates(chosen or self.config.model or self._model)

    def tool_context(self, call_id: str) -> ToolContext:
        return ToolContext(
            session_id=self.session_id,
            call_id=call_id,
            user_id=self.owner.person_id,
            guest_id=self.owner.guest_id,
            account_id=self.owner.user_id,
            external_user_id=self.owner.external_user_id,
            is_staff=self._is_staff,
        )

    async def durable(self) -> None:
        await self.log.durable()

    # The queue

    def _unclaimed(self) -> list[str]:
        """What was said and no turn takes in yet, also what a turn left behind that never ran."""
        claimed = {item_id for turn in self._queue for item_id in turn.item_ids}
        return [item_id for item_id in self.history.waiting if item_id not in claimed]

    def _check_policy(self, policy: str) -> None:
        """Raises `ActiveResponse`, `QueueFull`."""
        if self.answering and policy == TurnPolicy.REJECT:
            raise ActiveResponse
        if len(self._queue) >= conf().max_queued_turns:
            raise QueueFull

    def _ask(self, turn: Turn, policy: str, *events: ev.Event) -> int:
        """Take a turn in, together with the events that bring it; one that has to wait does so in the log. The last seq.

        Raises a `JournalError`, and then nothing has happened.
        """
        interrupts = policy == TurnPolicy.INTERRUPT
        instead_of = self._next if interrupts else None
        if instead_of and instead_of.continues:  # what a person has allowed is carried out
            instead_of = None
        waits_behind = len(self._queue) > (instead_of is not None) or not interrupts
        waits = self.held or (self.answering and waits_behind)
        operator = self.history.operator
        told = turn.queued(len(self._queue) + 1, waits_for=operator.author if operator else "")
        queued = [told] if waits or turn.request_key else []
        seq = self.log.last_seq
        if events or queued:
            seq = self.log.append(*self._untold_retries(), *events, *queued).seq
        else:
            self.log.check_room()
        self._queue.append(turn)
        if self._response and interrupts:
            self._response.stop(CANCELLED)
        if instead_of:
            self._cut_short(instead_of)
        self._begin()
        return seq

    @property
    def _next(self) -> Turn | None:
        """The turn that is about to begin."""
        is_due = self._response is None and self.answering and not self.held
        return self._queue[0] if self._queue and is_due else None

    def _cut_short(self, turn: Turn) -> None:
        """As a stop as soon as it has begun: what it was to answer is said. One that was to take another's place takes none."""
        if turn.retry_of and turn.attempt == 1:
            self._take_back([turn.response_id], CANCELLED)
        else:
            self._queue.remove(turn)
            self.log.append(*self._begun_and_over(turn, CANCELLED), reserved=True)

    def _begun_and_over(self, turn: Turn, why: Stop, *, cause: str = "") -> list[ev.Event]:
        begun = turn.started(provider="", model="", history=self.history)
        return [begun, why.done(turn.response_id, cause=cause)]

    def _untold(self, *, retries_alone: bool = False) -> list[ev.Event]:
        """Turns that were about to begin, and that the log does not know of; but for those that a takeover brings back by itself."""
        return [
            turn.queued(position)
            for position, turn in enumerate(self._queue, start=1)
            if turn.response_id not in self.history.queued
            and turn.attempt == 1
            and (turn.retry_of or not retries_alone)
        ]

    def _untold_retries(self) -> list[ev.Event]:
        """Of answers that were asked for again and have not begun: what comes now stands behind them in the log, and is not set
        aside with the answers whose place they take."""
        return self._untold(retries_alone=True)

    def recover(self) -> None:
        """Go on with what the last holder of the session left undone."""
        left = turns_left(self.history)
        self._queue.extend(left)
        if left:
            logger.info("session %s: %d turns taken over", self.session_id, len(left))
            self._begin()

    def _take_back(self, response_ids: list[str], why: Stop) -> None:
        """Take turns out of the queue and say so to those who wait for them. What is not told of yet is told now, so that its end
        can be."""
        events: list[ev.Event] = []
        waited = [one for one in response_ids if one in self.history.queued]
        for turn in [one for one in self._queue if one.response_id in response_ids]:
            if turn.attempt > 1:  # who was given the try before waits for this one
                events += self._begun_and_over(turn, why)
            elif turn.response_id not in waited:
                events.append(turn.queued(1))
                waited.append(turn.response_id)
        self._queue = [turn for turn in self._queue if turn.response_id not in response_ids]
        ended = dropped(waited, reason=why.reason, status=why.status, client_event_id=why.client_event_id)
        if events or ended:
            self.log.append(*events, *ended, reserved=True)

    # The loop

    def _begin(self) -> None:
        if self.held:
            return
        self.log.idle = False
        if not self.answering:
            self._loop = self._spawn(self._live(), name="loop")

    def _context(self) -> Context:
        """It holds the session, which therefore does not hold it: a crowd that leaves waits for no collection of garbage."""
        return Context(
            session_id=self.session_id,
            log=self.log,
            history=self.history,
            registry=self._registry,
            budget=self.budget,
            config=lambda: self.config,
            instructions=lambda: self._assistant.instructions,
            candidates=self.candidates,
            tool_context=self.tool_context,
            spawn=self._spawn,
        )

    @property
    def compaction(self) -> Compaction:
        self._compaction = self._compaction or Compaction(self._context())
        return self._compaction

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> "asyncio.Task[None]":
        return self._tasks.spawn(work, name=f"session {self.session_id}: {name}")

    async def _live(self) -> None:
        try:
            while self._queue and self.open and not self.held:
                await self._take_turn(self._queue[0])
        except Exception as error:
            # What ran and what waits is in the log: whoever has the session next settles it and goes on.
            self._queue.clear()
            if not isinstance(error, JournalError):
                logger.exception("session %s died", self.session_id)
            if self.log.failed:  # it is another's, or cannot be stored
                self.notify(self.log.failed)
            else:
                self.state = State.ENDING
                with contextlib.suppress(JournalError, TimeoutError):
                    async with asyncio.timeout(_LAST_WORDS_S):
                        await self.durable()  # what was said until now is kept, told or not
                self.give_up()
        finally:
            self._loop = None
            self.check_idle()

    async def _take_turn(self, turn: Turn) -> None:
        """Raises when the session is lost. Whatever else goes wrong ends this turn alone, and those who wait for it are told."""
        try:
            await self.budget.refresh()
            await self.compaction.before_turn()
            if self._queue and not self.held:  # either may have changed while this waited
                turn = self._queue[0]
                await self._respond(turn)
            if self.open:
                self.compaction.after_turn()
        except Exception as error:
            if self.log.failed:
                raise
            self._settle(turn, error)
        finally:
            self._response = None

    async def _respond(self, turn: Turn) -> None:
        """``turn`` is the first in the queue, and leaves it when it begins."""
        try:
            view = view_for(turn.options, self.history)
        except (FrameError, ItemNotFound):  # what it refers to was deleted while it waited
            view = SessionState()
        response = Response(self._context(), turn, view)
        first = response.candidate
        self.log.append(
            turn.started(provider=first.provider.name, model=first.model, history=self.history), reserved=True
        )
        del self._queue[0]
        self._response = response
        await response.run()

    def _settle(self, turn: Turn, error: Exception) -> None:
        """End a turn that failed, with the little that this takes. One that has not begun begins first: so its end can be told,
        and what it was to answer does not bring the next one down."""
        stop = STORAGE_AWAY if isinstance(error, JournalError) else FAILED
        if stop is FAILED:
            logger.error("session %s: response %s failed", self.session_id, turn.response_id, exc_info=error)
        cause = safe_cause(repr(error))
        if self._response:
            self._response.give_up(stop, cause)
        elif turn in self._queue:
            self._queue.remove(turn)
            self.log.append(*self._begun_and_over(turn, stop, cause=cause), reserved=True)

    # The end

    def check_idle(self) -> None:
        self.log.idle = not self.answering
        if self.log.idle and not self.subscribers:
            self._on_idle(self)

    def storage_away(self) -> None:
        """The database has been away for longer than the buffer: fail what runs and what waits, for their events would find
        no room; say so, keep the session. In one that failed already, as a new one does whose row could not be made, nothing can be
        written any more: the end of what runs ends it."""
        if self.answering and not self.log.failed:
            self._take_back([turn.response_id for turn in self._queue], STORAGE_AWAY)
        if self._response:
            self._response.stop(STORAGE_AWAY)
        if not self.log.settled:
            self.notify(STORAGE_AWAY.error())

    async def finish(self, *, timeout_s: float) -> None:
        """Let the running response end; after ``timeout_s`` it is cut off as interrupted. What waits is kept in the log, for
        the next holder of the session."""
        if self._compaction:
            self._compaction.cancel()
        if untold := self._untold():
            with contextlib.suppress(JournalError):
                self.log.append(*untold, reserved=True)
        self._queue.clear()
        loop = self._loop
        if loop is None:
            return
        if self._response is None:  # none has begun
            loop.cancel()
        await asyncio.wait([loop], timeout=timeout_s)
        if self._response:
            self._response.stop(INTERRUPTED)
            await asyncio.wait([loop], timeout=1.0)
        if self._response:
            # its model does not let go, and nothing is written any more when this has returned
            with contextlib.suppress(JournalError):
                self._response.cut_off()

    def drop_queue(self) -> None:
        """The session ends, and so do the responses that wait. Raises a `JournalError`."""
        self._take_back(list(self.history.queued), SESSION_ENDED)

    def give_up(self) -> None:
        """By a fault of ours: whoever is there is told so, and to come again; the session is none of this process's any more."""
        self.notify(ChatError())
        self.log.fail(JournalFenced(RESTARTS))
        self._on_death(self)

    def close(self) -> None:
        """It is not here any more: readers get what is visible, and all that runs for it ends."""
        self.state = State.CLOSED
        self.log.close()
        self._tasks.cancel()
        self._compaction = None
