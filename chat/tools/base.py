"""What a tool is, what it may know, and what comes of a call."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.conf import conf
from chat.llm.provider import JSON, ToolSpec
from chat.tools.beside import Room, ToolLoop


class ToolDefinitionError(TypeError):
    """A function that cannot be offered as a tool; raised where it is registered."""


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """Who calls, from where. A tool asks for it with a parameter annotated `ToolContext`; the model never sees it."""

    session_id: str
    call_id: str
    """Unique per call of the session."""
    user_id: int | None = None
    guest_id: str = ""
    is_staff: bool = False
    """As of the connection."""
    approved: bool = False
    """A person has said yes to this very call."""

    @property
    def idempotency_key(self) -> str:
        """37 characters, the same whenever this call of this session is run, and of no other call's."""
        digest = hashlib.sha256(f"{self.session_id}\n{self.call_id}".encode()).hexdigest()
        return f"call_{digest[:32]}"


Permission = Callable[[ToolContext], bool | Awaitable[bool]]
"""Whether the tool exists for that person; a sync one runs in a thread and may query the database."""
ApprovalRule = Callable[[ToolContext, JSON], bool | Awaitable[bool]]
"""Whether this call, with these arguments, has to wait for a person's yes."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A Python function offered to the model."""

    spec: ToolSpec
    function: Callable[..., Any | Awaitable[Any]]
    arguments: type[msgspec.Struct] | None
    """The validated form of the model's arguments. None: the function takes them as one JSON object, with the context."""
    context_parameter: str | None = None
    timeout_s: float | None = None
    """None: ``CHAT_TOOL_SECONDS``."""
    max_concurrent: int | None = None
    """Calls that run at once in this process; None: as many as come. Others wait, within their time."""
    max_output_chars: int | None = None
    """None: ``CHAT_TOOL_OUTPUT_CHARS``."""
    side_effects: bool = False
    """True: never run twice by itself; a call cut off by a crash is recorded as ``unknown``."""
    idempotent: bool = False
    """True: a call may be run again after a crash or a retry, with the same `ToolContext.idempotency_key`."""
    requires_approval: bool | ApprovalRule = False
    """For one call ask `chat.tools.permissions.needs_approval`."""
    allow: str | Permission | None = None
    """A Django permission ("app.codename") or a function; None: everybody."""
    staff_only: bool = False
    server_label: str = ""
    """The MCP server that it belongs to; empty for our own."""

    room: Room | None = None
    """Where an async function's calls wait for each other; tools of one MCP server share one."""
    place: ToolLoop | None = None
    """The event loop that an async function runs in; None: that of all tools."""

    @property
    def limit_s(self) -> float:
        return conf().tool_seconds if self.timeout_s is None else self.timeout_s

    @property
    def limit_chars(self) -> int:
        return conf().tool_output_chars if self.max_output_chars is None else self.max_output_chars

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
