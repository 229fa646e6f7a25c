"""The closed set of events that make up a session's log.

An event says what happened; a `Record` is an event with its place (``seq``) and time in one session. How records are
stored is the business of `sessions_app.log.rows`.
"""

from datetime import datetime
from typing import ClassVar, get_args

import msgspec

from sessions_app.log.event_parts import (
    JSON,
    CompactionCause,
    EndReason,
    FileRef,
    Location,
    Outcome,
    Part,
    Rating,
    Reason,
    ReopenCause,
    Resolution,
    ResponseStatus,
    Role,
    Sentiment,
    TextStatus,
    Timings,
    Usage,
    model_spec,
)

__all__ = [
    "JSON", "CompactionCause", "EndReason", "FileRef", "Location", "Outcome", "Part", "Rating", "Reason",
    "ReopenCause", "Resolution", "ResponseStatus", "Role", "Sentiment", "TextStatus", "Timings", "Usage",
    "model_spec",
]  # fmt: skip

ROOT = "root"
"""As ``previous_item_id``: before everything else."""


class EventBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all events share: how they are stored and when a subscriber may see them."""

    event_type: ClassVar[str]
    role: ClassVar[Role] = Role.SYSTEM
    eager: ClassVar[bool] = False
    """True: subscribers may see it before it is committed."""
    urgent: ClassVar[bool] = True
    """False: may wait up to ``SESSIONS_FLUSH_SECONDS`` to share a commit with what follows."""
    text_field: ClassVar[str | None] = None
    """The field that is stored in the column ``content``."""
    speaker: ClassVar[str] = ""
    """Who says its text, as the summary of the session is told; empty: nobody."""
    counter: ClassVar[str | None] = None
    """The column of ``sessions`` that counts these events. What a ``cost_microusd`` says is added up by itself."""

    @property
    def new_item_id(self) -> str | None:
        """The id of the item of the conversation that it makes, if it makes one."""
        return None


class SessionStarted(EventBase, frozen=True, kw_only=True):
    event_type = "session_started"
    eager = True
    urgent = False
    model: str
    source: str = ""
    """The dialect of the first connection: plain or realtime."""
    assistant: str = ""
    """With whom it was begun, for as long as it goes on; empty: the settings' default."""
    assistant_version: int = 0
    """As saved in the admin; 0: as the settings have it at the moment."""


class SessionReopened(EventBase, frozen=True, kw_only=True):
    event_type = "session_reopened"
    eager = True
    urgent = False
    model: str
    source: str = ""
    cause: ReopenCause = ReopenCause.RETURNED
    skipped: int = 0
    """How many seqs before its own this event stands for. A process that died may have shown its readers deltas that it
    had not stored yet; their seqs are never given to other events (docs/decisions/0007)."""


class SessionUpdated(EventBase, frozen=True, kw_only=True):
    """The client changed the session's settings; ``config`` holds the changed keys only."""

    event_type = "session_updated"
    config: JSON
    client_event_id: str | None = None


class SessionEnded(EventBase, frozen=True, kw_only=True):
    event_type = "session_ended"
    reason: EndReason


class ConnectionOpened(EventBase, frozen=True, kw_only=True):
    event_type = "connection_opened"
    eager = True
    urgent = False
    connection_id: str
    dialect: str


class ConnectionClosed(EventBase, frozen=True, kw_only=True):
    event_type = "connection_closed"
    eager = True
    urgent = False
    connection_id: str
    close_code: int


class PlacedEvent(EventBase, frozen=True, kw_only=True):
    """What makes an item that a client may put into the conversation."""

    item_id: str
    client_event_id: str | None = None
    previous_item_id: str | None = None
    """Where the client wants it in the model's history; None: at the end."""
    after_item_id: str | None = None
    """The item before it, as the clients see the conversation; None: it is the first."""

    @property
    def new_item_id(self) -> str | None:
        return self.item_id

    @property
    def shown_after(self) -> str | None:
        """``after_item_id``, or what there is instead of it in a log from before there was one."""
        after = self.after_item_id or self.previous_item_id
        return None if after == ROOT else after


class UserMessage(PlacedEvent, frozen=True, kw_only=True):
    event_type = "user_message"
    role = Role.USER
    text_field = "text"
    speaker = "User"
    counter = "user_messages"
    text: str
    files: list[FileRef] = []
    replaces: str | None = None
    """The message of the user's in whose place it stands: that one, and all that came after it, is set aside."""
    begins: bool = False
    """True: that one was the first, so that the session is called by this one now (`Session.first_words`)."""
    respond: bool = False
    """True: the message asks for a response by itself (plain text); else a `ResponseStarted` follows on request."""


