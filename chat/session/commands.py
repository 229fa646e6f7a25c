"""What a client may ask of a conversation: a closed set, the same in this process and across processes."""

from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from chat.conf import conf
from chat.llm.provider import JSON, ToolSpec
from chat.llm.schemas import UnusableSchemaError, repaired

# What a session, or one response, asks of the model. Kept in the log, so that any process rebuilds it.


class TurnPolicy(StrEnum):
    """What becomes of a wish for an answer while another one runs."""

    ENQUEUE = "enqueue"
    """It waits."""
    INTERRUPT = "interrupt"
    """The running one is stopped."""
    REJECT = "reject"
    """It is refused."""


class ResponseOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One response's own wishes; what is None follows the session's."""

    instructions: str | None = None
    tools: list[JSON] | None = None
    tool_choice: Any = None
    max_output_tokens: int | str | None = None
    metadata: JSON | None = None
    conversation: str | None = None
    """none: the response is no part of the conversation, and leaves no trace in the model's history."""
    input: list[JSON] | None = None
    """What the model looks at instead of the conversation; see `chat.session.out_of_band`."""
    answer_schema: JSON | None = None
    """As `chat.llm.provider.ModelRequest` has it."""
    context: str | None = None
    """What the application that the user is in tells of itself: the model is told it behind its instructions."""
    asked: JSON | None = None
    """What the client said beside, on a wire whose answers repeat it; nothing here follows it."""


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The session's settings as ``session.update`` changes them."""

    instructions: str = ""
    tools: list[JSON] = []
    """The client's own tools: flat ``{"type": "function", "name", "description", "parameters"}``."""
    tool_choice: Any = "auto"
    max_output_tokens: int | str | None = None
    """Tokens, ``"inf"``, or None for the server's default."""
    model: str = ""
    """PROVIDER:NAME, as the client chose it later; empty: the one that the session was opened with."""
    turn_policy: str = ""
    """A `TurnPolicy`; empty: the server's."""
    metadata: JSON = {}
    """A client's own words about the conversation; they mean nothing here."""

    def updated(self, changes: JSON) -> "SessionConfig":
        """Raises `msgspec.ValidationError` for a wrong type."""
        return msgspec.convert({**msgspec.to_builtins(self), **changes}, SessionConfig)

    @property
    def policy(self) -> str:
        return self.turn_policy or conf().turn_policy

    def for_response(self, options: ResponseOptions) -> "SessionConfig":
        given = msgspec.to_builtins(options)
        for name in ("metadata", "conversation", "input", "answer_schema", "context", "asked"):
            given.pop(name, None)
        return self.updated(given)

    def client_tools(self) -> list[ToolSpec]:
        return [
            ToolSpec(tool["name"], tool.get("description", ""), _parameters(tool.get("parameters") or {}))
            for tool in self.tools
            if tool.get("type") == "function"
        ]

    def tool_choice_name(self) -> str:
        """auto, none, required, or the name of the one function to call."""
        if isinstance(self.tool_choice, dict):
            return str(self.tool_choice.get("name", "auto"))
        return str(self.tool_choice)

    def output_token_limit(self) -> int:
        limit = self.max_output_tokens
        return min(limit, conf().max_output_tokens) if isinstance(limit, int) else conf().max_output_tokens


def _parameters(schema: JSON) -> JSON:
    """As every vendor takes them; the session keeps them as the client gave them."""
    parameters: JSON = msgspec.json.decode(_repaired(msgspec.json.encode(schema)))
    return parameters


@lru_cache(maxsize=256)
def _repaired(schema: bytes) -> bytes:
    """Of each of a client's tools, in every round. What was taken before schemas were checked says nothing."""
    try:
        return msgspec.json.encode(repaired(msgspec.json.decode(schema)))
    except UnusableSchemaError:
        return msgspec.json.encode(repaired({}))


class AddMessage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    text: str
    files: list[str] = []
    """The ids of those that go with it."""
    role: str = "user"
    """user; system: an instruction that the client gives; assistant: what it says that a model said before."""
    item_id: str | None = None
    respond: bool = False
    """True: answer it, too."""
    client_event_id: str | None = None
    previous_item_id: str | None = None
    replaces: str | None = None
    """The user's message in whose place it stands; that one, and all after it, is set aside."""
    turn_policy: str = ""
    """For this message alone; empty: the session's."""


