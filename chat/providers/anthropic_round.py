"""One round of Claude: its events as ours, and how it ended."""

from collections.abc import Iterator

import msgspec

from chat.errors import ModelBadAnswer, ModelRefused, ModelUnreachable
from chat.messages import JSON, Completed, FinishReason, TextDelta, ToolCallRequest, Usage
from chat.providers.anthropic_events import (
    Block,
    BlockDelta,
    BlockStart,
    BlockStop,
    Counts,
    Delta,
    Event,
    MessageDelta,
    MessageStart,
    StopDetails,
)
from chat.providers.anthropic_messages import keep_extra
from chat.providers.failure_words import whole
from sessions_app.ids import new_id

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
