"""The events of Claude's stream, as far as we read them: ``event: NAME`` and JSON.

Read from the raw frames, not from the SDK's types: those cost three times as much a delta and hide the pings, the only sign
of life of a model that thinks without showing it.
"""

import msgspec

from chat.messages import JSON


class OutputDetails(msgspec.Struct, frozen=True):
    thinking_tokens: int = 0


class Counts(msgspec.Struct, frozen=True):
    """Tokens. ``input_tokens`` are those that were neither read from the cache nor written to it."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class Message(msgspec.Struct, frozen=True):
    usage: Counts = Counts()


class MessageStart(msgspec.Struct, frozen=True):
    message: Message


class Block(msgspec.Struct, frozen=True):
    """A content block as it begins; ``type`` says which of the other fields it has."""

    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: JSON = {}


class BlockStart(msgspec.Struct, frozen=True):
    index: int
    content_block: Block


class Delta(msgspec.Struct, frozen=True):
    type: str
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""


class BlockDelta(msgspec.Struct, frozen=True):
    index: int
    delta: Delta


class BlockStop(msgspec.Struct, frozen=True):
    index: int


class StopDetails(msgspec.Struct, frozen=True):
    category: str | None = None
    explanation: str | None = None


class Change(msgspec.Struct, frozen=True):
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class MessageDelta(msgspec.Struct, frozen=True):
    delta: Change
    usage: Counts | None = None


class MessageStop(msgspec.Struct, frozen=True):
    pass


class VendorError(msgspec.Struct, frozen=True):
    type: str = ""
    message: str = ""


class ErrorEvent(msgspec.Struct, frozen=True):
    error: VendorError


Event = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | ErrorEvent

_TYPES: dict[str, type[Event]] = {
    "message_start": MessageStart,
    "content_block_start": BlockStart,
    "content_block_delta": BlockDelta,
    "content_block_stop": BlockStop,
    "message_delta": MessageDelta,
    "message_stop": MessageStop,
    "error": ErrorEvent,
}


def read_event(name: str, data: str) -> Event | None:
    """None for a ping, and for an event that is not known yet: the API may add some.

    Raises `msgspec.MsgspecError` for an event that is not what it should be.
    """
    event_type = _TYPES.get(name)
    return msgspec.json.decode(data, type=event_type) if event_type else None
