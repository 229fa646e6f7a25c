"""The turns of one conversation: those that wait, and the response that runs. One runs at a time."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from chat.conf import conf
from chat.errors import ActiveResponse, FrameError, ItemNotFound, NoActiveResponse, QueueFull
from chat.llm.catalog import Candidate
from chat.redaction import safe_cause
from chat.session.out_of_band import view_for
from chat.session.response import CANCELLED, FAILED, INTERRUPTED, SESSION_ENDED, STORAGE_AWAY, Response, Stop
from chat.session.turns import Turn, turns_left
from chat.supervision import heard
from sessions_app.errors import JournalError
from sessions_app.log import events as ev
from sessions_app.log.settle import dropped
from sessions_app.log.state import SessionState

if TYPE_CHECKING:
    from chat.session.session import Conversation

logger = logging.getLogger(__name__)


class Turns:
    """Belongs to one `Conversation`, whose log and history it appends to."""

    def __init__(self, conversation: "Conversation") -> None:
        self._conversation = conversation
        self._queue: deque[Turn] = deque()
        self._response: Response | None = None
        self._task: asyncio.Task[None] | None = None
        self._view: SessionState | None = None
        """What the running response looks at, when that is not the conversation."""
        self._runner: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[Turn]:
        """Those that wait."""
        return iter(self._queue)

    @property
    def running(self) -> bool:
        return self._runner is not None

    def unclaimed(self) -> list[str]:
        """What was said and no turn takes in yet, also what a turn left behind that never ran."""
        claimed = {item_id for turn in self._queue for item_id in turn.item_ids}
        return [item_id for item_id in self._conversation.history.waiting if item_id not in claimed]

    # Asking

    def check(self, policy: str) -> None:
        """Raises `ActiveResponse`, `QueueFull`."""
        if self.running and policy == "reject":
            raise ActiveResponse
        self.check_room()

    def check_room(self) -> None:
        if len(self._queue) >= conf().max_queued_turns:
            raise QueueFull

    def ask(self, turn: Turn, policy: str, *events: ev.Event) -> None:
        """Take a turn in, together with the events that bring it; one that has to wait does so in the log.

        Raises a `JournalError`, and then nothing has happened.
        """
        waits = self.running and policy != "interrupt"
        queued = [turn.queued(len(self._queue) + 1)] if waits else []
        if events or queued:
            self._conversation.append(*events, *queued)
        else:
            self._conversation.log.check_room()
        self._queue.append(turn)
        if self.running and policy == "interrupt":
            self._stop(CANCELLED)
        self._start()

    def resume(self) -> None:
        """Go on with what the last holder of the session left undone."""
        left = turns_left(self._conversation.history)
        self._queue.extend(left)
        if left:
            logger.info("session %s: %d turns taken over", self._conversation.session_id, len(left))
            self._start()

    # Stopping

    async def cancel(self, response_id: str | None, client_event_id: str | None) -> None:
        """Take the response out of the queue, or stop it (None: the one that runs) and wait for its end.

        Raises `NoActiveResponse`.
        """
        if any(turn.response_id == response_id for turn in self._queue):
            self._take_back([str(response_id)], CANCELLED, client_event_id)
        elif self._response and self._task and response_id in (None, self._response.response_id):
            self._stop(replace(CANCELLED, client_event_id=client_event_id))
            await asyncio.wait([self._task])
        else:
            raise NoActiveResponse

    def storage_away(self) -> None:
        """Fail what runs and what waits: their events would find no room."""
        if self.running:
            self._take_back([turn.response_id for turn in self._queue], STORAGE_AWAY)
            self._stop(STORAGE_AWAY)

    async def finish(self, *, timeout_s: float) -> None:
        """Let the running response end; after ``timeout_s`` it is cut off as interrupted. What waits is kept in the log,
        for the next holder of the session."""
        self._queue.clear()
        if self._runner is None:
            return
        await asyncio.wait([self._runner], timeout=timeout_s)
        if self._runner is not None:
            self._stop(INTERRUPTED)
            await asyncio.wait([self._runner], timeout=1.0)

    def drop(self) -> None:
        """The session ends, and so do the responses that wait. Raises a `JournalError`."""
        self._take_back(list(self._conversation.history.queued), SESSION_ENDED)

    def _take_back(self, response_ids: list[str], why: Stop, client_event_id: str | None = None) -> None:
        """Take turns out of the queue and say so to those who wait for them."""
        self._queue = deque(turn for turn in self._queue if turn.response_id not in response_ids)
        told = [one for one in response_ids if one in self._conversation.history.queued]
        if told:
            ends = dropped(told, reason=why.reason, status=why.status, client_event_id=client_event_id)
            self._conversation.append(*ends, reserved=True)

    def _stop(self, stop: Stop) -> None:
        if self._response and self._task and not self._task.done():
            self._response.stop(stop)

    # Running

    def _start(self) -> None:
        self._conversation.log.idle = False
        if self._runner is None:
            name = f"turns {self._conversation.session_id}"
            self._runner = heard(self._run(), name=name)

    async def _run(self) -> None:
        conversation = self._conversation
        try:
            while self._queue and conversation.open:
                await self._next_turn(self._queue[0])
        except JournalError as error:  # the session is lost to this process
            self._queue.clear()
            conversation.notify(error)
        finally:
            self._runner = None
            conversation.check_idle()

    async def _next_turn(self, turn: Turn) -> None:
        """Raises a `JournalError`. Whatever else goes wrong ends this turn alone, and those who wait for it are told."""
        conversation = self._conversation
        try:
            await conversation.budget.refresh()
            await conversation.compaction.before_turn()
            if self._queue and conversation.open:
                turn = self._queue[0]
                await self._respond(turn)
                conversation.compaction.after_turn()
        except JournalError:
            raise
        except Exception as error:
            logger.exception("session %s: response %s failed", conversation.session_id, turn.response_id)
            if turn in self._queue:
                self._end_unbegun(turn, safe_cause(repr(error)))

    def _end_unbegun(self, turn: Turn, cause: str) -> None:
        """It begins, so that its end can be told, and so that what it was to answer does not bring the next one down."""
        self._queue.remove(turn)
        self._conversation.append(
            turn.started(provider="", model="", history=self._conversation.history),
            FAILED.done(turn.response_id, cause=cause),
            reserved=True,
        )

    async def _respond(self, turn: Turn) -> None:
        """``turn`` is the first in the queue, and leaves it when it begins."""
        conversation, history = self._conversation, self._conversation.history
        asked = conversation.candidates()
        started = turn.started(provider=asked[0].provider.name, model=asked[0].model, history=history)
        try:
            view = view_for(turn.options, history)
        except (FrameError, ItemNotFound):  # what it refers to was deleted while it waited
            view = SessionState()
        response = self._make_response(turn, asked, view or history)
        conversation.append(started, reserved=True)
        self._queue.popleft()
        self._response, self._view = response, view
        self._task = asyncio.create_task(response.run(), name=f"response {response.response_id}")
        try:
            await asyncio.wait([self._task])
            self._task.result()
        except JournalError:
            raise
        except Exception as error:
            response.give_up(safe_cause(repr(error)))
            raise
        finally:
            self._response = self._task = self._view = None

    def _make_response(self, turn: Turn, asked: list[Candidate], history: SessionState) -> Response:
        conversation = self._conversation
        return Response(
            response_id=turn.response_id,
            log=conversation,
            history=history,
            candidates=asked,
            config=conversation.config,
            options=turn.options,
            registry=conversation.registry,
            tool_context=conversation.tool_context,
            tokens_per_byte=conversation.history.tokens_per_byte,
            budget=conversation.budget,
            continues=turn.continues,
        )

    def apply(self, record: ev.Record) -> None:
        """Of the running response's own events: what it looks at grows by them, too."""
        of_it = self._response and getattr(record.event, "response_id", None) == self._response.response_id
        if self._view and of_it:
            self._view.apply(record)
