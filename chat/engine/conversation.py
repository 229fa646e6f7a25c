"""One live session in the one process that holds its lease: takes the turns, runs the responses, knows its subscribers.

Nothing here waits for a subscriber, and no subscriber owns anything: dropping one cancels nothing.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Protocol

import msgspec

from chat.conf import conf
from chat.engine.commands import (
    AddMessage,
    AddToolOutput,
    CancelResponse,
    Command,
    DecideApproval,
    DeleteItem,
    Done,
    EndSession,
    RequestResponse,
    SessionInfo,
    UpdateSession,
)
from chat.engine.config import SessionConfig
from chat.engine.history import ROOT, History
from chat.engine.outside import view_for
from chat.engine.response import CANCELLED, INTERRUPTED, SESSION_ENDED, STORAGE_AWAY, Response, Stop
from chat.engine.turns import Turn, turns_left
from chat.errors import (
    ActiveResponse,
    AlreadyDecided,
    FrameError,
    ItemExists,
    ItemNotFound,
    NoActiveResponse,
    NothingToRetry,
    QueueFull,
    SessionFull,
    ShuttingDown,
)
from chat.messages import JSON
from chat.providers.choice import Candidate, candidates, with_full_model
from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from sessions_app import events as ev
from sessions_app.errors import JournalError, JournalFenced
from sessions_app.ids import new_id
from sessions_app.leases import lost_leases
from sessions_app.lifecycle import Visitor
from sessions_app.livelog import LiveLog
from sessions_app.settle import dropped
from sessions_app.threads import in_db_thread

logger = logging.getLogger(__name__)


class State(StrEnum):
    LIVE = "live"
    ENDING = "ending"
    CLOSED = "closed"


class Subscriber(Protocol):
    """A socket, as its conversation sees it."""

    connection_id: str
    dialect: str

    def notify(self, error: Exception) -> None:
        """Something went wrong that is not in the log."""


class Conversation:
    """All methods run on the event loop's thread; those that are not ``async`` never wait."""

    def __init__(
        self,
        *,
        session_id: str,
        log: LiveLog,
        history: History,
        config: SessionConfig,
        model: str,
        visitor: Visitor,
        is_staff: bool,
        registry: Registry,
        on_idle: Callable[["Conversation"], None],
        on_end: Callable[["Conversation"], None],
    ) -> None:
        self.session_id = session_id
        self.log = log
        self.history = history
        self.config = config
        self._model = model
        self.visitor = visitor
        self.is_staff = is_staff
        self.state = State.LIVE
        self.subscribers: dict[str, Subscriber] = {}
        self._registry = registry
        self._on_idle = on_idle
        self._on_end = on_end
        self._queue: deque[Turn] = deque()
        self._response: Response | None = None
        self._response_task: asyncio.Task[None] | None = None
        self._view: History | None = None
        """What the running response looks at, when that is not the conversation."""
        self._runner: asyncio.Task[None] | None = None

    # Subscribers

    def attach(self, subscriber: Subscriber) -> None:
        self.subscribers[subscriber.connection_id] = subscriber
        self._append_quietly(
            ev.ConnectionOpened(connection_id=subscriber.connection_id, dialect=subscriber.dialect)
        )

    def detach(self, subscriber: Subscriber, close_code: int) -> None:
        if self.subscribers.pop(subscriber.connection_id, None) and self.state is State.LIVE:
            self._append_quietly(
                ev.ConnectionClosed(connection_id=subscriber.connection_id, close_code=close_code)
            )
        self._check_idle()

    def follow(self, after: int) -> AsyncIterator[Sequence[ev.Record]]:
        return self.log.follow(after)

    @property
    def answering(self) -> bool:
        return self._runner is not None

    def info(self) -> SessionInfo:
        return SessionInfo(
            session_id=self.session_id,
            model=self.model_spec,
            config=msgspec.to_builtins(self.config),
            last_seq=self.log.visible_seq,
            response_seq=self.log.open_response_seq,
            queued=[turn.response_id for turn in self._queue],
        )

    @property
    def model_spec(self) -> str:
        """Who is asked first."""
        return self._candidates()[0].spec

    def _candidates(self) -> list[Candidate]:
        return candidates(self.config.model or self._model)

    # What a client may ask

    async def do(self, command: Command) -> Done:
        """Take a command. Raises a `ChatError` or a `JournalError`, and then nothing has happened.

        A message is accepted once its event is committed: its readers see it then. This does not wait for it.
        """
        await self._check_tool_choice(command)
        if self.state is not State.LIVE:
            raise ShuttingDown
        if (seq := self._seen(command)) is not None:
            return Done(repeated_seq=seq, config=msgspec.to_builtins(self.config))
        match command:
            case UpdateSession():
                self._update(command)
                await self.log.durable()
                return Done(config=msgspec.to_builtins(self.config))
            case DecideApproval():
                self._decide(command)
                await self.log.durable()
            case CancelResponse():
                await self._cancel(command)
            case EndSession():
                self._on_end(self)
            case _:
                self._take(command)
        return Done()

    def _take(self, command: AddMessage | RequestResponse | AddToolOutput | DeleteItem) -> None:
        match command:
            case AddMessage():
                self._add_message(command)
            case RequestResponse():
                self._request_response(command)
            case AddToolOutput():
                self._add_tool_output(command)
            case DeleteItem():
                self._delete_item(command)

    def _seen(self, command: Command) -> int | None:
        """The seq of what this client event brought about before; 0 when it is still to come, None when it is new."""
        client_event_id = getattr(command, "client_event_id", None)
        if not client_event_id:
            return None
        seq = self.history.client_events.get(client_event_id)
        asked = any(turn.client_event_id == client_event_id for turn in self._queue)
        return 0 if seq is None and asked else seq

    def _add_message(self, command: AddMessage) -> None:
        if self.history.user_messages >= conf().max_session_messages:
            raise SessionFull
        event = self._message_event(command)
        if not command.respond:
            self.append(event)
            return
        policy = command.turn_policy or self.config.policy
        self._check_turn(policy)
        self._ask(Turn(item_ids=[*self._unclaimed(), event.item_id]), policy, event)

    def _message_event(self, command: AddMessage) -> ev.UserMessage | ev.OperatorMessage:
        """Raises `ItemExists`, `ItemNotFound`."""
        previous, item_id = command.previous_item_id, command.item_id or new_id("item")
        if item_id in self.history.item_seqs:
            raise ItemExists(param="item.id")
        if previous not in (None, ROOT) and previous not in self.history.item_seqs:
            raise ItemNotFound(param="previous_item_id")
        place = {"client_event_id": command.client_event_id, "previous_item_id": previous}
        if command.role == "system":
            return ev.OperatorMessage(item_id=item_id, text=command.text, author="client", **place)
        return ev.UserMessage(item_id=item_id, text=command.text, respond=command.respond, **place)

    def _request_response(self, command: RequestResponse) -> None:
        policy = command.turn_policy or self.config.policy
        turn = Turn(
            options=command.options, client_event_id=command.client_event_id, retry_of=command.retry_of
        )
        if not turn.outside:
            self._check_turn(policy)
            turn = msgspec.structs.replace(turn, item_ids=self._unclaimed())
        elif len(self._queue) >= conf().max_queued_turns:
            raise QueueFull
        if command.retry_of:
            self._check_retry(command.retry_of)
        view_for(command.options, self.history)  # a reference to nothing is told at once
        self._ask(turn, "enqueue" if turn.outside else policy)

    def _check_retry(self, response_id: str) -> None:
        last, done = self.history.last_response, self.history.last_done
        if last is None or done is None or last.response_id != response_id or done.status == "completed":
            raise NothingToRetry(param="response.x_retry_of")

    def _unclaimed(self) -> list[str]:
        """What was said and no turn takes in yet, also what a turn left behind that never ran."""
        claimed = {item_id for turn in self._queue for item_id in turn.item_ids}
        return [item_id for item_id in self.history.waiting if item_id not in claimed]

    def _decide(self, command: DecideApproval) -> None:
        approval = self.history.approvals.get(command.approval_id)
        if approval is None:
            raise ItemNotFound(
                f"There is no approval request {command.approval_id!r} in this conversation.",
                param="item.approval_request_id",
            )
        if approval.approve is not None or approval.continued:
            raise AlreadyDecided(param="item.approval_request_id")
        self.append(
            ev.ToolApproval(
                item_id=command.item_id or new_id("item"),
                approval_id=command.approval_id,
                approve=command.approve,
                by=command.by,
                reason=command.reason,
                client_event_id=command.client_event_id,
            )
        )
        if approval.asked.response_id in self.history.decided():
            self._ask(Turn(continues=approval.asked.response_id), "enqueue")

    def _add_tool_output(self, command: AddToolOutput) -> None:
        call = self.history.client_call(command.call_id)
        if call is None:
            raise ItemNotFound(
                f"There is no open function call with call_id {command.call_id!r}.", param="item.call_id"
            )
        self.append(
            ev.ToolResult(
                item_id=command.item_id or new_id("item"),
                call_id=command.call_id,
                name=call.name,
                output=command.output,
                client_event_id=command.client_event_id,
            )
        )

    def _update(self, command: UpdateSession) -> None:
        changes = with_full_model(command.changes)
        config = self._updated(changes)
        self.append(ev.SessionUpdated(config=changes, client_event_id=command.client_event_id))
        self.config = config

    def _updated(self, changes: JSON) -> SessionConfig:
        try:
            return self.config.updated(changes)
        except msgspec.ValidationError as error:
            raise FrameError(f"session: {error}", param="session") from error

    async def _check_tool_choice(self, command: Command) -> None:
        """Raises `FrameError` for a tool that the model would not be offered."""
        match command:
            case RequestResponse():
                config, param = self.config.for_response(command.options), "response.tool_choice"
            case UpdateSession():
                config, param = self._updated(command.changes), "session.tool_choice"
            case _:
                return
        choice = config.tool_choice_name()
        names = {spec.name for spec in config.client_tools()}
        if choice in names | {"auto", "none", "required"}:
            return
        names |= {spec.name for spec in await self._registry.specs_for(self._tool_context(""))}
        if choice not in names:
            raise FrameError(
                f"tool_choice names the tool {choice!r}, which this session does not have. Name one of: "
                f"{', '.join(sorted(names))}.",
                param=param,
            )

    def _delete_item(self, command: DeleteItem) -> None:
        if command.item_id not in self.history.item_seqs:
            raise ItemNotFound(param="item_id")
        self.append(ev.ItemDeleted(item_id=command.item_id, client_event_id=command.client_event_id))

    async def _cancel(self, command: CancelResponse) -> None:
        task, response_id = self._response_task, command.response_id
        if any(turn.response_id == response_id for turn in self._queue):
            self._take_back([str(response_id)], CANCELLED, command.client_event_id)
        elif self._response and task and response_id in (None, self._response.response_id):
            self._stop_response(replace(CANCELLED, client_event_id=command.client_event_id))
            await asyncio.wait([task])
        else:
            raise NoActiveResponse
        await self.log.durable()

    # Turns

    def resume(self) -> None:
        """Go on with what the last holder of the session left undone."""
        left = turns_left(self.history)
        self._queue.extend(left)
        if left:
            logger.info("session %s: %d turns taken over", self.session_id, len(left))
            self._run()

    def _check_turn(self, policy: str) -> None:
        if self.answering and policy == "reject":
            raise ActiveResponse
        if len(self._queue) >= conf().max_queued_turns:
            raise QueueFull

    def _ask(self, turn: Turn, policy: str, *events: ev.Event) -> None:
        """Take a turn in, together with the events that bring it; one that has to wait does so in the log.

        Raises a `JournalError`, and then nothing has happened.
        """
        waits = self.answering and policy != "interrupt"
        queued = [turn.queued(len(self._queue) + 1)] if waits else []
        if events or queued:
            self.append(*events, *queued)
        else:
            self.log.check_room()
        self._queue.append(turn)
        if self.answering and policy == "interrupt":
            self._stop_response(CANCELLED)
        self._run()

    def _take_back(self, response_ids: list[str], why: Stop, client_event_id: str | None = None) -> None:
        """Take turns out of the queue and say so to those who wait for them."""
        self._queue = deque(turn for turn in self._queue if turn.response_id not in response_ids)
        told = [response_id for response_id in response_ids if response_id in self.history.queued]
        if told:
            ends = dropped(told, reason=why.reason, status=why.status, client_event_id=client_event_id)
            self.append(*ends, reserved=True)

    def _run(self) -> None:
        self.log.idle = False
        if self._runner is None:
            self._runner = asyncio.create_task(self._run_turns(), name=f"turns {self.session_id}")

    async def _run_turns(self) -> None:
        try:
            while self._queue and self.state is State.LIVE:
                await self._respond(self._queue.popleft())
        except JournalError as error:  # the session is lost to this process
            self._queue.clear()
            self._notify(error)
        finally:
            self._runner = None
            self._check_idle()

    async def _respond(self, turn: Turn) -> None:
        asked = self._candidates()
        started = turn.started(provider=asked[0].provider.name, model=asked[0].model, history=self.history)
        try:
            view = view_for(turn.options, self.history)
        except (FrameError, ItemNotFound):  # what it refers to was deleted while it waited
            view = History()
        response = self._make_response(turn, asked, view or self.history)
        self.append(started, reserved=True)
        self._response, self._view = response, view
        self._response_task = asyncio.create_task(response.run(), name=f"response {response.response_id}")
        try:
            await asyncio.wait([self._response_task])
            self._response_task.result()
        finally:
            self._response = self._response_task = self._view = None

    def _make_response(self, turn: Turn, asked: list[Candidate], history: History) -> Response:
        return Response(
            response_id=turn.response_id,
            log=self,
            history=history,
            candidates=asked,
            config=self.config,
            options=turn.options,
            registry=self._registry,
            tool_context=self._tool_context,
            continues=turn.continues,
        )

    def _stop_response(self, stop: Stop) -> None:
        if self._response and self._response_task and not self._response_task.done():
            self._response.stop(stop)

    def _tool_context(self, call_id: str) -> ToolContext:
        return ToolContext(
            session_id=self.session_id,
            call_id=call_id,
            user_id=self.visitor.user_id,
            guest_id=self.visitor.guest_id,
            is_staff=self.is_staff,
        )

    # The log

    def append(self, *events: ev.Event, reserved: bool = False) -> ev.Record:
        """Append to the log and to the model's history alike."""
        last = self.log.append(*events, reserved=reserved)
        for offset, event in enumerate(events, start=1 - len(events)):
            record = ev.Record(last.session_id, last.seq + offset, last.at, event)
            self.history.apply(record)
            if self._view and self._response and _of_response(event, self._response.response_id):
                self._view.apply(record)
        return last

    async def durable(self) -> None:
        await self.log.durable()

    async def check_lease(self) -> None:
        """Raises `JournalFenced` when another process took the session and this one has not noticed yet."""
        if not self.log.stored:
            return
        lost = await in_db_thread(lost_leases, epochs={self.session_id: self.log.epoch})
        if lost:
            error = JournalFenced()
            self.log.fail(error)
            raise error

    def _append_quietly(self, event: ev.Event) -> None:
        """For what is worth a line in the log but no error to anybody."""
        try:
            self.append(event)
        except JournalError as error:
            logger.info("session %s: %s not logged: %s", self.session_id, event.event_type, error.code)

    def _notify(self, error: Exception) -> None:
        for subscriber in list(self.subscribers.values()):
            subscriber.notify(error)

    # The end

    def _check_idle(self) -> None:
        self.log.idle = not self.answering
        if self.log.idle and not self.subscribers:
            self._on_idle(self)

    def storage_away(self) -> None:
        """The database has been away for longer than the buffer: fail what runs, say so, keep the session."""
        if self.answering:
            self._take_back([turn.response_id for turn in self._queue], STORAGE_AWAY)
            self._stop_response(STORAGE_AWAY)
        if not self.log.settled:
            self._notify(STORAGE_AWAY.error())

    async def finish_running(self, *, timeout_s: float) -> None:
        """Let the running response end; after ``timeout_s`` it is cut off as interrupted. What waits is kept in the log,
        for the next holder of the session."""
        self._queue.clear()
        if self._runner is None:
            return
        await asyncio.wait([self._runner], timeout=timeout_s)
        if self._runner is not None:
            self._stop_response(INTERRUPTED)
            await asyncio.wait([self._runner], timeout=1.0)

    def drop_queue(self) -> None:
        """The session ends, and so do the responses that wait. Raises a `JournalError`."""
        self._take_back(list(self.history.queued), SESSION_ENDED)


def _of_response(event: ev.Event, response_id: str) -> bool:
    return getattr(event, "response_id", None) == response_id
