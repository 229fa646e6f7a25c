"""What a response, and a summary of older turns, know of their session, and what it knows of its sockets. They never see the session
itself, nor it a socket."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from chat.llm.catalog import Candidate
from chat.session.commands import SessionConfig
from chat.session.cost import Budget
from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from sessions_app.log.live import LiveLog
from sessions_app.log.state import SessionState


class Spawn(Protocol):
    def __call__(self, work: Coroutine[Any, Any, None], *, name: str) -> "asyncio.Task[None]":
        """Run it beside the turns, for as long as the session is here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What is a function may change from one turn to the next."""

    session_id: str
    log: LiveLog
    history: SessionState
    registry: Registry
    budget: Budget
    config: Callable[[], SessionConfig]
    instructions: Callable[[], str]
    """Those in force where the client has given none."""
    candidates: Callable[[], list[Candidate]]
    """The models that are asked, in their order."""
    tool_context: Callable[[str], ToolContext]
    """For a call, by its id."""
    spawn: Spawn


class Subscriber(Protocol):
    """A socket, as its session sees it."""

    @property
    def connection_id(self) -> str: ...
    @property
    def dialect(self) -> str: ...

    def notify(self, error: Exception) -> None:
        """Something went wrong that is not in the log."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A subscriber that is told nothing beside the log: errors go to who asked."""

    connection_id: str
    dialect: str
    waits_for: str = ""
    """The response that it was let in to be given; as far as that was known then."""

    def notify(self, error: Exception) -> None: ...
