"""The events of Claude's stream, as far as we read them: ``event: NAME`` and JSON.

A name, a block or a delta that is not known yet changes nothing, whatever its fields hold: the API may add some. Read from the raw frames, not from the SDK's types: those cost three times as much a delta and hide the pings, the only sign
of life of a model that thinks without showing it.
"""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx2
import msgspec

from chat.messages import JSON
from chat.providers.sse import SentEvent, events_in


class OutputDetails(msgspec.Struct, frozen=True):
    thinking_tokens: Any = 0


class Counts(msgspec.Struct, frozen=True):
    """Tokens, as they were given. ``input_tokens`` are those that were neither read from the cache nor written to it."""

    input_tokens: Any = None
    cache_creation_input_tokens: Any = None
    cache_read_input_tokens: Any = None
    output_tokens: Any = None
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


class ErrorEvent(msgspec.Struct, frozen=True):
    error: Any


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


_BLOCKS = {"text", "thinking", "redacted_thinking", "tool_use"}
_DELTAS = {"text_delta", "input_json_delta", "thinking_delta", "signature_delta"}


class _Kind(msgspec.Struct):
    type: str


class _Part(msgspec.Struct):
    index: int
    content_block: _Kind | None = None
    delta: _Kind | None = None


def read_event(name: str, data: str) -> Event | None:
    """None for a ping, and for an event that is not known yet.

    Raises `msgspec.MsgspecError` for an event that is not what it should be.
    """
    event_type = _TYPES.get(name)
    if event_type is None:
        return None
    try:
        return msgspec.json.decode(data, type=event_type)
    except msgspec.ValidationError:
        if event_type in (BlockStart, BlockDelta) and (event := _unknown(data)):
            return event
        raise


def _unknown(data: str) -> BlockStart | BlockDelta | None:
    """The bare event, where its fields are those of a block or a delta that is not known yet."""
    part = msgspec.json.decode(data, type=_Part)
    if part.content_block and part.content_block.type not in _BLOCKS:
        return BlockStart(part.index, Block(part.content_block.type))
    if part.delta and part.delta.type not in _DELTAS:
        return BlockDelta(part.index, Delta(part.delta.type))
    return None


async def frames_in(response: httpx2.Response) -> AsyncGenerator[SentEvent, None]:
    """The stream's events with their names, which some servers give in the data alone; a whole message counts as its
    events."""
    async for sent in events_in(response):
        if sent.event:
            yield sent
            continue
        body = msgspec.json.decode(sent.data) if sent.data.strip() else None
        if not isinstance(body, dict):
            continue
        if body.get("type") == "message":
            for name, event in _events_of(body):
                yield SentEvent(name, msgspec.json.encode(event).decode())
        else:
            name = "error" if body.get("error") else str(body.get("type", ""))
            yield SentEvent(name, sent.data)


def _events_of(message: JSON) -> Iterator[tuple[str, JSON]]:
    yield "message_start", {"message": {"usage": message.get("usage") or {}}}
    for index, block in enumerate(message.get("content") or ()):
        yield "content_block_start", {"index": index, "content_block": block}
        yield "content_block_stop", {"index": index}
    yield "message_delta", {"delta": {name: message.get(name) for name in ("stop_reason", "stop_details")}}
    yield "message_stop", {}
