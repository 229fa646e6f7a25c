"""The items, the session and the response as frames carry them, and how each comes out of the log.

Names and shapes are those of the Realtime API (GA); fields that begin with ``x_`` are ours.
"""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType, field

from chat.llm.provider import JSON
from chat.wire.codes import is_retryable, reason_of, sentence_for
from sessions_app.log import events as ev

SERVER_LABEL = "server"
"""Of this server's own tools; those of an MCP server have its name."""

ItemStatus = Literal["completed", "incomplete", "in_progress"]


class WireObject(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A field that is UNSET stays out of the frame; None goes out as null."""


class InputText(WireObject, tag_field="type", tag="input_text", kw_only=True):
    text: str


class InputImage(WireObject, tag_field="type", tag="input_image", kw_only=True):
    """Its bytes are at ``/api/files/FILE_ID``."""

    file_id: str
    x_name: str
    x_media_type: str
    x_bytes: int
    x_width: int
    x_height: int


class InputFile(WireObject, tag_field="type", tag="input_file", kw_only=True):
    """As `InputImage`."""

    file_id: str
    filename: str
    x_media_type: str
    x_bytes: int


class OutputText(WireObject, tag_field="type", tag="output_text", kw_only=True):
    text: str
    x_text_chars: int | UnsetType = UNSET
    """``text`` is left out, for it was told by deltas: its length."""


class MessageItem(WireObject, tag_field="type", tag="message", kw_only=True):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus = "completed"
    role: Literal["user", "assistant", "system"]
    content: list[InputText | InputImage | InputFile | OutputText]
    x_created_at: str | UnsetType = UNSET
    x_author: str | UnsetType = UNSET
    x_client_event_id: str | UnsetType = UNSET
    x_operator: Literal["took_over", "handed_back"] | UnsetType = UNSET
    """Of a ``system`` message: from here on a person answers, or the model does again."""
    x_person: str | UnsetType = UNSET
    """A person said it, who is shown by this name; or the one whom ``x_operator`` is about."""
    x_replaces: str | UnsetType = UNSET
    """The message in whose place it stands: that one, and all after it, is set aside."""


class FunctionCallItem(WireObject, tag_field="type", tag="function_call", kw_only=True):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus = "completed"
    call_id: str
    name: str
    arguments: str
    x_created_at: str | UnsetType = UNSET
    x_client_event_id: str | UnsetType = UNSET


class FunctionCallOutputItem(WireObject, tag_field="type", tag="function_call_output", kw_only=True):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus = "completed"
    call_id: str
    output: str
    x_created_at: str | UnsetType = UNSET
    x_client_event_id: str | UnsetType = UNSET


class ToolExecutionError(WireObject, kw_only=True):
    type: Literal["tool_execution_error"] = "tool_execution_error"
    message: str


class McpCallItem(WireObject, tag_field="type", tag="mcp_call", kw_only=True):
    """A tool that the server runs. ``output`` or ``error`` is there once it has run."""

    id: str
    server_label: str = SERVER_LABEL
    name: str
    arguments: str
    approval_request_id: str | None = None
    output: str | None = None
    error: ToolExecutionError | None = None
    x_created_at: str | UnsetType = UNSET
    x_outcome: str | UnsetType = UNSET
    x_duration_ms: float | UnsetType = UNSET


class McpApprovalRequestItem(WireObject, tag_field="type", tag="mcp_approval_request", kw_only=True):
    """``id`` is what the answer names as its ``approval_request_id``."""

    id: str
    server_label: str = SERVER_LABEL
    name: str
    arguments: str
    x_created_at: str | UnsetType = UNSET
    x_asks: str | UnsetType = UNSET
    """What is asked, as a sentence for a person."""
    x_approvals: int | UnsetType = UNSET
    """How many different persons have to say yes, where that is more than one."""


class McpApprovalResponseItem(WireObject, tag_field="type", tag="mcp_approval_response", kw_only=True):
    id: str
    approval_request_id: str
    approve: bool
    reason: str | None = None
    x_created_at: str | UnsetType = UNSET
    x_author: str | UnsetType = UNSET
    x_pending: int | UnsetType = UNSET
    """So many more persons have to say yes; the call waits until then."""


Item = (
    MessageItem
    | FunctionCallItem
    | FunctionCallOutputItem
    | McpCallItem
    | McpApprovalRequestItem
    | McpApprovalResponseItem
)


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def public_author(name: str) -> str:
    """Who it was, as far as clients are told: a member of staff's login name is for the admin."""
    return name if name == "client" else "staff"


def user_item(event: ev.UserMessage, at: datetime) -> MessageItem:
    return MessageItem(
        id=event.item_id,
        role="user",
        content=[*_texts(event), *map(file_part, event.files)],
        x_created_at=timestamp(at),
        x_client_event_id=event.client_event_id or UNSET,
        x_replaces=event.replaces or UNSET,
    )


def _texts(event: ev.UserMessage) -> list[InputText]:
    """None where it has files alone."""
    return [InputText(text=event.text)] if event.text or not event.files else []


def file_part(file: ev.FileRef) -> InputImage | InputFile:
    if file.media_type.startswith("image/"):
        return InputImage(
            file_id=file.id,
            x_name=file.name,
            x_media_type=file.media_type,
            x_bytes=file.size,
            x_width=file.width,
            x_height=file.height,
        )
    return InputFile(file_id=file.id, filename=file.name, x_media_type=file.media_type, x_bytes=file.size)


def operator_item(event: ev.OperatorMessage, at: datetime) -> MessageItem:
    return MessageItem(
        id=event.item_id,
        role="system",
        content=[InputText(text=event.text)],
        x_created_at=timestamp(at),
        x_author=public_author(event.author),
    )


_STEPPED: dict[type[ev.SteppedEvent], tuple[Literal["took_over", "handed_back"], str]] = {
    ev.OperatorTookOver: ("took_over", "{name} has joined and answers from here on."),
    ev.OperatorHandedBack: ("handed_back", "{name} has left. The assistant answers again."),
}


def stepped_words(event: ev.SteppedEvent) -> str:
    """What a user reads."""
    return _STEPPED[type(event)][1].format(name=event.shown_as)


def stepped_item(event: ev.SteppedEvent, at: datetime) -> MessageItem:
    """A word of the system's, so that a client that knows nothing of it shows it as one, or not at all."""
    return MessageItem(
        id=event.item_id,
        role="system",
        content=[InputText(text=stepped_words(event))],
        x_created_at=timestamp(at),
        x_operator=_STEPPED[type(event)][0],
        x_person=event.shown_as,
    )


def assistant_item(
    item_id: str, text: str | None, *, status: ItemStatus, at: datetime | None = None, person: str = ""
) -> MessageItem:
    """``text`` None: the item is only just open."""
    return MessageItem(
        id=item_id,
        status=status,
        role="assistant",
        content=[] if text is None else [OutputText(text=text)],
        x_created_at=timestamp(at) if at else UNSET,
        x_person=person or UNSET,
    )


def function_call_item(
    event: ev.ToolCall, at: datetime, *, status: ItemStatus = "completed"
) -> FunctionCallItem:
    return FunctionCallItem(
        id=event.item_id,
        status=status,
        call_id=event.call_id,
        name=event.name,
        arguments="" if status == "in_progress" else event.arguments,
        x_created_at=timestamp(at),
        x_client_event_id=event.client_event_id or UNSET,
    )


def function_output_item(event: ev.ToolResult, at: datetime) -> FunctionCallOutputItem:
    return FunctionCallOutputItem(
        id=event.item_id,
        call_id=event.call_id,
        output=event.output,
        x_created_at=timestamp(at),
        x_client_event_id=event.client_event_id or UNSET,
    )


def mcp_call_item(event: ev.ToolCall, at: datetime) -> McpCallItem:
    return McpCallItem(
        id=event.item_id,
        server_label=event.server_label or SERVER_LABEL,
        name=event.name,
        arguments=event.arguments,
        approval_request_id=event.approval_id,
        x_created_at=timestamp(at),
    )


def with_result(item: McpCallItem, result: ev.ToolResult) -> McpCallItem:
    ok = result.outcome == ev.Outcome.OK
    return msgspec.structs.replace(
        item,
        output=result.output if ok else None,
        error=None if ok else ToolExecutionError(message=result.output),
        x_outcome=result.outcome,
        x_duration_ms=result.duration_ms,
    )


def approval_request_item(event: ev.ToolApprovalRequested, at: datetime) -> McpApprovalRequestItem:
    return McpApprovalRequestItem(
        id=event.item_id,
        server_label=event.server_label or SERVER_LABEL,
        name=event.name,
        arguments=event.arguments,
        x_created_at=timestamp(at),
        x_asks=event.asks or UNSET,
        x_approvals=event.approvals if event.approvals > 1 else UNSET,
    )


def approval_response_item(event: ev.ToolApproval, at: datetime) -> McpApprovalResponseItem:
    return McpApprovalResponseItem(
        id=event.item_id,
        approval_request_id=event.approval_id,
        approve=event.approve,
        reason=event.reason or None,
        x_created_at=timestamp(at),
        x_author=public_author(event.by),
        x_pending=event.missing or UNSET,
    )


def item_of(record: ev.Record, result: ev.Record | None = None) -> Item | None:
    """The item that a record made, whole, as ``conversation.item.retrieved`` shows it; None when it made none.

    ``result`` is the record of a server call's `ToolResult`, as far as there is one.
    """
    event, at = record.event, record.at
    match event:
        case ev.UserMessage():
            return user_item(event, at)
        case ev.OperatorMessage():
            return operator_item(event, at)
        case ev.SteppedEvent():
            return stepped_item(event, at)
        case ev.AssistantMessage():
            item = assistant_item(
                event.item_id, event.text, status=final_status(event.status), person=event.shown_as
            )
            return item if event.response_id else _given(item, event, at)
        case ev.ToolCall(location=ev.Location.CLIENT | ev.Location.HISTORY):
            return function_call_item(event, at)
        case ev.ToolCall():
            call = mcp_call_item(event, at)
            done = result.event if result else None
            return with_result(call, done) if isinstance(done, ev.ToolResult) else call
        case ev.ToolResult():
            return function_output_item(event, at)
        case ev.ToolApprovalRequested():
            return approval_request_item(event, at)
        case ev.ToolApproval():
            return approval_response_item(event, at)
        case _:
            return None


def _given(item: MessageItem, event: ev.AssistantMessage, at: datetime) -> MessageItem:
    """One that the client has put there. (A response's began before its final text, so ``at`` is not its time.)"""
    said = event.client_event_id or UNSET
    return msgspec.structs.replace(item, x_created_at=timestamp(at), x_client_event_id=said)


def final_status(status: str) -> ItemStatus:
    return "completed" if status == "completed" else "incomplete"


# The session and the response

Modalities = tuple[Literal["text"]]
MaxOutputTokens = int | Literal["inf"]
ResponseStatus = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
TurnPolicy = Literal["enqueue", "interrupt", "reject"]

_VENDOR_REASONS = ("turn_detected", "client_cancelled", "max_output_tokens", "content_filter")


class SessionObject(WireObject, kw_only=True):
    """The settings in force, whole."""

    type: Literal["realtime"] = "realtime"
    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str
    output_modalities: Modalities = ("text",)
    instructions: str
    tools: list[JSON]
    tool_choice: Any = "auto"
    """"auto", "none", "required" or ``{"type": "function", "name": ...}``."""
    max_output_tokens: MaxOutputTokens = "inf"
    expires_at: int | UnsetType = UNSET
    """Unix seconds: when the credential of the connection ends, where it does by itself."""
    x_turn_policy: TurnPolicy = "enqueue"
    x_assistant: str | UnsetType = UNSET
    """With whom one talks, by its name in addresses; left out where it is the server's own."""


class StreamInfo(WireObject, kw_only=True):
    """Where the client stands in the session's stream; our extension of ``session.created``."""

    session_id: str
    resumed: bool
    last_event_id: str
    """The place after which the frames go on."""
    status: Literal["idle", "responding"]
    queued: list[str] | UnsetType = UNSET
    """The ids of the responses that wait for their turn."""
    truncated_to: str | UnsetType = UNSET
    """Given when the client saw more than the log kept: it drops all that came after this place."""
    resume_token: str
    """The session's secret: by it comes back who has no name here, while the session is no user's."""


class TokensIn(WireObject, kw_only=True):
    text_tokens: int
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int


class TokensOut(WireObject, kw_only=True):
    text_tokens: int
    audio_tokens: int = 0
    x_reasoning_tokens: int


class UsageObject(WireObject, kw_only=True):
    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: TokensIn
    output_token_details: TokensOut
    x_cost_usd: float | None
    """To the millionth, by the price list of the moment; None: not known."""


class StatusError(WireObject, kw_only=True):
    type: str = "server_error"
    code: str
    message: str
    x_retryable: bool
    x_retry_after_s: float | UnsetType = UNSET
    """Seconds that the model's vendor wants to be left alone, where it said so."""


class StatusDetails(WireObject, kw_only=True):
    type: ResponseStatus
    reason: str | UnsetType = UNSET
    """Only the vendor's own words; ours, and those too, stand in ``x_reason``."""
    x_reason: str
    error: StatusError | UnsetType = UNSET


class Timings(WireObject, kw_only=True):
    """Milliseconds since the response started."""

    first_token_ms: float | None
    total_ms: float
    model_ms: float
    tools_ms: float


class QueuePlace(WireObject, kw_only=True):
    """The response waits for those before it."""

    position: int
    """From 1."""


class FailedAttempt(WireObject, kw_only=True):
    """A model that was asked and failed before it said a word, or broke off."""

    model: str
    code: str


class ResponseObject(WireObject, kw_only=True):
    object: Literal["realtime.response"] = "realtime.response"
    id: str
    status: ResponseStatus = "in_progress"
    status_details: StatusDetails | None = None
    output: list[Item] = field(default_factory=list)
    conversation_id: str | None
    output_modalities: Modalities = ("text",)
    max_output_tokens: MaxOutputTokens | None = None
    usage: UsageObject | None = None
    metadata: dict[str, str] | None = None
    x_model: str | UnsetType = UNSET
    """Not said of a response that waits: the settings may change before its turn."""
    x_person: str | UnsetType = UNSET
    """A person gives it, who is shown by this name; no model does."""
    x_input_item_ids: list[str] = field(default_factory=list)
    x_client_event_id: str | UnsetType = UNSET
    x_queued: QueuePlace | UnsetType = UNSET
    x_retry_of: str | UnsetType = UNSET
    """The response that this one is another try of; a client shows this one in its place."""
    x_continues: str | UnsetType = UNSET
    """The response whose tool calls a person has decided on; this one goes on from there."""
    x_failed_attempts: list[FailedAttempt] | UnsetType = UNSET
    x_message: str | UnsetType = UNSET
    x_timings: Timings | UnsetType = UNSET


def usage_object(usage: ev.Usage, cost_microusd: int | None) -> UsageObject | None:
    """None when the vendor counted nothing: unknown, not zero."""
    if usage == ev.Usage():
        return None
    return UsageObject(
        total_tokens=usage.input_tokens + usage.output_tokens,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        input_token_details=TokensIn(text_tokens=usage.input_tokens, cached_tokens=usage.cached_tokens),
        output_token_details=TokensOut(
            text_tokens=usage.output_tokens, x_reasoning_tokens=usage.reasoning_tokens
        ),
        x_cost_usd=None if cost_microusd is None else cost_microusd / 1_000_000,
    )


def timings_object(timings: ev.Timings) -> Timings | UnsetType:
    """UNSET when nobody took the time: the process that could have is gone."""
    if timings == ev.Timings():
        return UNSET
    return Timings(
        first_token_ms=timings.first_token_ms,
        total_ms=timings.total_ms,
        model_ms=timings.model_ms,
        tools_ms=timings.tools_ms,
    )


def status_details(done: ev.ResponseDone) -> StatusDetails | None:
    """None for a completed response, as the vendor has it."""
    status, reason = final_response_status(done.status), reason_of(done)
    if status == "completed":
        return None
    error = StatusError(
        code=reason,
        message=sentence_for(done),
        x_retryable=is_retryable(reason),
        x_retry_after_s=UNSET if done.retry_after_s is None else round(done.retry_after_s, 1),
    )
    return StatusDetails(
        type=status,
        reason=reason if reason in _VENDOR_REASONS else UNSET,
        x_reason=reason,
        error=error if status == "failed" else UNSET,
    )


def final_response_status(status: str) -> ResponseStatus:
    match status:
        case "completed" | "cancelled" | "incomplete":
            return status
        case _:
            return "failed"
