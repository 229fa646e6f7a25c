"""One live session in the one process that holds its lease: takes the turns, runs the responses, knows its subscribers.

Nothing here waits for a subscriber, and no subscriber owns anything: dropping one cancels nothing.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from chat.conf import conf
from chat.engine.commands import (
    AddMessage,
    AddToolOutput,
    CancelResponse,
    Command,
    DeleteItem,
    Done,
    EndSession,
    RequestResponse,
    SessionInfo,
    UpdateSession,
)
from chat.engine.config import ResponseOptions, SessionConfig
from chat.engine.history import History
from chat.engine.response import CANCELLED, INTERRUPTED, STORAGE_AWAY, Response, Stop
from chat.errors import (
    ActiveResponse,
    FrameError,
    ItemExists,
    ItemNotFound,
    NoActiveResponse,
    QueueFull,
    SessionFull,
    ShuttingDown,
)
from chat.messages import JSON, model_spec
from chat.providers.base import Provider
from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from sessions_app import events as ev
from sessions_app.errors import JournalError
from sessions_app.ids import new_id
from sessions_app.lifecycle import Visitor
from sessions_app.livelog import LiveLog

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


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A response that was asked for."""

    item_ids: list[str]
    options: ResponseOptions = ResponseOptions()
    client_event_id: str | None = None