class OperatorMessage(PlacedEvent, frozen=True, kw_only=True):
    """A staff member spoke to the session; the model sees it as an instruction."""

    event_type = "operator_message"
    role = Role.OPERATOR
    text_field = "text"
    speaker = "Operator"
    text: str
    author: str


class OperatorWhispered(EventBase, frozen=True, kw_only=True):
    """A member of staff told the model something for its next answer. No client is shown it, so that it is no item."""

    event_type = "operator_whispered"
    role = Role.OPERATOR
    text_field = "text"
    item_id: str
    """By which the model's history knows it."""
    text: str
    author: str
    client_event_id: str | None = None


class WhisperWithdrawn(EventBase, frozen=True, kw_only=True):
    """A member of staff took back what no model had been told yet."""

    event_type = "whisper_withdrawn"
    role = Role.OPERATOR
    item_id: str
    """The whisper's."""
    author: str


class SteppedEvent(PlacedEvent, frozen=True, kw_only=True):
    """Staff stepped in or out: an item that clients are shown, in words, and that the model reads later."""

    role = Role.OPERATOR
    author: str
    """The name of the member of staff, for staff."""
    shown_as: str
    """What clients are told instead."""


class OperatorTookOver(SteppedEvent, frozen=True, kw_only=True):
    """A person answers from here on, and no model is asked: until they hand back, or the session ends."""

    event_type = "operator_took_over"
    awaited: bool = False
    """A user waited for an answer: one was stopped for it, or had not begun."""


class OperatorHandedBack(SteppedEvent, frozen=True, kw_only=True):
    event_type = "operator_handed_back"


class VersionChosen(EventBase, frozen=True, kw_only=True):
    """The client goes on from another version of a message or of an answer, which was set aside. Both go by the id of the
    message, or of the response."""

    event_type = "version_chosen"
    role = Role.USER
    version: str
    instead_of: str
    """The one that is set aside now."""
    client_event_id: str | None = None


class ItemDeleted(EventBase, frozen=True, kw_only=True):
    """The client took an item out of the model's history; the log keeps it."""

    event_type = "item_deleted"
    item_id: str
    client_event_id: str | None = None
    after_item_id: str | None = None
    """The item that stood before it."""
    response: bool = False
    """True: it is no item but a response, which is not given out by its id any more. Its items stay."""


class ResponseQueued(EventBase, frozen=True, kw_only=True):
    """A response was asked for while another runs: it waits its turn, also over a restart of the server."""

    event_type = "response_queued"
    response_id: str
    position: int
    """Its place among those that wait, from 1, when it was asked for."""
    item_ids: list[str] = []
    """The user items that it is going to answer."""
    client_event_id: str | None = None
    options: JSON = {}
    retry_of: str | None = None
    continues: str | None = None
    request_key: str = ""
    """By which the HTTP request that asked for it is known when it comes again; it was asked for together with what was said."""
    waits_for: str = ""
    """The member of staff who has taken the conversation over and is to give it."""


class ResponseStarted(EventBase, frozen=True, kw_only=True):
    event_type = "response_started"
    eager = True
    response_id: str
    provider: str
    model: str
    input_item_ids: list[str] = []
    """Items of the client's that enter the model's history with this response."""
    after_item_id: str | None = None
    """The item behind which its own stand, as the clients see the conversation."""
    client_event_id: str | None = None
    """The ``event_id`` of the client's ``response.create``: the same one again is not run twice."""
    options: JSON = {}
    """What the client's ``response.create`` asked for (instructions, tools, metadata, ...)."""
    retry_of: str | None = None
    """The response that this one is another try of, or, where that one completed, another version; its texts leave the
    model's history, and so do its calls but for those that may have had side effects."""
    attempt: int = 1
    """Counts the tries that dead processes left behind."""
    continues: str | None = None
    """The response whose approved (or refused) tool calls this one goes on with."""
    shown_as: str = ""
    """A person gives it, whom clients know so; empty: a model."""


class ModelAttemptFailed(EventBase, frozen=True, kw_only=True):
    """A model was asked and failed. What came of it in the end says `ResponseDone`."""

    event_type = "model_attempt_failed"
    eager = True
    urgent = False
    text_field = "cause"
    response_id: str
    model: str
    """PROVIDER:NAME."""
    code: str
    """The error's."""
    cause: str = ""
    """The vendor's own words, for staff; never sent to a client."""
    attempt: int = 1
    """From 1 for each model in each round; 0: it was not asked, because its vendor wants to be left alone."""
    next_model: str = ""
    """Who was asked next; empty: nobody."""
    delay_s: float = 0.0


class AssistantDelta(EventBase, frozen=True, kw_only=True, gc=False):
    event_type = "assistant_delta"
    role = Role.ASSISTANT
    eager = True
    urgent = False
    text_field = "text"
    response_id: str
    item_id: str
    output_index: int
    offset: int
    """Characters of the item before this delta."""
    text: str


