"""What a tool is, what it may know, and what comes of a call."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict

import msgspec

from chat.conf import conf
from chat.llm.provider import JSON, ToolSpec
from chat.tools.beside import Room, ToolLoop


class ToolDefinitionError(TypeError):
    """A function that cannot be offered as a tool. Raised where it is decorated, so the server does not start; the
    message names the function and what it lacks."""


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """Who calls, from where. A tool asks for it with a parameter annotated `ToolContext`; the model never sees it."""

    session_id: str
    call_id: str
    """Unique per call of the session."""
    user_id: int | None = None
    """The primary key of the user who is signed in; None: a guest, or a shop's customer."""
    guest_id: str = ""
    """What a guest's cookie says; empty: a user, or nobody who is known."""
    account_id: int | None = None
    """The primary key of the user in whose name it is: of a shop's customer the shop's account, else `user_id`. What that account may,
    its customers may not."""
    external_user_id: str = ""
    """A shop's customer, as the shop called them for their client secret; another shop may use the same name. Empty: anybody else."""
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
"""Whether the tool exists for that person. A sync one runs in a thread and may query the database; it has 5 seconds, and
one that fails says no."""
ApprovalRule = Callable[[ToolContext, JSON], bool | Awaitable[bool]]
"""Whether this call, with these arguments (as the model gave them), has to wait for a person's yes. It runs as a
`Permission` does; one that fails says yes."""

Asks = str | Callable[[JSON], str]
"""What a person is asked about one call, as a sentence to say yes to: a text with the arguments' names in braces, as
"Send {amount} EUR to {payee}?", or a function of the arguments that gives it. One that fails is told without it."""


class ToolOptions(TypedDict, total=False):
    """What `tool` takes beside the function; all are optional."""

    timeout_s: float | None
    """Seconds until the call is cut off and the model told. None: ``CHAT_TOOL_SECONDS``."""
    max_concurrent: int | None
    """Calls that run at once in one process; others wait, within their time. None: a ``def`` has 4 threads, an
    ``async def`` no bound."""
    max_output_chars: int | None
    """A longer result is cut, with a note. None: ``CHAT_TOOL_OUTPUT_CHARS``."""
    side_effects: bool
    """True: never run twice by itself; a call cut off by a crash is recorded as ``unknown``."""
    idempotent: bool
    """True: a call may be run again after a crash or a retry, with the same `ToolContext.idempotency_key`."""
    requires_approval: bool | ApprovalRule
    """A person has to say yes before a call runs."""
    asks: Asks | None
    """What that person is asked. None: made of the docstring and the arguments."""
    approvals: int
    """How many different persons have to say yes; the session's user counts as one. 1 where it is left out."""
    allow: str | Permission | None
    """A Django permission ("app.codename") or a function; None: everybody."""
    staff_only: bool
    """Offered to staff only."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A Python function offered to the model, with its `ToolOptions`."""

    spec: ToolSpec
    function: Callable[..., Any | Awaitable[Any]]
    arguments: type[msgspec.Struct] | None
    """The validated form of the model's arguments. None: the function takes them as one JSON object, with the context."""
    context_parameter: str | None = None
    timeout_s: float | None = None
    max_concurrent: int | None = None
    max_output_chars: int | None = None
    side_effects: bool = False
    idempotent: bool = False
    requires_approval: bool | ApprovalRule = False
    """For one call ask `chat.tools.permissions.needs_approval`."""
    asks: Asks | None = None
    """For one call ask `chat.tools.asking.question`."""
    approvals: int = 1
    allow: str | Permission | None = None
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


class Outcome(StrEnum):
    """How a call came out."""

    OK = "ok"
    ERROR = "error"
    """The tool failed or refused, was not found, or took too long."""


@dataclass(frozen=True, kw_only=True)
class ToolOutcome:
    """What came of one call."""

    output: str
    """The text that the model reads; for an error it says what to do about it."""
    outcome: Outcome
    """"ok" or "error"."""
    duration_ms: float
    """Waiting for its turn included."""
