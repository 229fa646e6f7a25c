"""Every frame that the server sends in the Realtime dialect: a closed set.

Each is an event of the Realtime API (GA) and validates against the vendor's own types; events and fields that begin with
``x_`` are ours. The frames of the log are made by `chat.wire.realtime.projector`, the others by `chat.wire.realtime.dialect`.
"""

from typing import Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

from chat.wire.realtime.objects import Item, ResponseObject, SessionObject, StreamInfo, WireObject
from sessions_app.log import events as ev


class EventBase(WireObject, tag_field="type", kw_only=True):
    event_id: str = ""
    """Empty only until the projector has counted a record's frames."""


# The session


class SessionCreated(EventBase, tag="session.created", kw_only=True):
    session: SessionObject
    x_stream: StreamInfo
    x_notice: str | UnsetType = UNSET


class SessionUpdated(EventBase, tag="session.updated", kw_only=True):
    session: SessionObject
    x_notice: str | UnsetType = UNSET


class ErrorDetails(WireObject, kw_only=True):
    type: str
    code: str
    message: str
    param: str | None = None
    event_id: str | None = None
    """The ``event_id`` of the client's event."""
    x_retryable: bool


class ErrorEvent(EventBase, tag="error", kw_only=True):
    error: ErrorDetails


class RateLimit(WireObject, kw_only=True):
    name: str
    """``requests`` or ``tokens``, each by the minute."""
    limit: int
    remaining: int
    reset_seconds: float
    """Until all of it is there again."""


class RateLimitsUpdated(EventBase, tag="rate_limits.updated", kw_only=True):
    """Of the payer who has least left; after each `response.create`, where the server has such bounds."""

    rate_limits: list[RateLimit]


# The conversation's items


class ItemAdded(EventBase, tag="conversation.item.added", kw_only=True):
    previous_item_id: str | None = None
    """The item before it; None: it is the first."""
    item: Item


class ItemDone(EventBase, tag="conversation.item.done", kw_only=True):
    previous_item_id: str | None = None
    """The item before it; None: it is the first."""
    item: Item


class ItemRetrieved(EventBase, tag="conversation.item.retrieved", kw_only=True):
    item: Item


class ItemDeleted(EventBase, tag="conversation.item.deleted", kw_only=True):
    item_id: str


class VersionChosen(EventBase, tag="x_version.chosen", kw_only=True):
    """Ours: the conversation goes on from another version, which stands in the place of ``instead_of`` and all after it. Both
    go by the id of the message, or of the response."""

    version: str
    instead_of: str


class FeedbackGiven(EventBase, tag="x_feedback.given", kw_only=True):
    """Ours: the user's last word on an answer."""

    item_id: str
    rating: Literal["up", "down", "none"]
    reason: str
    comment: str


# Ours, to a socket that asks for them


class Pong(EventBase, tag="x_pong", kw_only=True):
    x_client_event_id: str | UnsetType = UNSET
    """The ``event_id`` of the ping."""


class HistoryDone(EventBase, tag="x_history.done", kw_only=True):
    """What was there when the socket opened has been told: from here on it is the present."""


class HistoryGiven(EventBase, tag="x_history.given", kw_only=True):
    after: str
    """The place before the first of the events."""
    until: str
    events: list["ServerEvent"]


# The response


class ResponseCreated(EventBase, tag="response.created", kw_only=True):
    response: ResponseObject


class ResponseDone(EventBase, tag="response.done", kw_only=True):
    response: ResponseObject


class _OfItem(EventBase, kw_only=True):
    response_id: str
    item_id: str
    output_index: int


class OutputItemAdded(EventBase, tag="response.output_item.added", kw_only=True):
    response_id: str
    output_index: int
    item: Item


class OutputItemDone(EventBase, tag="response.output_item.done", kw_only=True):
    response_id: str
    output_index: int
    item: Item


class TextPart(WireObject, tag_field="type", tag="text", kw_only=True):
    text: str
    x_text_chars: int | UnsetType = UNSET


class ContentPartAdded(_OfItem, tag="response.content_part.added", kw_only=True):
    content_index: int = 0
    part: TextPart


class ContentPartDone(_OfItem, tag="response.content_part.done", kw_only=True):
    content_index: int = 0
    part: TextPart


class TextDelta(_OfItem, tag="response.output_text.delta", kw_only=True):
    content_index: int = 0
    delta: str


class TextDone(_OfItem, tag="response.output_text.done", kw_only=True):
    content_index: int = 0
    text: str
    x_text_chars: int | UnsetType = UNSET
    """``text`` is left out, for it was told by deltas: its length."""


# Tools


class FunctionArgumentsDelta(_OfItem, tag="response.function_call_arguments.delta", kw_only=True):
    call_id: str
    delta: str


class FunctionArgumentsDone(_OfItem, tag="response.function_call_arguments.done", kw_only=True):
    call_id: str
    name: str
    arguments: str


class McpArgumentsDelta(_OfItem, tag="response.mcp_call_arguments.delta", kw_only=True):
    delta: str


class McpArgumentsDone(_OfItem, tag="response.mcp_call_arguments.done", kw_only=True):
    arguments: str


class McpInProgress(EventBase, tag="response.mcp_call.in_progress", kw_only=True):
    item_id: str
    output_index: int


class McpCompleted(EventBase, tag="response.mcp_call.completed", kw_only=True):
    item_id: str
    output_index: int


class McpFailed(EventBase, tag="response.mcp_call.failed", kw_only=True):
    item_id: str
    output_index: int


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | ErrorEvent
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemDeleted
    | VersionChosen
    | FeedbackGiven
    | Pong
    | HistoryDone
    | HistoryGiven
    | RateLimitsUpdated
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | TextDelta
    | TextDone
    | FunctionArgumentsDelta
    | FunctionArgumentsDone
    | McpArgumentsDelta
    | McpArgumentsDone
    | McpInProgress
    | McpCompleted
    | McpFailed
)
SERVER_EVENT_TYPES: dict[str, type[ServerEvent]] = {
    str(cls.__struct_config__.tag): cls for cls in get_args(ServerEvent)
}


def frames_of(event: ev.Event) -> list[ServerEvent]:
    """Of an event whose frames need nothing but itself; none, where clients are not shown it.

    A changed setting gives none: its sender gets ``session.updated`` directly, and everyone else the settings in force
    with the next ``session.created``.
    """
    match event:
        case ev.FeedbackGiven():
            return [
                FeedbackGiven(
                    item_id=event.item_id,
                    rating=event.rating.value,
                    reason=event.reason,
                    comment=event.comment,
                )
            ]
        case ev.VersionChosen():
            return [VersionChosen(version=event.version, instead_of=event.instead_of)]
        case ev.ItemDeleted(response=False):
            return [ItemDeleted(item_id=event.item_id)]
        case _:
            return []


_encoder = msgspec.json.Encoder()


def encode(event: ServerEvent) -> str:
    return _encoder.encode(event).decode()


class DeltaTemplate:
    """Encodes the deltas of one text, byte for byte as `encode` does: only their places and their texts differ."""

    __slots__ = ("_before", "_between")

    def __init__(self, delta: TextDelta, place: str) -> None:
        """``place`` is how each ``event_id`` begins; the seq ends it."""
        before, after = encode(msgspec.structs.replace(delta, event_id="", delta="")).split(
            '"event_id":""', 1
        )
        self._before = before + '"event_id":' + _encoder.encode(place).decode()[:-1]
        self._between = '"' + after.removesuffix('""}')

    def encode(self, seq: int, text: str) -> str:
        return f"{self._before}{seq}{self._between}{_encoder.encode(text).decode()}}}"
