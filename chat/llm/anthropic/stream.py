"""One round of Claude: its events as ours, and how it ended.

Read from the raw events, not from the SDK's types: those cost three times as much a delta and hide the pings, the only
sign of life of a model that thinks without showing it.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from chat.errors import ModelBadAnswer, ModelRefused, ModelTimeout, ModelUnreachable
from chat.llm.anthropic.request import keep_extra
from chat.llm.failures import failure, told_in_stream, whole
from chat.llm.provider import JSON, Completed, FinishReason, TextDelta, ToolCallRequest, Usage
from chat.llm.sse import SentEvent
from sessions_app.ids import new_id

EVENTS = {
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
}
"""What is read. Others (a ping, what the API adds one day) change nothing, and neither do new kinds of blocks and deltas."""
_BLOCKS = {"text", "thinking", "redacted_thinking", "tool_use"}
_DELTAS = {"text_delta", "input_json_delta", "thinking_delta", "signature_delta"}


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
    usage: Counts | None = None


class Block(msgspec.Struct, frozen=True):
    """A content block as it begins; ``type`` says which of the other fields it has."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: JSON | None = None


class StopDetails(msgspec.Struct, frozen=True):
    category: str | None = None
    explanation: str | None = None


class Delta(msgspec.Struct, frozen=True):
    """Of a block, or of the message."""

    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class Event(msgspec.Struct, frozen=True):
    """Its name says which of the fields it has."""

    index: int = -1
    message: Message = Message()
    content_block: Block = Block()
    delta: Delta = Delta()
    usage: Counts | None = None


class _TextDelta(msgspec.Struct, tag_field="type", tag="text_delta"):
    text: str


class _TextEvent(msgspec.Struct, tag_field="type", tag="content_block_delta"):
    """What nearly all events are."""

    index: int
    delta: _TextDelta
    error: None = None


_text_event = msgspec.json.Decoder(_TextEvent)


def _named(sent: SentEvent) -> Iterator[tuple[str, JSON]]:
    """The event with its name, which some servers give in the data alone; a whole message counts as its events."""
    if sent.event and sent.event not in EVENTS:
        yield sent.event, {}
        return
    text = sent.text
    body = msgspec.json.decode(text) if text else None
    if sent.event:
        yield sent.event, msgspec.convert(body, JSON)
    elif isinstance(body, dict) and body.get("type") == "message":
        yield from _events_in(body)
    elif isinstance(body, dict):
        yield "error" if body.get("error") else str(body.get("type", "")), body


def _events_in(message: JSON) -> Iterator[tuple[str, JSON]]:
    yield "message_start", {"message": {"usage": message.get("usage") or {}}}
    for index, block in enumerate(message.get("content") or ()):
        yield "content_block_start", {"index": index, "content_block": block}
        yield "content_block_stop", {"index": index}
    yield "message_delta", {"delta": {name: message.get(name) for name in ("stop_reason", "stop_details")}}
    yield "message_stop", {}


def _read(body: JSON) -> Event:
    """Of a block or a delta of a kind that is not known the fields may hold anything."""
    for name, known in (("content_block", _BLOCKS), ("delta", _DELTAS)):
        part = body.get(name)
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind not in known:
            body = {**body, name: {}}
    return msgspec.convert(body, Event)


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

    def __init__(self, *, model: str, pings_s: float) -> None:
        """``pings_s``: for so long at most with nothing but pings."""
        self._model = model
        self._pings_s = pings_s
        self._open: dict[int, _OpenBlock] = {}
        self._thinking: list[JSON] = []
        """Whole thoughts that the next text or call is to carry."""
        self._calls: list[ToolCallRequest] = []
        self._counts = Counts()
        self.began = False
        self.closed = False
        self._stop_reason = ""
        self._stop_details = StopDetails()
        self._worked = time.monotonic()
        """When something else than a ping came."""

    @property
    def ended(self) -> bool:
        """The vendor has said how it ended; every block is whole before that."""
        return bool(self._stop_reason)

    def read(self, sent: SentEvent) -> Iterable[TextDelta]:
        """Raises `ModelBadAnswer` for an event that does not follow those before it. Pings end a silence, for a while."""
        if sent.event in {"content_block_delta", ""}:
            try:
                said = _text_event.decode(sent.data)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
            else:
                self._worked = time.monotonic()
                return self._text(self._opened(said.index), said.delta.text)
        return self._events(sent)

    def _events(self, sent: SentEvent) -> Iterator[TextDelta]:
        for name, body in _named(sent):
            if name in EVENTS:
                self._worked = time.monotonic()
            elif time.monotonic() - self._worked > self._pings_s:
                raise ModelTimeout(cause=f"nothing but pings for {self._pings_s:g} s")
            yield from self._event(name, body)
            self.closed = self.closed or name == "message_stop"

    def _event(self, name: str, body: JSON) -> Iterator[TextDelta]:
        if name == "error":
            told = body.get("error")
            raise failure(told_in_stream(told)) if told else ModelBadAnswer(cause="an error without an error")
        if name not in EVENTS:
            return
        one = _read(body)
        match name:
            case "message_start":
                self._count(one.message.usage or Counts())
            case "content_block_start":
                block = self._open[one.index] = _OpenBlock(one.content_block)
                yield from self._text(block, one.content_block.text)
            case "content_block_delta":
                block = self._opened(one.index)
                block.add(one.delta)
                yield from self._text(block, one.delta.text)
            case "content_block_stop":
                self._close(self._opened(one.index))
                del self._open[one.index]
            case "message_delta":
                self._count(one.usage or Counts())
                self._stop_reason = one.delta.stop_reason or self._stop_reason
                self._stop_details = one.delta.stop_details or self._stop_details

    def completed(self) -> Iterator[ToolCallRequest | Completed]:
        """The calls and the end. A round that was cut off asks for nothing: what it was about to ask may be half.

        Raises `ModelUnreachable` for a stream without an end, `ModelRefused` for a refusal before the first word.
        """
        if not self._stop_reason:
            raise ModelUnreachable(cause="the stream ended without a stop reason")
        finish = _FINISH.get(self._stop_reason, FinishReason.OTHER)
        if finish is FinishReason.CONTENT_FILTER and not self.began:
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
        self.began = True
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
        return self._json or msgspec.json.encode(self._begun.input or {}).decode()

    def thoughts(self) -> list[JSON]:
        """The block as it has to come back. One without a signature cannot: the API would refuse it."""
        if self.type == "redacted_thinking":
            return [{"type": self.type, "data": self._begun.data}]
        if not self._signature:
            return []
        return [{"type": self.type, "thinking": self._words, "signature": self._signature}]
