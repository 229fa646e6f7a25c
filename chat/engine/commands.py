"""What a client may ask of a conversation: a closed set, the same in this process and across processes."""

import msgspec

from chat.engine.config import ResponseOptions
from chat.messages import JSON


class AddMessage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    text: str
    role: str = "user"
    """user; system: an instruction that the client gives; assistant: what it says that a model said before."""
    item_id: str | None = None
    respond: bool = False
    """True: answer it, too."""
    client_event_id: str | None = None
    previous_item_id: str | None = None
    turn_policy: str = ""
    """enqueue, interrupt or reject, for this message alone; empty: the session's."""


class RequestResponse(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Answer what was said since the last response."""

    options: ResponseOptions = ResponseOptions()
    client_event_id: str | None = None
    turn_policy: str = ""
    retry_of: str | None = None
    """The last response, which did not complete: this one takes its place."""
    bare: bool = False
    """It came without a word of its own: it is passed over where there is nothing new to answer."""


class AddToolCall(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A call that was made elsewhere, for the model to know of; nobody runs it."""

    call_id: str
    name: str
    arguments: str
    item_id: str | None = None
    client_event_id: str | None = None
    previous_item_id: str | None = None


class DecideApproval(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person's answer to a tool call that needs their yes."""

    approval_id: str
    approve: bool
    by: str = "client"
    reason: str = ""
    item_id: str | None = None
    client_event_id: str | None = None


class AddToolOutput(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What came of a call of one of the client's own tools, or of one that it told of."""

    call_id: str
    output: str
    item_id: str | None = None
    client_event_id: str | None = None
    previous_item_id: str | None = None


class UpdateSession(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    client_event_id: str | None = None
    changes: JSON


class DeleteItem(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    client_event_id: str | None = None
    item_id: str


class CancelResponse(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop the running response, done when its partial text is committed; or take one that waits out of the queue."""

    response_id: str | None = None
    """None: the running one."""
    client_event_id: str | None = None


class EndSession(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """End the session now, without the grace."""


Command = (
    AddMessage
    | RequestResponse
    | DecideApproval
    | AddToolCall
    | AddToolOutput
    | UpdateSession
    | DeleteItem
    | CancelResponse
    | EndSession
)


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscriber is told when it joins."""

    session_id: str
    model: str
    config: JSON
    last_seq: int
    """The last event that may be shown."""
    response_seq: int | None = None
    """The seq at which the response that runs now started."""
    queued: list[str] = []
    """The ids of the responses that wait for their turn."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A command was taken. ``repeated_seq``: it had been taken before, and this seq is what came of it (0: nothing yet)."""

    repeated_seq: int | None = None
    passed_over: bool = False
    """There is nothing new to answer: nothing has happened."""
    config: JSON | None = None
    """The session's settings after `UpdateSession`."""
