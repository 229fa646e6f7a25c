"""The session and the response as frames carry them."""

from typing import Any, Literal

from msgspec import UNSET, UnsetType, field

from chat.messages import JSON
from chat.protocol.items import Item, WireObject
from chat.protocol.reasons import is_retryable, reason_of, sentence_for
from sessions_app import events as ev

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
    """Unix seconds."""
    x_turn_policy: TurnPolicy = "enqueue"


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
