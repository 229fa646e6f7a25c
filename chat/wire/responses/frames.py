"""The frames of the Responses socket: what a client says on it, and what it is told beside the events of its responses."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chat.errors import FrameError, ObjectNotFound
from chat.llm.provider import JSON
from chat.wire.codes import FrameCode
from chat.wire.http.errors import AnyError, told
from chat.wire.realtime.checks import invalid
from chat.wire.realtime.client import ItemId
from chat.wire.responses.objects import (
    FunctionCall,
    McpApprovalRequest,
    OutputItem,
    StreamEvent,
    WireObject,
    encode,
)
from chat.wire.responses.request import Asked, asked_by, object_in, unsupported

PREVIOUS_NOT_FOUND = "previous_response_not_found"
"""The vendor's word on its socket; over HTTP it is a 404."""

StreamId = Annotated[str, Meta(min_length=1, max_length=200)]


class Create(msgspec.Struct, frozen=True, kw_only=True):
    asked: Asked
    stream_id: str | None


class Steer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    previous_response_id: ItemId
    input: str | list[JSON]


class _Envelope(msgspec.Struct, kw_only=True):
    """What stands on this socket beside the fields of ``POST /v1/responses``."""

    stream_id: StreamId | None = None
    generate: bool | None = None
    stream: Any = None
    """Sent by habit: all is streamed here."""


def frame_in(text: str) -> Create | Steer:
    """Raises `FrameError`, with the lane that the frame named, if it did (`lane_of`)."""
    value = object_in(text.encode("utf-8", "surrogatepass"))
    kind = value.pop("type", None)
    try:
        if kind == "response.create":
            return _create(value)
        if kind == "response.steer":
            return msgspec.convert(value, Steer)
    except msgspec.ValidationError as error:
        raise _in_lane(invalid(str(error)), value) from error
    except FrameError as error:
        raise _in_lane(error, value) from None
    raise FrameError(
        "The type of a frame is response.create or response.steer here.",
        code=FrameCode.UNKNOWN_EVENT_TYPE if kind else FrameCode.MISSING_TYPE,
        param="type",
    )


def _create(value: JSON) -> Create:
    envelope = msgspec.convert(value, _Envelope)
    if envelope.generate is False:
        raise unsupported("generate", "an answer that is only prepared is not offered here. Leave it out.")
    body = {name: one for name, one in value.items() if name not in _Envelope.__struct_fields__}
    asked = asked_by(body)
    beside = {"stream_id": envelope.stream_id} if envelope.stream_id else {}
    return Create(asked=msgspec.structs.replace(asked, beside=beside), stream_id=envelope.stream_id)


def _in_lane(error: FrameError, value: JSON) -> FrameError:
    """So that who waits in a lane is told there."""
    stream_id = value.get("stream_id")
    error.event_id = stream_id if isinstance(stream_id, str) and len(stream_id) <= 200 else None
    return error


def lane_of(error: FrameError) -> str | None:
    return error.event_id


# To the client


class SteerRef(WireObject, kw_only=True):
    id: str
    previous_response_id: str


class SteerBack(WireObject, kw_only=True):
    """What was not taken goes back."""

    id: str | UnsetType = UNSET
    previous_response_id: str
    input: str | list[JSON]


class SteerError(WireObject, kw_only=True):
    code: str
    message: str
    type: Literal["invalid_request_error"] = "invalid_request_error"


class SteerAccepted(StreamEvent, tag="response.steer.accepted", kw_only=True):
    steer: SteerRef


class SteerPending(StreamEvent, tag="response.steer.pending", kw_only=True):
    steer: SteerRef
    reason: Literal["waiting_for_required_input"] = "waiting_for_required_input"
    required_input: list[JSON]


class SteerFailed(StreamEvent, tag="response.steer.failed", kw_only=True):
    error: SteerError
    steer: SteerBack


def required_by(output: list[OutputItem]) -> list[JSON]:
    """Stubs of what the client has to give before the conversation goes on."""
    stubs: list[JSON] = []
    for item in output:
        if isinstance(item, FunctionCall):
            stubs.append({"type": "function_call_output", "call_id": item.call_id, "name": item.name})
        elif isinstance(item, McpApprovalRequest):
            stubs.append({"type": "mcp_approval_response", "approval_request_id": item.id})
    return stubs


def framed(event: StreamEvent, stream_id: str | None) -> str:
    data = encode(event).decode()
    return f'{data[:-1]},"stream_id":{_quoted(stream_id)}}}' if stream_id else data


def error_frame(error: AnyError, stream_id: str | None) -> str:
    """Nested, with the status that it would have over HTTP."""
    status, body, _ = told(error)
    about = body["error"]
    if isinstance(error, ObjectNotFound) and error.param == "previous_response_id":
        status, about = 400, {**about, "code": PREVIOUS_NOT_FOUND}
    frame = {"type": "error", "status": int(status), "error": about}
    if stream_id:
        frame["stream_id"] = stream_id
    return msgspec.json.encode(frame).decode()


def _quoted(text: str | None) -> str:
    return msgspec.json.encode(text).decode()
