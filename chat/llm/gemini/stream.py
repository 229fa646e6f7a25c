"""One round of Gemini: its chunks as our events, and how it ended.

Read from the raw chunks, not through the SDK's types: those take a hundred times as long, and refuse a count with a fraction.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from chat.errors import ModelBadRequest, ModelRefused, ModelUnreachable
from chat.llm.failures import error_in, failure, told_in_stream, whole
from chat.llm.gemini.request import keep_extra
from chat.llm.provider import JSON, Completed, FinishReason, TextDelta, ToolCallRequest, Usage
from chat.llm.sse import SentEvent
from sessions_app.ids import new_id

_FINISH: dict[str, FinishReason] = {
    "MAX_TOKENS": FinishReason.MAX_OUTPUT_TOKENS,
    "CONTINUATION": FinishReason.MAX_OUTPUT_TOKENS,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
    "ESCALATION": FinishReason.CONTENT_FILTER,
}
"""Every other word of the vendor's (OTHER, MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, ...) is `OTHER` here."""


class _Call(msgspec.Struct):
    id: str | None = None
    name: str | None = None
    args: JSON | None = None


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Counts(msgspec.Struct, rename="camel"):
    prompt_token_count: Any = None
    tool_use_prompt_token_count: Any = None
    candidates_token_count: Any = None
    cached_content_token_count: Any = None
    thoughts_token_count: Any = None


class _Chunk(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Counts | None = None
    error: Any = None


_chunks = msgspec.json.Decoder(_Chunk)


class GeminiRound:
    """Feed it every chunk, then ask how it ended."""

    closed = False
    """It says no such thing."""

    def __init__(self, *, model: str) -> None:
        self._model = model
        self._counts = _Counts()
        self._finish = ""
        self._block = ""
        self.began = False
        self._calls = False

    @property
    def ended(self) -> bool:
        return bool(self._finish)

    def read(self, sent: SentEvent) -> Iterator[TextDelta | ToolCallRequest]:
        """Raises `ModelRefused` when the prompt is blocked before anything was said, `ProviderError` for an error in the
        place of a chunk."""
        chunk = _chunk_in(sent)
        if chunk.usage_metadata:
            self._counts = chunk.usage_metadata
        if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
            self._blocked(chunk.prompt_feedback.block_reason)
        candidate = chunk.candidates[0] if chunk.candidates else None
        if candidate is None:
            return
        if candidate.finish_reason:
            self._finish = candidate.finish_reason.upper()
        for part in (candidate.content.parts if candidate.content else None) or ():
            yield from self._event(part)

    def completed(self) -> Iterator[Completed]:
        """Raises `ModelUnreachable` for a stream without an end, `ModelBadRequest` when we lost a signature."""
        if not self._finish and not self._block:
            raise ModelUnreachable(cause="the stream ended without a finish reason")
        if self._finish == "MISSING_THOUGHT_SIGNATURE":
            raise ModelBadRequest(cause="finish reason MISSING_THOUGHT_SIGNATURE")
        if self._block:
            yield Completed(FinishReason.CONTENT_FILTER, self._usage(), self._block)
        elif self._finish == "STOP":
            yield Completed(FinishReason.TOOL_CALLS if self._calls else FinishReason.STOP, self._usage())
        else:
            yield Completed(_FINISH.get(self._finish, FinishReason.OTHER), self._usage(), self._finish)

    def _event(self, part: _Part) -> Iterator[TextDelta | ToolCallRequest]:
        """Thoughts are not shown; we do not ask for them either, so none carries what we would have to send back."""
        if part.thought:
            return
        extra = self._extra(part)
        if part.function_call:
            self.began = self._calls = True
            arguments = _json(part.function_call.args or {})
            yield ToolCallRequest(new_id("call"), part.function_call.name or "", arguments, extra)
        elif part.text or extra:
            self.began = self.began or bool(part.text)
            yield TextDelta(part.text or "", extra)

    def _extra(self, part: _Part) -> JSON | None:
        if not part.thought_signature and not part.function_call:
            return None
        call = part.function_call
        return keep_extra(
            part.thought_signature,
            model=self._model,
            call_id=call.id if call else None,
            call_name=(call.name or "") if call else None,
        )

    def _usage(self) -> Usage:
        """Running totals: the last one counts.

        Gemini counts thoughts beside the candidates; our ``output_tokens`` holds both, ``reasoning_tokens`` the thoughts
        alone. Its prompt count holds the cached tokens, as our ``input_tokens`` does.
        """
        counts = self._counts
        thoughts = whole(counts.thoughts_token_count)
        return Usage(
            input_tokens=whole(counts.prompt_token_count) + whole(counts.tool_use_prompt_token_count),
            output_tokens=whole(counts.candidates_token_count) + thoughts,
            cached_tokens=whole(counts.cached_content_token_count),
            reasoning_tokens=thoughts,
        )

    def _blocked(self, reason: str) -> None:
        if not self.began:
            raise ModelRefused(cause=f"prompt blocked: {reason}")
        self._block = reason


def _json(args: dict[str, Any]) -> str:
    """Half of a surrogate pair is JSON for the vendor, but no text that could be stored or sent."""
    text = json.dumps(args, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()


def _chunk_in(sent: SentEvent) -> _Chunk:
    """Raises `ProviderError` for an error in the place of a chunk. What is none has nothing in it."""
    try:
        chunk = _chunks.decode(sent.data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _unusual(sent.text)
    return _unusual(sent.text) if chunk.error else chunk


def _unusual(text: str) -> _Chunk:
    """Half of a surrogate pair, which Python's own reader takes, half a character, or no chunk at all."""
    body = None if not text or text.startswith("[DONE]") else json.loads(text)
    if isinstance(body, dict) and error_in(body):
        raise failure(told_in_stream(body))
    return _Chunk() if body is None else msgspec.convert(body, _Chunk)
