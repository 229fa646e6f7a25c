"""One round of Claude: its events as ours, and how it ended."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx2
import msgspec

from chat.errors import ModelBadAnswer, ModelRefused, ModelUnreachable
from chat.llm.anthropic.request import keep_extra
from chat.llm.failures import whole
from chat.llm.http import SentEvent, events_in
from chat.llm.provider import JSON, Completed, FinishReason, TextDelta, ToolCallRequest, Usage
from sessions_app.ids import new_id

# The events of Claude's stream, as far as we read them: ``event: NAME`` and JSON.
#
# A name, a block or a delta that is not known yet changes nothing, whatever its fields hold: the API may
# add some. Read from the raw frames, not from the SDK's types: those cost three times as much a delta and
# hide the pings, the only sign of life of a model that thinks without showing it.


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


_FINISH: dict[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.MAX_OUTPUT_TOKENS,
    "model_context_window_exceeded": FinishReason.MAX_OUTPUT_TOKENS,
    "refusal": FinishReason.CONTENT_FILTER,
}
"""Every other word of the vendor's is `OTHER` here; ``pause_turn`` too, which only the vendor's own tools bring about."""

_CUT_OFF = (FinishReason.MAX_OUTPUT_TOKENS, FinishReason.CONTENT_FILTER)


class AnthropicRound:
    """Feed it every event, then ask how it ended."""

    def __init__(self, *, model: str) -> None:
        self._model = model
        self._open: dict[int, _OpenBlock] = {}
        self._thinking: list[JSON] = []
        """Whole thoughts that the next text or call is to carry."""
        self._calls: list[ToolCallRequest] = []
        self._counts = Counts()
        self._began = False
        self._stop_reason = ""
        self._stop_details = StopDetails()

    @property
    def ended(self) -> bool:
        """The vendor has said how it ended; every block is whole before that."""
        return bool(self._stop_reason)

    def read(self, event: Event) -> Iterator[TextDelta]:
        """Raises `ModelBadAnswer` for an event that does not follow those before it."""
        match event:
            case MessageStart():
                self._count(event.message.usage)
            case BlockStart():
                block = self._open[event.index] = _OpenBlock(event.content_block)
                yield from self._text(block, event.content_block.text)
            case BlockDelta():
                block = self._opened(event.index)
                block.add(event.delta)
                yield from self._text(block, event.delta.text)
            case BlockStop():
                self._close(self._opened(event.index))
                del self._open[event.index]
            case MessageDelta():
                self._count(event.usage or Counts())
                self._stop_reason = event.delta.stop_reason or self._stop_reason
                self._stop_details = event.delta.stop_details or self._stop_details

    def ending(self) -> Iterator[ToolCallRequest | Completed]:
        """The calls and the end. A round that was cut off asks for nothing: what it was about to ask may be half.

        Raises `ModelUnreachable` for a stream without an end, `ModelRefused` for a refusal before the first word.
        """
        if not self._stop_reason:
            raise ModelUnreachable(cause="the stream ended without a stop reason")
        finish = _FINISH.get(self._stop_reason, FinishReason.OTHER)
        if finish is FinishReason.CONTENT_FILTER and not self._began:
            raise ModelRefused(cause=self._refusal())
        if self._calls and finish not in _CUT_OFF:
            yield from self._calls
            finish = FinishReason.TOOL_CALLS
        normal = finish in (FinishReason.STOP, FinishReason.TOOL_CALLS)
        yield Completed(finish, self._usage(), "" if normal else self._stop_reason)

    def _text(self, block: "_OpenBlock", text: str) -> Iterator[TextDelta]:
        """The first words behind a thought carry it; blank ones cannot, since no blank text is sent back."""
        if block.type != "text" or not text:
            return
        self._began = True
        yield TextDelta(text, self._extra() if text.strip() else None)

    def _close(self, block: "_OpenBlock") -> None:
        match block.type:
            case "thinking" | "redacted_thinking":
                self._thinking += block.thoughts()
            case "tool_use":
                extra = self._extra(block.id)
                self._calls.append(ToolCallRequest(new_id("call"), block.name, block.arguments(), extra))

    def _extra(self, call_id: str = "") -> JSON | None:
        thinking, self._thinking = self._thinking, []
        return keep_extra(model=self._model, thinking=thinking, call_id=call_id)

    def _opened(self, index: int) -> "_OpenBlock":
        if index not in self._open:
            raise ModelBadAnswer(cause=f"an event of block {index}, which is not open")
        return self._open[index]

    def _count(self, counts: Counts) -> None:
        """Running totals: of each the last one given counts."""
        given = {name: value for name, value in msgspec.structs.asdict(counts).items() if value is not None}
        self._counts = msgspec.structs.replace(self._counts, **given)

    def _usage(self) -> Usage:
        """Claude counts what it read from its cache and wrote to it beside the input; our ``input_tokens`` holds all."""
        counts = self._counts
        cached = whole(counts.cache_read_input_tokens)
        details = counts.output_tokens_details
        return Usage(
            input_tokens=whole(counts.input_tokens) + cached + whole(counts.cache_creation_input_tokens),
            output_tokens=whole(counts.output_tokens),
            cached_tokens=cached,
            reasoning_tokens=whole(details.thinking_tokens) if details else 0,
        )

    def _refusal(self) -> str:
        details = (self._stop_details.category, self._stop_details.explanation)
        return ": ".join(["stop reason refusal", *(detail for detail in details if detail)])


class _OpenBlock:
    """A content block while its deltas come in."""

    def __init__(self, begun: Block) -> None:
        self.type = begun.type
        self.id = begun.id
        self.name = begun.name
        self._begun = begun
        self._json = ""
        self._words = begun.thinking
        self._signature = begun.signature

    def add(self, delta: Delta) -> None:
        self._json += delta.partial_json
        self._words += delta.thinking
        self._signature += delta.signature

    def arguments(self) -> str:
        """As the model wrote them, valid or not."""
        return self._json or msgspec.json.encode(self._begun.input).decode()

    def thoughts(self) -> list[JSON]:
        """The block as it has to come back. One without a signature cannot: the API would refuse it."""
        if self.type == "redacted_thinking":
            return [{"type": self.type, "data": self._begun.data}]
        if not self._signature:
            return []
        return [{"type": self.type, "thinking": self._words, "signature": self._signature}]
