"""One live session: what its clients may ask of it, and what staff do in it. How it lives: `chat.session.life`."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from chat.errors import (
    ActiveResponse,
    NoActiveResponse,
    ShuttingDown,
)
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
    Left,
    RequestResponse,
    SessionConfig,
    Speak,
    Steering,
    TakeOver,
    TurnPolicy,
    UpdateSession,
    Whisper,
    WithdrawWhisper,
)
from chat.session.life import Life
from chat.session.out_of_band import view_for
from chat.session.response import (
    CANCELLED,
    OPERATOR_STOPPED,
    STEERED,
    TAKEN_OVER,
)
from chat.session.turns import Turn
from sessions_app.log import events as ev

_STORED_S = 1.0
"""A commit takes less, while there is a database."""


class Session(Life):
    """All methods run on the event loop's thread; those that are not ``async`` never wait."""

    # What a client may ask

    async def do(self, command: Command) -> Done:
        """Take a command. Raises a `ChatError` or a `JournalError`, and then nothing has happened.

        A message is accepted once its event is committed: its readers see it then. This does not wait for it.
        """
        accept.check_instructions(command, self._assistant)
        await accept.check_choice(command, self.config, self._registry, self.tool_context(""))
        await self._make_ready(command)
        files = await self._files_of(command)
        # last: what it recalls a summary takes away
        await accept.recall(self.session_id, self.history, command)
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

    async def _make_ready(self, command: Command) -> None:
        match command:
            case AddMessage() | RequestResponse() | Converse():
                await self.budget.refresh()
            case Speak() if self.held and self._response:
                await self._response.ended.wait()  # it was stopped; what a person says stands behind its end

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
        if not self.open:  # its end is being written by now
            raise ShuttingDown
        self.log.append(*accept.deletion(command, self.history, self.compaction, before))
        if command.stored:
            await self.durable()

    def _update(self, command: UpdateSession) -> None:
        updated, config = self._updated(command)
        self.log.append(updated)
        self.config = config

    def _updated(self, command: UpdateSession) -> tuple[ev.SessionUpdated, SessionConfig]:
        """The event, and the settings once it is in the log."""
        changes = self._assistant.with_full_model(command.changes)
        config = accept.updated(self.config, changes)
        return ev.SessionUpdated(config=changes, client_event_id=command.client_event_id), config

    def _add(self, command: AddMessage | AddToolCall | AddToolOutput, files: accept.Files) -> None:
        match command:
            case AddMessage():
                self._add_message(command, files)
            case AddToolCall():
                self.log.append(*self._untold_retries(), accept.tool_call(command, self.history))
            case AddToolOutput():
                self.log.append(*self._untold_retries(), accept.tool_output(command, self.history))

    def _check_quiet(self) -> None:
        """Raises `ActiveResponse`: where the conversation goes on is nothing to change under an answer."""
        if self.answering or self._queue:
            raise ActiveResponse

    def _add_message(self, command: AddMessage, files: accept.Files) -> None:
        if command.replaces:
            self._check_quiet()
        event = accept.message(command, self.history, files)
        if not command.respond:
            self.log.append(*self._untold_retries(), event)
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
        if any(isinstance(one, ev.UserMessage) and one.replaces for one in events):
            self._check_quiet()
        if command.steers:
            return await self._said_into(command, events)
        turn = self._turn_of(command, command.request, events) if command.request else None
        config = self.config
        if command.changes:  # in one with the rest: what is refused changes no settings
            updated, config = self._updated(UpdateSession(changes=command.changes))
            events = [updated, *events]
        if turn:  # it commits with what was said: it is in the log before anybody hears of it
            seq = self._ask(turn, TurnPolicy.ENQUEUE, *events)
            self.config = config
            return Done(response_id=turn.response_id, seq=seq)
        if events:
            self.log.append(*self._untold_retries(), *events)
            self.config = config
        await self.durable()
        return Done(config=msgspec.to_builtins(self.config))

    async def _said_into(self, command: Converse, events: Sequence[ev.Event]) -> Done:
        """Raises `NoActiveResponse`. One that waits itself is answered first, and not stopped."""
        response = self._response
        running = response if response and response.takes_words and response.goes_by(command.steers) else None
        takes_it = [turn.options for turn in self._queue if turn.goes_by(command.steers)]
        if running:
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
        if running:
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
        if command.item_id is None:  # the last answer may have been shown a moment before it is stored
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STORED_S):
                    await self.durable()
        answer = await feedback.look_up(self.session_id, command)
        if not self.open:
            raise ShuttingDown
        if word := feedback.word_on(answer, command, self.history.feedback):
            self.log.append(word)
            return None
        assert answer is not None
        return self.history.feedback_seqs.get(answer.item_id, answer.last_seq)

    async def _cancel(self, command: CancelResponse) -> None:
        """Take the response out of the queue, or stop it (None: the one that runs, or is about to) and wait for its end. Raises
        `NoActiveResponse`."""
        if command.left and self._is_waited_for_beside(command.left):
            return
        named, response = command.response_id, self._response
        why = replace(OPERATOR_STOPPED, by=command.by) if command.by else CANCELLED
        why = replace(why, client_event_id=command.client_event_id)
        if response and (named is None or response.goes_by(named)):
            response.stop(why)
            await response.ended.wait()
        elif turn := self._to_call_off(named):
            self._take_back([turn.response_id], why)
        else:
            raise NoActiveResponse

    def _is_waited_for_beside(self, left: Left) -> bool:
        """By the same request, which came again, at whatever process: that its first connection is lost may be heard of last."""
        others = [one for name, one in self.subscribers.items() if name != left.connection_id]
        return any(
            getattr(one, "waits_for", "") == left.waited_for or one.dialect == left.dialect for one in others
        )

    def _to_call_off(self, named: str | None) -> Turn | None:
        if named is None:
            return self._next
        return next((turn for turn in self._queue if turn.goes_by(named)), None)

    # What staff do in it

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
