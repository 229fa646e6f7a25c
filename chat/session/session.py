"""One live session in the one process that holds its lease: takes the turns, runs the responses, knows its subscribers.

Nothing here waits for a subscriber, and no subscriber owns anything: dropping one cancels nothing.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from chat.conf import conf
from chat.errors import (
    AlreadyDecided,
    FrameError,
    ItemExists,
    ItemNotFound,
    NothingToRetry,
    SessionFull,
    ShuttingDown,
)
from chat.llm.catalog import Candidate, candidates, with_full_model
from chat.llm.provider import JSON, ModelRequest
from chat.session.commands import (
    AddMessage,
    AddToolCall,
    AddToolOutput,
    CancelResponse,
    Command,
    DecideApproval,
    DeleteItem,
    Done,
    EndSession,
    RequestResponse,
    SessionConfig,
    SessionInfo,
    UpdateSession,
)
from chat.session.compaction import Compaction
from chat.session.cost import Budget
from chat.session.history import items_of
from chat.session.out_of_band import view_for
from chat.session.response import STORAGE_AWAY
from chat.session.running import Turns
from chat.session.turns import Turn
from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from sessions_app.errors import DatabaseAway, JournalError, JournalFenced
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log.events import ROOT
from sessions_app.log.leases import lost_leases
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.live import LiveLog
from sessions_app.log.replay import find_ids, summary_before
from sessions_app.log.state import SessionState
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)


# Ids that a compacted history does not remember: looked for in the log, by index, when a command names
# them.


async def recall(session_id: str, history: SessionState, command: Command) -> None:
    """Tell the history what it needs to know of the ids in a command; costs nothing where it was never compacted.

    With the database away an id counts as new: what a client repeats after a break is of the last minutes, and those
    the history remembers.
    """
    if not history.checkpoint_seq:
        return
    named = {getattr(command, name, None) for name in ("item_id", "previous_item_id")}
    item_ids = sorted(one for one in named if one and one != ROOT and history.may_have_forgotten(one))
    client_event_id = getattr(command, "client_event_id", None)
    if client_event_id in history.client_events:
        client_event_id = None
    if not item_ids and not client_event_id:
        return
    try:
        found = await in_db_thread(
            find_ids,
            session_id=session_id,
            through_seq=history.checkpoint_seq,
            item_ids=item_ids,
            client_event_id=client_event_id,
        )
    except DatabaseAway:
        logger.warning("session %s: earlier ids cannot be looked up now", session_id)
        return
    history.recall(items=found.items, client_events=found.client_events)


# Whether a client's ``tool_choice`` names a tool that the model would be offered.


async def check_tool_choice(
    config: SessionConfig, param: str, registry: Registry, context: ToolContext
) -> None:
    """Raises `FrameError`, about the field ``param``, with the names that there are."""
    choice = config.tool_choice_name()
    names = {spec.name for spec in config.client_tools()}
    if choice in names | {"auto", "none", "required"}:
        return
    names |= {spec.name for spec in await registry.specs_for(context)}
    if choice not in names:
        raise FrameError(
            f"tool_choice names the tool {choice!r}, which this session does not have. Name one of: "
            f"{', '.join(sorted(names))}.",
            param=param,
        )


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
        self.history = log.state
        self.config = config
        self._model = model
        self.visitor = visitor
        self.is_staff = is_staff
        self.state = State.LIVE
        self.subscribers: dict[str, Subscriber] = {}
        self.registry = registry
        self._on_idle = on_idle
        self._on_end = on_end
        self.turns = Turns(self)
        self.budget = Budget(log.state, visitor)
        self.compaction = Compaction(self)

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
        self.check_idle()

    def follow(self, after: int) -> AsyncIterator[Sequence[ev.Record]]:
        return self.log.follow(after)

    @property
    def answering(self) -> bool:
        return self.turns.running

    @property
    def compacting(self) -> bool:
        """A summary of older turns is in the making."""
        return self.compaction.running

    def info(self) -> SessionInfo:
        return SessionInfo(
            session_id=self.session_id,
            model=self.model_spec,
            config=msgspec.to_builtins(self.config),
            last_seq=self.log.visible_seq,
            response_seq=self.log.open_response_seq,
            queued=[turn.response_id for turn in self.turns],
        )

    @property
    def model_spec(self) -> str:
        """Who is asked first."""
        return self.candidates()[0].spec

    def candidates(self) -> list[Candidate]:
        """The models for the next response, in the order in which they are asked."""
        return candidates(self.config.model or self._model)

    # What a client may ask

    async def do(self, command: Command) -> Done:
        """Take a command. Raises a `ChatError` or a `JournalError`, and then nothing has happened.

        A message is accepted once its event is committed: its readers see it then. This does not wait for it.
        """
        await self._check_tool_choice(command)
        await recall(self.session_id, self.history, command)
        if isinstance(command, AddMessage | RequestResponse):
            await self.budget.refresh()
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
                await self.turns.cancel(command.response_id, command.client_event_id)
                await self.log.durable()
            case DeleteItem():
                await self._delete_item(command)
            case EndSession():
                self._on_end(self)
            case RequestResponse():
                return self._request_response(command)
            case _:
                self._take(command)
        return Done()

    def _take(self, command: AddMessage | AddToolCall | AddToolOutput) -> None:
        match command:
            case AddMessage():
                self._add_message(command)
            case AddToolCall():
                self._add_tool_call(command)
            case AddToolOutput():
                self._add_tool_output(command)

    def _seen(self, command: Command) -> int | None:
        """The seq of what this client event brought about before; 0 when it is still to come, None when it is new."""
        client_event_id = getattr(command, "client_event_id", None)
        if not client_event_id:
            return None
        seq = self.history.client_events.get(client_event_id)
        asked = any(turn.client_event_id == client_event_id for turn in self.turns)
        return 0 if seq is None and asked else seq

    def _add_message(self, command: AddMessage) -> None:
        self._check_room()
        event = self._message_event(command)
        if not command.respond:
            self.append(event)
            return
        policy = command.turn_policy or self.config.policy
        self.budget.check()
        self.turns.check(policy)
        self.turns.ask(Turn(item_ids=[*self.turns.unclaimed(), event.item_id]), policy, event)

    def _check_room(self) -> None:
        if self.history.user_messages >= conf().max_session_messages:
            raise SessionFull

    def _message_event(
        self, command: AddMessage
    ) -> ev.UserMessage | ev.OperatorMessage | ev.AssistantMessage:
        """Raises `ItemExists`, `ItemNotFound`."""
        place = self._place(command)
        match command.role:
            case "system":
                return ev.OperatorMessage(text=command.text, author="client", **place)
            case "assistant":
                return ev.AssistantMessage(text=command.text, response_id="", output_index=0, **place)
            case _:
                return ev.UserMessage(text=command.text, respond=command.respond, **place)

    def _place(self, command: AddMessage | AddToolCall | AddToolOutput) -> JSON:
        """Which item it makes, and where. Raises `ItemExists`, `ItemNotFound`."""
        previous, item_id = command.previous_item_id, command.item_id or new_id("item")
        if item_id in self.history.item_seqs:
            raise ItemExists(param="item.id")
        if previous not in (None, ROOT) and previous not in self.history.item_seqs:
            raise ItemNotFound(param="previous_item_id")
        return {
            "item_id": item_id,
            "client_event_id": command.client_event_id,
            "previous_item_id": previous,
            "after_item_id": self.history.order.place(previous),
        }

    def _add_tool_call(self, command: AddToolCall) -> None:
        self._check_room()
        if self.history.items.knows_call(command.call_id):
            raise ItemExists(
                f"There is a call {command.call_id!r} in this conversation already.", param="item.call_id"
            )
        self.append(
            ev.ToolCall(
                response_id="",
                call_id=command.call_id,
                output_index=0,
                name=command.name,
                arguments=command.arguments,
                location=ev.Location.HISTORY,
                **self._place(command),
            )
        )

    def _request_response(self, command: RequestResponse) -> Done:
        if command.bare and self.history.answered_with_tools and not self.turns.unclaimed():
            return Done(passed_over=True)
        policy = command.turn_policy or self.config.policy
        self.budget.check()
        turn = Turn(
            options=command.options, client_event_id=command.client_event_id, retry_of=command.retry_of
        )
        if not turn.outside:
            self.turns.check(policy)
            turn = msgspec.structs.replace(turn, item_ids=self.turns.unclaimed())
        else:
            self.turns.check_room()
        if command.retry_of:
            self._check_retry(command.retry_of)
        view_for(command.options, self.history)  # a reference to nothing is told at once
        self.turns.ask(turn, "enqueue" if turn.outside else policy)
        return Done()

    def _check_retry(self, response_id: str) -> None:
        last, done = self.history.last_response, self.history.last_done
        if (
            last is None
            or done is None
            or last.response_id != response_id
            or done.status == ev.ResponseStatus.COMPLETED
        ):
            raise NothingToRetry(param="response.x_retry_of")

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
                after_item_id=self.history.order.place(None),
            )
        )
        if approval.asked.response_id in self.history.approvals.decided():
            self.turns.ask(Turn(continues=approval.asked.response_id), "enqueue")

    def _add_tool_output(self, command: AddToolOutput) -> None:
        call = self.history.items.client_call(command.call_id)
        if call is None:
            raise ItemNotFound(
                f"There is no open function call with call_id {command.call_id!r}.", param="item.call_id"
            )
        self.append(
            ev.ToolResult(
                call_id=command.call_id, name=call.name, output=command.output, **self._place(command)
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
        await check_tool_choice(config, param, self.registry, self.tool_context(""))

    async def _delete_item(self, command: DeleteItem) -> None:
        """One that a summary tells of takes with it what the summary says from there on."""
        item_id, history = command.item_id, self.history
        before = ""
        if item_id in history.recalled:
            seq = history.item_seqs[item_id]
            before = await in_db_thread(summary_before, session_id=self.session_id, item_id=item_id, seq=seq)
        if item_id not in history.item_seqs:
            raise ItemNotFound(param="item_id")
        deleted = ev.ItemDeleted(
            item_id=item_id,
            client_event_id=command.client_event_id,
            after_item_id=history.order.before(item_id),
        )
        events: list[ev.Event] = [deleted]
        if item_id in history.recalled:
            events.append(self.compaction.without(item_id, before))
        self.append(*events)

    def tool_context(self, call_id: str) -> ToolContext:
        return ToolContext(
            session_id=self.session_id,
            call_id=call_id,
            user_id=self.visitor.user_id,
            guest_id=self.visitor.guest_id,
            is_staff=self.is_staff,
        )

    # The log

    def append(self, *events: ev.Event, reserved: bool = False) -> ev.Record:
        """Append to the log, which takes them into its state, and to what the running response looks at."""
        last = self.log.append(*events, reserved=reserved)
        for offset, event in enumerate(events, start=1 - len(events)):
            record = ev.Record(last.session_id, last.seq + offset, last.at, event)
            self.turns.apply(record)
        return last

    async def durable(self, seq: int | None = None) -> None:
        await self.log.durable(seq)

    # For the compaction

    @property
    def open(self) -> bool:
        return self.state is State.LIVE

    def may_spend(self) -> bool:
        return self.budget.left

    def next_request(self) -> ModelRequest:
        """What the model would be sent now, but for what waits, and with the tools that not everybody may use."""
        return ModelRequest(
            model=self.model_spec,
            history=items_of(self.history),
            instructions=self.config.instructions or conf().instructions,
            tools=[*self.config.client_tools(), *(tool.spec for tool in self.registry)],
        )

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

    def notify(self, error: Exception) -> None:
        for subscriber in list(self.subscribers.values()):
            subscriber.notify(error)

    # The end

    def check_idle(self) -> None:
        self.log.idle = not self.answering
        if self.log.idle and not self.subscribers:
            self._on_idle(self)

    def storage_away(self) -> None:
        """The database has been away for longer than the buffer: fail what runs, say so, keep the session."""
        self.turns.storage_away()
        if not self.log.settled:
            self.notify(STORAGE_AWAY.error())

    async def finish_running(self, *, timeout_s: float) -> None:
        """As `Turns.finish`."""
        self.compaction.cancel()
        await self.turns.finish(timeout_s=timeout_s)
