"""One live session in the one process that holds its lease: its state, its queue of turns, its subscribers, and one loop.

Who asks something of a session puts it into the log and the queue, and waits for neither. The loop takes the turns one
at a time and lives while there are any; what runs beside it, the summary of older turns, ends with the session as
well. Nothing here waits for a subscriber, and no subscriber owns anything: dropping one cancels nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import replace
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
    NoActiveResponse,
    QueueFull,
    ShuttingDown,
)
from chat.llm.catalog import Candidate
from chat.quota.quotas import Quotas
from chat.quota.subjects import Payers
from chat.redaction import safe_cause
from chat.session import accept, feedback, steering
from chat.session.commands import (
    AddMessage,
    AddToolCall,
    AddToolOutput,
    CancelResponse,
    ChooseVersion,
    Command,
    Converse,
    DecideApproval,
    DeleteItem,
    Done,
    Durable,
    EndSession,
    GiveFeedback,
    HandBack,
    RequestResponse,
    SessionConfig,
    SessionInfo,
    Speak,
    Steering,
    TakeOver,
    TurnPolicy,
    UpdateSession,
    Whisper,
    WithdrawWhisper,
)
from chat.session.compaction import Compaction
from chat.session.context import Context
from chat.session.cost import Budget
from chat.session.out_of_band import view_for
from chat.session.response import (
    CANCELLED,
    FAILED,
    INTERRUPTED,
    OPERATOR_STOPPED,
    SESSION_ENDED,
    STEERED,
    STORAGE_AWAY,
    TAKEN_OVER,
    Response,
    Stop,
)
from chat.session.subscribers import Subscriber
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


class Session:
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
        on_idle: Callable[["Session"], None],
        on_end: Callable[["Session"], None],
        on_death: Callable[["Session"], None],
    ) -> None:
        """``on_idle``: nobody is there and nothing is to do; ``on_end``: somebody wants it to end; ``on_death``: a fault of ours
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
        self._context = Context(
            session_id=self.session_id,
            log=log,
            history=log.state,
            registry=self._registry,
            budget=self.budget,
            config=lambda: self.config,
            instructions=lambda: assistant.instructions,
            candidates=self.candidates,
            tool_context=self.tool_context,
            spawn=self._spawn,
        )
        self.compaction = Compaction(self._context)

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
            user_id=self.owner.user_id,
            guest_id=self.owner.guest_id,
            is_staff=self._is_staff,
        )

    async def durable(self) -> None:
        await self.log.durable()

    # What a client may ask

    async def do(self, command: Command) -> Done:
        """Take a command. Raises a `ChatError` or a `JournalError`, and then nothing has happened.

        A message is accepted once its event is committed: its readers see it then. This does not wait for it.
        """
        accept.check_instructions(command, self._assistant)
        await accept.check_choice(command, self.config, self._registry, self.tool_context(""))
        await accept.recall(self.session_id, self.history, command)
        if isinstance(command, AddMessage | RequestResponse | Converse):
            await self.budget.refresh()
        files = await self._files_of(command)
        if not self.open:
            raise ShuttingDown
        if (seq := accept.seen(command, self.history, self._queue)) is not None:
            if isinstance(command, Whisper | Speak):  # staff are told that it is said once it is stored
                await self.durable()
            return Done(repeated_seq=seq, config=msgspec.to_builtins(self.config))
        match command:
            case UpdateSession():
                self._update(command)
                await self.durable()
                return Done(config=msgspec.to_builtins(self.config))
            case AddMessage() | AddToolCall() | AddToolOutput():
                self._add(command, files)
            case DeleteItem():
                await self._delete(command)
            case EndSession():
                self._on_end(self)
            case RequestResponse() | Converse():
                return await self._asked(command, files)
            case _:
                same_seq = await self._take(command)
                await self.durable()
                return Done(repeated_seq=same_seq)
        return Done()

    async def _files_of(self, command: Command) -> accept.Files:
        if not isinstance(command, AddMessage | Converse):
            return {}
        chosen = command.changes.get("model") if isinstance(command, Converse) else None
        model = None if self.held else self.candidates(chosen)[0].spec
        return await accept.files_of(command, session_id=self.session_id, owner=self.owner, model=model)

    async def _take(self, command: Durable) -> int | None:
        match command:
            case DecideApproval():
                self._decide(command)
            case CancelResponse():
                await self._cancel(command)
            case ChooseVersion():
                self._check_quiet()
                if event := accept.choice(command, self.history):
                    self.log.append(event)
            case GiveFeedback():
                return await self._rate(command)
            case _:
                await self._steer(command)
        return None

    async def _delete(self, command: DeleteItem) -> None:
        before = await accept.summary_before_deleted(self.session_id, self.history, command)
        self.log.append(*accept.deletion(command, self.history, self.compaction, before))
        if command.stored:
            await self.durable()

    def _update(self, command: UpdateSession) -> None:
        changes = self._assistant.with_full_model(command.changes)
        config = accept.updated(self.config, changes)
        self.log.append(ev.SessionUpdated(config=changes, client_event_id=command.client_event_id))
        self.config = config

    def _add(self, command: AddMessage | AddToolCall | AddToolOutput, files: accept.Files) -> None:
        match command:
            case AddMessage():
                self._add_message(command, files)
            case AddToolCall():
                self.log.append(accept.tool_call(command, self.history))
            case AddToolOutput():
                self.log.append(accept.tool_output(command, self.history))

    def _check_quiet(self) -> None:
        """Raises `ActiveResponse`: where the conversation goes on is nothing to change under an answer."""
        if self.answering or self._queue:
            raise ActiveResponse

    def _add_message(self, command: AddMessage, files: accept.Files) -> None:
        if command.replaces:
            self._check_quiet()
        event = accept.message(command, self.history, files)
        if not command.respond:
            self.log.append(event)
            return
        policy = command.turn_policy or self.config.policy
        if self.held and any(turn.for_a_person for turn in self._queue):
            self.log.append(event)  # the person's next word answers it as well
            return
        self.budget.check()
        self._check_policy(policy)
        self._ask(Turn(item_ids=[*self._unclaimed(), event.item_id]), policy, event)

    def _request_response(self, command: RequestResponse) -> Done:
        if command.bare and self.history.answered_with_tools and not self._unclaimed():
            return Done(passed_over=True)
        policy = command.turn_policy or self.config.policy
        self.budget.check()
        turn = Turn(
            options=command.options, client_event_id=command.client_event_id, retry_of=command.retry_of
        )
        if turn.outside:
            policy = TurnPolicy.ENQUEUE
        else:
            turn = msgspec.structs.replace(turn, item_ids=self._unclaimed())
        self._check_policy(policy)
        accept.check_retry(command.retry_of, self.history)
        view_for(command.options, self.history)  # a reference to nothing is told at once
        self._ask(turn, policy)
        return Done()

    async def _asked(self, command: RequestResponse | Converse, files: accept.Files) -> Done:
        if isinstance(command, RequestResponse):
            return self._request_response(command)
        events = accept.conversed(command, self.history, person_id=self.owner.person_id, files=files)
        if command.steers:
            return await self._said_into(command, events)
        turn = self._turn_of(command, command.request, events) if command.request else None
        if command.changes:
            self._update(UpdateSession(changes=command.changes))
        if turn:  # it commits with what was said: it is in the log before anybody hears of it
            return Done(response_id=turn.response_id, seq=self._ask(turn, TurnPolicy.ENQUEUE, *events))
        if events:
            self.log.append(*events)
        await self.durable()
        return Done(config=msgspec.to_builtins(self.config))

    async def _said_into(self, command: Converse, events: Sequence[ev.Event]) -> Done:
        """Raises `NoActiveResponse`. One that waits itself is answered first, and not stopped."""
        running = self._response if self._response and self._response.takes_words else None
        takes_it = [turn.options for turn in self._queue if turn.response_id == command.steers]
        if running and running.response_id == command.steers:
            if running.waits_for_others:
                self.log.append(*events)
                await self.durable()
                return Done()
            takes_it = [running.options]
        if not takes_it or command.request is None:
            raise NoActiveResponse("This response takes nothing in any more: it is over, or about to be.")
        request = accept.with_settings_of(takes_it[0], command.request)
        turn = self._turn_of(command, request, events)
        seq = self._ask(turn, TurnPolicy.ENQUEUE, *events)
        if running and running.response_id == command.steers:
            running.stop(STEERED)
        return Done(response_id=turn.response_id, seq=seq)

    def _turn_of(self, command: Converse, request: RequestResponse, events: Sequence[ev.Event]) -> Turn:
        """Raises what refuses it."""
        self.budget.check()
        self._check_policy(request.turn_policy or self.config.policy)
        accept.check_retry(request.retry_of, self.history)
        return Turn(
            item_ids=[*self._unclaimed(), *accept.to_take_in(events)],
            options=request.options,
            client_event_id=request.client_event_id,
            retry_of=request.retry_of,
            continues=accept.decided_by(command.decisions, self.history),
            request_key=command.request_key,
        )

    def _decide(self, command: DecideApproval) -> None:
        event = accept.decision(command, self.history, person_id=self.owner.person_id)
        self.log.append(event)
        asked_by = self.history.approvals[event.approval_id].asked.response_id
        if asked_by in self.history.approvals.decided():
            self._ask(Turn(continues=asked_by), TurnPolicy.ENQUEUE)

    async def _rate(self, command: GiveFeedback) -> int | None:
        """The log knows the answer, whatever was compacted; what was said of it a moment ago, the session. The seq of the word that
        says the same already, where one does."""
        answer = await feedback.look_up(self.session_id, command)
        if not self.open:
            raise ShuttingDown
        if word := feedback.word_on(answer, command, self.history.feedback):
            self.log.append(word)
            return None
        assert answer is not None
        return self.history.feedback_seqs.get(answer.item_id, answer.last_seq)

    async def _cancel(self, command: CancelResponse) -> None:
        """Take the response out of the queue, or stop it (None: the one that runs) and wait for its end.

        Raises `NoActiveResponse`.
        """
        response_id, response = command.response_id, self._response
        if any(turn.response_id == response_id for turn in self._queue):
            self._take_back([str(response_id)], CANCELLED, command.client_event_id)
        elif response and response_id in (None, response.response_id):
            why = replace(OPERATOR_STOPPED, by=command.by) if command.by else CANCELLED
            response.stop(replace(why, client_event_id=command.client_event_id))
            await response.ended.wait()
        else:
            raise NoActiveResponse

    # What staff do in it

    @property
    def held(self) -> bool:
        """A member of staff answers: no model is asked."""
        return self.history.operator is not None

    async def _steer(self, command: Steering) -> None:
        match command:
            case Whisper():
                self.log.append(steering.whispered(command))
            case WithdrawWhisper():
                self.log.append(steering.withdrawn(command, self.history))
            case TakeOver():
                await self._take_over(command)
            case Speak():
                events, answered = steering.spoken(command, self.history, self._queue)
                self.log.append(*events)
                self._queue = [turn for turn in self._queue if turn not in answered]
            case HandBack():
                self.log.append(steering.handed_back(command, self.history))
                self._go_on()

    async def _take_over(self, command: TakeOver) -> None:
        if events := steering.taken_over(
            command,
            self.history,
            self._queue,
            answering=bool(self._response and self._response.options.conversation != "none"),
        ):
            self.log.append(*events)
        if response := self._response:
            response.stop(replace(TAKEN_OVER, by=command.by))
            await response.ended.wait()

    def _go_on(self) -> None:
        """With what was asked of the model meanwhile, in one answer."""
        self._queue = steering.left_over(self._queue, self.history, self._unclaimed())
        if self._queue:
            self._begin()

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
        waits = self.held or (self.answering and policy != TurnPolicy.INTERRUPT)
        operator = self.history.operator
        told = turn.queued(len(self._queue) + 1, waits_for=operator.author if operator else "")
        queued = [told] if waits or turn.request_key else []
        seq = self.log.last_seq
        if events or queued:
            seq = self.log.append(*events, *queued).seq
        else:
            self.log.check_room()
        self._queue.append(turn)
        if self._response and policy == TurnPolicy.INTERRUPT:
            self._response.stop(CANCELLED)
        self._begin()
        return seq

    def recover(self) -> None:
        """Go on with what the last holder of the session left undone."""
        left = turns_left(self.history)
        self._queue.extend(left)
        if left:
            logger.info("session %s: %d turns taken over", self.session_id, len(left))
            self._begin()

    def _take_back(self, response_ids: list[str], why: Stop, client_event_id: str | None = None) -> None:
        """Take turns out of the queue and say so to those who wait for them."""
        self._queue = [turn for turn in self._queue if turn.response_id not in response_ids]
        told = [one for one in response_ids if one in self.history.queued]
        if told:
            ends = dropped(told, reason=why.reason, status=why.status, client_event_id=client_event_id)
            self.log.append(*ends, reserved=True)

    # The loop

    def _begin(self) -> None:
        if self.held:
            return
        self.log.idle = False
        if not self.answering:
            self._loop = self._spawn(self._live(), name="loop")

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
        response = Response(self._context, turn, view)
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
            self.log.append(
                turn.started(provider="", model="", history=self.history),
                stop.done(turn.response_id, cause=cause),
                reserved=True,
            )

    # The end

    def check_idle(self) -> None:
        self.log.idle = not self.answering
        if self.log.idle and not self.subscribers:
            self._on_idle(self)

    def storage_away(self) -> None:
        """The database has been away for longer than the buffer: fail what runs and what waits, for their events would find
        no room; say so, keep the session."""
        if self.answering:
            self._take_back([turn.response_id for turn in self._queue], STORAGE_AWAY)
        if self._response:
            self._response.stop(STORAGE_AWAY)
        if not self.log.settled:
            self.notify(STORAGE_AWAY.error())

    async def finish(self, *, timeout_s: float) -> None:
        """Let the running response end; after ``timeout_s`` it is cut off as interrupted. What waits is kept in the log, for
        the next holder of the session."""
        self.compaction.cancel()
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