class Conversation:
    """All methods run on the event loop's thread; those that are not ``async`` never wait."""

    def __init__(
        self,
        *,
        session_id: str,
        log: LiveLog,
        history: History,
        config: SessionConfig,
        provider: Provider,
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
        self.provider = provider
        self.model = model
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
        self._response_seq: int | None = None
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
            response_seq=self._response_seq,
        )

    @property
    def model_spec(self) -> str:
        return model_spec(self.provider.name, self.model)

    # What a client may ask

    async def do(self, command: Command) -> Done:
        """Take a command. Raises a `ChatError` or a `JournalError`, and then nothing has happened.

        A message is accepted once its event is committed: its readers see it then. This does not wait for it.
        """
        if self.state is not State.LIVE:
            raise ShuttingDown
        match command:
            case AddMessage():
                return self._add_message(command)
            case RequestResponse():
                config = self.config.for_response(command.options)
                await self._check_tool_choice(config, "response.tool_choice")
                return self._request_response(command)
            case AddToolOutput():
                self._add_tool_output(command)
            case UpdateSession():
                done = await self._update(command.changes)
                await self.log.durable()
                return done
            case DeleteItem():
                self._delete_item(command.item_id)
            case CancelResponse():
                await self._cancel(command.response_id)
            case EndSession():
                self._on_end(self)
        return Done()

    def _add_message(self, command: AddMessage) -> Done:
        if (seq := self._seen(command.client_event_id)) is not None:
            return Done(repeated_seq=seq)
        if self.history.user_messages >= conf().max_session_messages:
            raise SessionFull
        if command.respond:
            self._check_turn()
        event = _message_event(command)
        if event.item_id in self.history.item_seqs:
            raise ItemExists(param="item.id")
        self.append(event)
        if command.respond:
            self._enqueue(Turn(item_ids=self._unclaimed()))
        return Done()

    def _request_response(self, command: RequestResponse) -> Done:
        if (seq := self._seen(command.client_event_id)) is not None:
            return Done(repeated_seq=seq)
        self._check_turn()
        self.log.check_room()
        turn = Turn(
            item_ids=self._unclaimed(), options=command.options, client_event_id=command.client_event_id
        )
        self._enqueue(turn)
        return Done()

    def _unclaimed(self) -> list[str]:
        """What was said and no turn takes in yet, also what a turn left behind that never ran."""
        claimed = {item_id for turn in self._queue for item_id in turn.item_ids}
        return [item_id for item_id in self.history.waiting if item_id not in claimed]

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
            )
        )

    async def _update(self, changes: JSON) -> Done:
        try:
            config = self.config.updated(changes)
        except msgspec.ValidationError as error:
            raise FrameError(f"session: {error}", param="session") from error
        await self._check_tool_choice(config, "session.tool_choice")
        config = self.config.updated(changes)  # another update may have come while that was looked up
        self.append(ev.SessionUpdated(config=changes))
        self.config = config
        return Done(config=msgspec.to_builtins(config))

    async def _check_tool_choice(self, config: SessionConfig, param: str) -> None:
        """Raises `FrameError` for a tool that the model would not be offered."""
        choice = config.tool_choice_name()
        if choice in ("auto", "none", "required"):
            return
        names = {spec.name for spec in config.client_tools()}
        if choice not in names:
            names |= {spec.name for spec in await self._registry.specs_for(self._tool_context(""))}
        if choice not in names:
            raise FrameError(
                f"tool_choice names the tool {choice!r}, which this session does not have. Name one of: "
                f"{', '.join(sorted(names))}.",
                param=param,
            )

    def _delete_item(self, item_id: str) -> None:
        if item_id not in self.history.item_seqs:
            raise ItemNotFound(param="item_id")
        self.append(ev.ItemDeleted(item_id=item_id))

    async def _cancel(self, response_id: str | None) -> None:
        task = self._response_task
        if self._response is None or task is None or response_id not in (None, self._response.response_id):
            raise NoActiveResponse
        self._stop_response(CANCELLED)
        await asyncio.wait([task])
        await self.log.durable()

    def _seen(self, client_event_id: str | None) -> int | None:
        """The seq of what this client event brought about before; 0 when it is still in the queue, None when new."""
        if not client_event_id:
            return None
        if any(turn.client_event_id == client_event_id for turn in self._queue):
            return 0
        return self.history.client_events.get(client_event_id)

    # Turns

    def _check_turn(self) -> None:
        if self.answering and self.config.policy == "reject":
            raise ActiveResponse
        if len(self._queue) >= conf().max_queued_turns:
            raise QueueFull

    def _enqueue(self, turn: Turn) -> None:
        self._queue.append(turn)
        if self.answering and self.config.policy == "interrupt":
            self._stop_response(CANCELLED)
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
        response = Response(
            log=self,
            history=self.history,
            provider=self.provider,
            model=self.model,
            config=self.config,
            options=turn.options,
            registry=self._registry,
            tool_context=self._tool_context,
        )
        started = self.append(
            ev.ResponseStarted(
                response_id=response.response_id,
                provider=self.provider.name,
                model=self.model,
                input_item_ids=[item_id for item_id in turn.item_ids if item_id in self.history.waiting],
                client_event_id=turn.client_event_id,
                options=msgspec.to_builtins(turn.options),
            ),
            reserved=True,
        )
        self._response, self._response_seq = response, started.seq
        self._response_task = asyncio.create_task(response.run(), name=f"response {response.response_id}")
        try:
            await asyncio.wait([self._response_task])
            self._response_task.result()
        finally:
            self._response = self._response_task = self._response_seq = None

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
            self.history.apply(ev.Record(last.session_id, last.seq + offset, last.at, event))
        return last

    async def durable(self) -> None:
        await self.log.durable()

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
            self._queue.clear()
            self._stop_response(STORAGE_AWAY)
        if not self.log.settled:
            self._notify(STORAGE_AWAY.error())

    async def finish_running(self, *, timeout_s: float) -> None:
        """Let the running response end; after ``timeout_s`` it is cut off as interrupted."""
        self._queue.clear()
        if self._runner is None:
            return
        await asyncio.wait([self._runner], timeout=timeout_s)
        if self._runner is not None:
            self._stop_response(INTERRUPTED)
            await asyncio.wait([self._runner], timeout=1.0)


def _message_event(command: AddMessage) -> ev.UserMessage | ev.OperatorMessage:
    item_id = command.item_id or new_id("item")
    if command.role == "system":
        return ev.OperatorMessage(item_id=item_id, text=command.text, author="client")
    return ev.UserMessage(
        item_id=item_id,
        text=command.text,
        respond=command.respond,
        client_event_id=command.client_event_id,
        previous_item_id=command.previous_item_id,
    )