class AssistantMessage(PlacedEvent, frozen=True, kw_only=True):
    """The final text of one item: the joined deltas, byte for byte."""

    event_type = "assistant_message"
    role = Role.ASSISTANT
    text_field = "text"
    speaker = "Assistant"
    counter = "assistant_messages"
    response_id: str
    """Empty: no response of ours said it; the client put it into the history."""
    output_index: int
    text: str
    status: TextStatus = TextStatus.COMPLETED
    parts: list[Part] = []
    """Empty when no part carries anything of the vendor's own."""
    author: str = ""
    """The name of the member of staff who wrote it; empty: nobody did."""
    shown_as: str = ""
    """What clients are told instead of it."""


class ToolCall(PlacedEvent, frozen=True, kw_only=True):
    """The model asked for a tool. Committed before the tool runs."""

    event_type = "tool_call"
    role = Role.TOOL
    text_field = "arguments"
    counter = "tool_calls"
    response_id: str
    """Empty for one of the ``location`` history, else the response that made it."""
    call_id: str
    output_index: int
    name: str
    arguments: str
    """JSON text as the model gave it."""
    round: int = 0
    """Calls of one round of one response were asked for together and are answered together."""
    location: Location = Location.SERVER
    side_effects: bool = False
    server_label: str = ""
    """The MCP server that runs it; empty for a tool of our own."""
    approval_id: str | None = None
    """The request that a person said yes to."""
    extra: JSON | None = None
    """The vendor's own data of this part (thought signature, vendor's call id)."""

    @property
    def acts(self) -> bool:
        """It may have had an effect, so that its response is not tried again without being asked: a tool of the client's,
        too, for nobody here knows what it does."""
        return self.side_effects or self.location == Location.CLIENT


class ToolApprovalRequested(EventBase, frozen=True, kw_only=True):
    """The model asked for a tool that needs a person's yes. It stands in the model's history as a call without a result;
    a `ToolCall` of the same ``call_id`` follows in a later response once the answer was yes.

    ``item_id`` is the request's own, by which a `ToolApproval` names it.
    """

    event_type = "tool_approval_requested"
    role = Role.TOOL
    text_field = "arguments"
    response_id: str
    item_id: str
    call_id: str
    output_index: int
    name: str
    arguments: str
    """JSON text as the model gave it."""
    round: int = 0
    side_effects: bool = False
    server_label: str = ""
    asks: str = ""
    """What is asked, as a sentence for the person who decides."""
    approvals: int = 1
    """How many different persons have to say yes."""
    extra: JSON | None = None

    @property
    def new_item_id(self) -> str | None:
        return self.item_id


class ToolApproval(PlacedEvent, frozen=True, kw_only=True):
    event_type = "tool_approval"
    role = Role.OPERATOR
    approval_id: str
    """The ``item_id`` of the `ToolApprovalRequested`."""
    approve: bool
    by: str
    """client, or the name of the member of staff."""
    reason: str = ""
    missing: int = 0
    """So many more persons have to say yes before anything comes of it."""


class ToolResult(PlacedEvent, frozen=True, kw_only=True):
    event_type = "tool_result"
    role = Role.TOOL
    text_field = "output"
    call_id: str
    name: str
    output: str
    outcome: Outcome = Outcome.OK
    duration_ms: float = 0.0
    response_id: str | None = None
    """None: the client gave it."""
    approval_id: str | None = None
    """The request that a person said yes to before it ran."""

    @property
    def new_item_id(self) -> str | None:
        """What a tool of the server's gave belongs to the item of its call."""
        return None if self.response_id else self.item_id


class ResponseDone(EventBase, frozen=True, kw_only=True):
    event_type = "response_done"
    role = Role.ASSISTANT
    response_id: str
    status: ResponseStatus
    reason: str = ""
    """Why it is not completed: a `Reason`, an error's code, or a vendor's own word in lower case."""
    message: str = ""
    """One sentence for the client."""
    cause: str = ""
    """The cause in full, for staff; never sent to a client."""
    waited: bool = False
    """True: it never started, and leaves the queue so."""
    client_event_id: str | None = None
    """The ``event_id`` of the client's ``response.cancel``."""
    stopped_by: str = ""
    """The name of the member of staff who stopped it, for staff."""
    retry_after_s: float | None = None
    """How long the model's vendor wants to be left alone, where it said so."""
    model: str = ""
    """Who answered, or was asked last: PROVIDER:NAME."""
    usage: Usage = Usage()
    timings: Timings = Timings()
    cost_microusd: int | None = None
    """Millionths of a US dollar, by the price list of the moment; None: not known."""
    cost_estimated: bool = False
    """True: the vendor did not count all of it, because the stream was cut; that part is counted from the text."""
    context_tokens: int = 0
    """What the last request to the model came to, as the vendor counted it; 0: it did not."""
    context_bytes: int = 0
    """The same request's texts in UTF-8: what calibrates the estimates for the next ones."""


