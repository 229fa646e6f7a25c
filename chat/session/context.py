"""What a response, and a summary of older turns, know of their session. They never see the session itself."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from chat.llm.catalog import Candidate
from chat.session.commands import SessionConfig
from chat.session.cost import Budget
from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from sessions_app.log import events as ev
from sessions_app.log.live import LiveLog
from sessions_app.log.state import SessionState


class Recorder:
    """Appends to the session's log, which takes it into its state, and to what the running response looks at."""

    def __init__(self, log: LiveLog) -> None:
        self._log = log
        self._view: SessionState | None = None
        self._view_of = ""

    def append(self, *events: ev.Event, reserved: bool = False) -> ev.Record:
        """As `LiveLog.append`."""
        last = self._log.append(*events, reserved=reserved)
        for offset, event in enumerate(events, start=1 - len(events)):
            record = ev.Record(last.session_id, last.seq + offset, last.at, event)
            if self._view and getattr(event, "response_id", None) == self._view_of:
                self._view.apply(record)
        return last

    async def durable(self, seq: int | None = None) -> None:
        """As `LiveLog.durable`."""
        await self._log.durable(seq)

    def look_at(self, view: SessionState | None, response_id: str = "") -> None:
        """The response that begins looks at something of its own instead of the conversation; it grows by what that
        response says."""
        self._view, self._view_of = view, response_id


class Spawn(Protocol):
    def __call__(self, work: Coroutine[Any, Any, None], *, name: str) -> "asyncio.Task[None]":
        """Run it beside the turns, for as long as the session is here."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is a function may change from one turn to the next."""

    session_id: str
    log: Recorder
    history: SessionState
    registry: Registry
    budget: Budget
    config: Callable[[], SessionConfig]
    candidates: Callable[[], list[Candidate]]
    """The models that are asked, in their order."""
    tool_context: Callable[[str], ToolContext]
    """For a call, by its id."""
    spawn: Spawn
