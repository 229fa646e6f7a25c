"""What a tool is, what it may know, and what comes of a call."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.conf import conf
from chat.messages import ToolSpec


class ToolDefinitionError(TypeError):
    """A function that cannot be offered as a tool; raised where it is registered."""


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """Who calls, from where. A tool asks for it with a parameter annotated `ToolContext`; the model never sees it."""

    session_id: str
    call_id: str
    """Unique per call; pass it on as an idempotency key."""
    user_id: int | None = None
    guest_id: str = ""
    is_staff: bool = False


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A Python function offered to the model."""

    spec: ToolSpec
    function: Callable[..., Any | Awaitable[Any]]
    arguments: type[msgspec.Struct]
    """The validated form of the model's arguments."""
    context_parameter: str | None
    timeout_s: float | None
    """None: ``CHAT_TOOL_SECONDS``."""
    side_effects: bool
    """True: never run twice by itself; a call cut off by a crash is recorded as ``unknown``."""
    staff_only: bool

    @property
    def limit_s(self) -> float:
        return conf().tool_seconds if self.timeout_s is None else self.timeout_s

    @property
    def name(self) -> str:
        return self.spec.name


@dataclass(frozen=True, kw_only=True)
class ToolOutcome:
    """``output`` is the text that the model reads; for ``outcome`` "error" it says what to do about it."""

    output: str
    outcome: str
    """ok or error."""
    duration_ms: float