class FeedbackGiven(EventBase, frozen=True, kw_only=True):
    """What the user thinks of an answer. The last one of an item counts."""

    event_type = "feedback_given"
    role = Role.USER
    text_field = "comment"
    item_id: str
    """The `AssistantMessage`'s."""
    rating: Rating
    replaces: Rating = Rating.NONE
    """What the user had said of the same item before."""
    reason: str = ""
    """One of ``CHAT_FEEDBACK_REASONS``."""
    comment: str = ""
    client_event_id: str | None = None


class HistoryCompacted(EventBase, frozen=True, kw_only=True):
    """A summary takes the place of the oldest turns in the model's history; the log keeps them.

    It is a checkpoint, too: a conversation is rebuilt from it, ``kept_seqs`` and what follows ``through_seq`` (docs/decisions/0019).
    """

    event_type = "history_compacted"
    text_field = "summary"
    item_id: str
    summary: str
    """All that was compacted so far, in words; empty when nothing of it is left."""
    through_seq: int
    """The last seq of the compacted turns."""
    kept_seqs: list[int] = []
    """Up to ``through_seq``, the events that still count: messages that wait, turns that wait, open tool calls."""
    gone_item_ids: list[str] = []
    """Messages after ``through_seq`` that stand in the summary, because they were put in between the compacted turns."""
    items: int = 0
    """How many items of the history went into this step."""
    user_messages: int = 0
    """As what is spent: in the session so far."""
    spent_microusd: int = 0  # this summary included, as far as it is known
    tokens_per_byte: float = 0.0
    """How the vendor counts this conversation's texts; 0: not known yet."""
    config: JSON = {}
    """The session's settings in force."""
    held: bool | None = None
    """Whether a person had taken it over; None: of an older build."""
    cause: CompactionCause = CompactionCause.SIZE
    model: str = ""
    """Empty when no model wrote the summary: the oldest turns are left out, and it says so."""
    error: str = ""
    """Why no model wrote it, for staff."""
    usage: Usage = Usage()
    cost_microusd: int | None = 0


class SummaryWritten(EventBase, frozen=True, kw_only=True):
    event_type = "summary_written"
    text_field = "summary"
    summary: str
    title: str
    model: str
    usage: Usage = Usage()
    cost_microusd: int | None = None
    """As in `ResponseDone`."""
    topics: list[str] = []
    intent: str = ""
    """What the user wanted."""
    outcome: Resolution | None = None
    open_questions: list[str] = []
    follow_ups: list[str] = []
    sentiment: Sentiment | None = None
    language: str = ""
    """What the user wrote in: ``en``, ``pt-BR``, ..."""
    quality: int | None = None
    """Of the assistant's help, from 1 to 5."""
    quality_reason: str = ""
    chunks: int = 1
    """In how many parts the conversation was read."""
    author: str = ""
    """Who of the staff asked for it; empty: the end of the session did."""


class SummaryFailed(EventBase, frozen=True, kw_only=True):
    event_type = "summary_failed"
    text_field = "error"
    error: str
    attempts: int
    again: bool = False
    """It was to be another version: the session keeps the summary that it has."""


Event = (
    SessionStarted
    | SessionReopened
    | SessionUpdated
    | SessionEnded
    | ConnectionOpened
    | ConnectionClosed
    | UserMessage
    | OperatorMessage
    | OperatorWhispered
    | WhisperWithdrawn
    | OperatorTookOver
    | OperatorHandedBack
    | VersionChosen
    | ItemDeleted
    | ResponseQueued
    | ResponseStarted
    | ModelAttemptFailed
    | AssistantDelta
    | AssistantMessage
    | ToolCall
    | ToolApprovalRequested
    | ToolApproval
    | ToolResult
    | ResponseDone
    | FeedbackGiven
    | HistoryCompacted
    | SummaryWritten
    | SummaryFailed
)
EVENT_TYPES: dict[str, type[Event]] = {cls.event_type: cls for cls in get_args(Event)}


class Record(msgspec.Struct, frozen=True, gc=False):
    """An event in its place: ``seq`` counts from 1 within the session, without a gap."""

    session_id: str
    seq: int
    at: datetime
    event: Event

    @property
    def first_seq(self) -> int:
        """Where its row begins; its own seq but for a `SessionReopened` that skipped some."""
        return self.seq - self.event.skipped if isinstance(self.event, SessionReopened) else self.seq