class RequestResponse(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Answer what was said since the last response."""

    options: ResponseOptions = ResponseOptions()
    client_event_id: str | None = None
    turn_policy: str = ""
    retry_of: str | None = None
    """The last response: this one takes its place, or, where that one completed, is another version of it."""
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
    staff_id: int | None = None
    """The member of staff who decides; None: the client does."""
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


class Converse(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What was said and the wish for an answer to it, in one: either all of it is taken or nothing is."""

    items: list[AddMessage | AddToolCall | AddToolOutput] = []
    """One with the id of an item that is there already is that item."""
    decisions: list[DecideApproval] = []
    changes: JSON = {}
    """Of the session's settings, before it."""
    request: RequestResponse | None = None
    """None: no answer is wanted."""
    request_key: str = ""
    after: str = ""
    """The response that has to be the last that was asked for; empty: any."""
    steers: str = ""
    """The response into which it is said: that one is stopped, and the next one, with its settings, takes this up. Where its
    calls are the client's to answer first, no other one is asked for: what is said waits for that answer."""

    @property
    def parts(self) -> "list[AddMessage | AddToolCall | AddToolOutput | DecideApproval | RequestResponse]":
        return [*self.items, *self.decisions, *([self.request] if self.request else [])]


class UpdateSession(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    client_event_id: str | None = None
    changes: JSON


class DeleteItem(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    client_event_id: str | None = None
    item_id: str
    is_response: bool = False
    """It is a response, which cannot be asked for by its id any more; its items stay."""
    stored: bool = False
    """It is taken once it is stored."""


class ChooseVersion(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Go on from another version of a message or of an answer."""

    item_id: str
    """Any item that only that version has."""
    client_event_id: str | None = None


class GiveFeedback(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the user thinks of an answer."""

    item_id: str | None = None
    """None: the last one."""
    rating: str
    """up, down, or none: nothing any more."""
    reason: str = ""
    comment: str = ""
    client_event_id: str | None = None


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Who waited for a response and has gone."""

    connection_id: str
    waited_for: str
    dialect: str = ""
    """Set: others who are there by it may wait for it, too."""


class CancelResponse(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop the running response, done when its partial text is committed; or take one that waits out of the queue."""

    response_id: str | None = None
    """None: the running one."""
    client_event_id: str | None = None
    by: str = ""
    """The name of the member of staff who wants it; empty: the client."""
    left: Left | None = None
    """Stop it because they have gone: where somebody else waits for it, nothing happens."""


# What staff do in a conversation. ``by``: the name of the member of staff; ``shown_as``: what clients are told instead.


class Whisper(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Tell the model something for its next answer, unseen by the user."""

    text: str
    by: str
    client_event_id: str | None = None


class WithdrawWhisper(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Before a model is told it."""

    item_id: str
    by: str


class TakeOver(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person answers from here on: what runs is stopped, and no model is asked until they hand back."""

    by: str
    shown_as: str


class Speak(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Answer as a person."""

    text: str
    by: str
    shown_as: str
    client_event_id: str | None = None


class HandBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The model answers again, and what waits for it at once."""

    by: str
    shown_as: str


Steering = Whisper | WithdrawWhisper | TakeOver | Speak | HandBack


Durable = DecideApproval | CancelResponse | ChooseVersion | GiveFeedback | Steering
"""Those that are taken once what they bring about is stored."""


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
    | ChooseVersion
    | GiveFeedback
    | CancelResponse
    | Converse
    | EndSession
    | Steering
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
    assistant: str = ""
    """With whom it was begun; empty: the settings' default."""
    instructions: str | None = None
    """Those in force where the client has set none, as far as it is shown them; None: the server's (of an older build)."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A command was taken. ``repeated_seq``: it had been taken before, and this seq is what came of it (0: nothing yet)."""

    repeated_seq: int | None = None
    passed_over: bool = False
    """There is nothing new to answer: nothing has happened."""
    config: JSON | None = None
    """The session's settings after `UpdateSession`."""
    response_id: str = ""
    """Of `Converse`: the response that was asked for."""
    seq: int = 0
    """Where the log tells of it first."""
