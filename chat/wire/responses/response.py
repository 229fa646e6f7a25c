"""The response object: as it was asked for, as it stands, and how it ended."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UNSET

from chat import errors as ce
from chat.llm.provider import JSON
from chat.wire.codes import is_retryable, reason_of, sentence_for
from chat.wire.responses.objects import (
    Completed,
    ConversationRef,
    EndedIncomplete,
    Failed,
    Incomplete,
    InputDetails,
    OutputDetails,
    Response,
    ResponseError,
    ResponseEvent,
    Status,
    Usage,
    VendorReason,
)
from sessions_app.log import events as ev

_DOLLAR = 1_000_000
_TOO_MUCH = (ce.ModelQuota.code, ce.ModelOverloaded.code)
_PROMPTS = (ce.ModelRefused.code, ce.ModelContextTooLong.code)


def conversation_id(session_id: str) -> str:
    return f"conv_{session_id}"


def session_of(conversation: str) -> str:
    """The session that is called so; any other text as it is, which is no session's id."""
    return conversation.removeprefix("conv_")


def asked_for(
    event: ev.ResponseQueued | ev.ResponseStarted, at: datetime, session_id: str, *, status: Status
) -> Response:
    """What a client of another wire did not say has the value that the vendor gives it."""
    options = event.options
    asked: JSON = options.get("asked") or {}
    limit = options.get("max_output_tokens")
    return Response(
        id=event.response_id,
        created_at=int(at.timestamp()),
        status=status,
        background=asked.get("background", False),
        instructions=options.get("instructions"),
        max_output_tokens=limit if isinstance(limit, int) else None,
        metadata=options.get("metadata") or {},
        model=asked.get("model", ""),
        parallel_tool_calls=asked.get("parallel_tool_calls", True),
        previous_response_id=asked.get("previous_response_id"),
        conversation=ConversationRef(id=conversation_id(session_id))
        if asked.get("conversation", True)
        else None,
        store=asked.get("store", True),
        temperature=asked.get("temperature"),
        text=asked.get("text") or {"format": {"type": "text"}},
        tool_choice=options.get("tool_choice", "auto"),
        tools=asked.get("tools") or options.get("tools") or [],
        top_p=asked.get("top_p"),
    )


def usage_of(usage: ev.Usage) -> Usage:
    return Usage(
        input_tokens=usage.input_tokens,
        input_tokens_details=InputDetails(cached_tokens=usage.cached_tokens),
        output_tokens=usage.output_tokens,
        output_tokens_details=OutputDetails(reasoning_tokens=usage.reasoning_tokens),
        total_tokens=usage.input_tokens + usage.output_tokens,
    )


def ended(response: Response, done: ev.ResponseDone, at: datetime, *, cost_microusd: int | None) -> Response:
    status = status_of(done)
    replaced = msgspec.structs.replace(response, status=status)
    replaced.x_cost_usd = UNSET if cost_microusd is None else cost_microusd / _DOLLAR
    if status == "completed":
        replaced.completed_at = int(at.timestamp())
        return replaced
    reason = reason_of(done)
    replaced.x_reason, replaced.x_message = reason, sentence_for(done)
    replaced.x_retryable = is_retryable(reason) or reason == ev.Reason.INTERRUPTED
    if status == "failed":
        replaced.error = ResponseError(code=_error_code(reason), message=sentence_for(done))
    elif status == "incomplete":
        replaced.incomplete_details = Incomplete(reason=_vendor_reason(reason))
    return replaced


def last_event(response: Response) -> ResponseEvent:
    """There is none for one that was cancelled: npm's helper would throw at it."""
    match response.status:
        case "completed":
            return Completed(response=response)
        case "failed":
            return Failed(response=response)
        case _:
            return EndedIncomplete(response=response)


def status_of(done: ev.ResponseDone) -> Status:
    match done.status:
        case ev.ResponseStatus.COMPLETED:
            return "completed"
        case ev.ResponseStatus.CANCELLED:
            return "incomplete" if done.reason == ev.Reason.STEERED else "cancelled"
        case ev.ResponseStatus.INCOMPLETE if done.reason != ev.Reason.INTERRUPTED:
            return "incomplete"
        case _:
            return "failed"


def _vendor_reason(reason: str) -> VendorReason | None:
    match reason:
        case ev.Reason.MAX_OUTPUT_TOKENS:
            return "max_output_tokens"
        case ev.Reason.CONTENT_FILTER:
            return "content_filter"
        case ev.Reason.STEERED:
            return "steered"
        case _:
            return None


def _error_code(reason: str) -> Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]:
    if reason in _TOO_MUCH:
        return "rate_limit_exceeded"
    return "invalid_prompt" if reason in _PROMPTS else "server_error"
