"""One round of Gemini: its chunks as our events, and how it ended.

All but a few chunks hold text and counts, nothing else. Those are read here, for a hundredth of what the SDK takes; every other
one is read by the SDK's own types.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from google.genai import types

from chat.errors import ModelBadRequest, ModelRefused, ModelUnreachable
from chat.llm.failures import error_in, failure, told_in_stream
from chat.llm.gemini.request import keep_extra
from chat.llm.provider import Completed, FinishReason, TextDelta, ToolCallRequest, Usage
from chat.llm.sse import SentEvent
from sessions_app.ids import new_id

_FRACTION = re.compile(r'("\w*TokenCount"\s*:\s*\d+)\.\d+')

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


class _TextPart(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class _Text(msgspec.Struct, forbid_unknown_fields=True):
    parts: list[_TextPart]
    role: str = ""


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    content: _Text
    index: int = 0


class _Counts(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    cached_content_token_count: int | None = None
    thoughts_token_count: int | None = None


class _TextChunk(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Fields that are not named here may mean something, so a chunk that has one is not this."""

    candidates: tuple[_Said]
    usage_metadata: _Counts | None = None
    model_version: str = ""
    response_id: str = ""


_text_chunk = msgspec.json.Decoder(_TextChunk)


class GeminiRound:
    """Feed it every chunk, then ask how it ended."""

    closed = False
    """It says no such thing."""

    def __init__(self, *, model: str) -> None:
        self._model = model
        self._counts: _Counts | types.GenerateContentResponseUsageMetadata | None = None
        self._finish = ""
        self._block = ""
        self.began = False
        self._calls = False

    @property
    def ended(self) -> bool:
        return bool(self._finish)

    def read(self, sent: SentEvent) -> Iterable[TextDelta | ToolCallRequest]:
        """Raises `ModelRefused` when the prompt is blocked before anything was said, `ProviderError` for an error in the
        place of a chunk."""
        try:
            chunk = _text_chunk.decode(sent.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            whole = _whole(sent.text)
            return self._chunk(whole) if whole else ()
        self._counts = chunk.usage_metadata or self._counts
        given = [TextDelta(part.text) for part in chunk.candidates[0].content.parts if part.text]
        self.began = self.began or bool(given)
        return given

    def completed(self) -> Iterator[Completed]:
        """Raises `ModelUnreachable` for a stream without an end, `ModelBadRequest` when we lost a signature."""
        if not self._finish and not self._block:
            raise ModelUnreachable(cause="the stream ended without a finish reason")
        if self._finish == "MISSING_THOUGHT_SIGNATURE":
            raise ModelBadRequest(cause="finish reason MISSING_THOUGHT_SIGNATURE")
        if self._block:
            yield Completed(FinishReason.CONTENT_FILTER, _usage(self._counts), self._block)
        elif self._finish == "STOP":
            yield Completed(
                FinishReason.TOOL_CALLS if self._calls else FinishReason.STOP, _usage(self._counts)
            )
        else:
            yield Completed(_FINISH.get(self._finish, FinishReason.OTHER), _usage(self._counts), self._finish)

    def _chunk(self, chunk: types.GenerateContentResponse) -> Iterator[TextDelta | ToolCallRequest]:
        self._counts = chunk.usage_metadata or self._counts
        if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
            self._blocked(str(chunk.prompt_feedback.block_reason.value))
        candidate = chunk.candidates[0] if chunk.candidates else None
        if candidate is None:
            return
        if candidate.finish_reason:
            self._finish = str(candidate.finish_reason.value)
        for part in (candidate.content.parts if candidate.content else None) or ():
            yield from self._event(part)

    def _event(self, part: types.Part) -> Iterator[TextDelta | ToolCallRequest]:
        """Thoughts are not shown; we do not ask for them either, so none carries what we would have to send back."""
        if part.thought:
            return
        extra = keep_extra(part, model=self._model)
        if part.function_call:
            self.began = self._calls = True
            arguments = _json(part.function_call.args or {})
            yield ToolCallRequest(new_id("call"), part.function_call.name or "", arguments, extra)
        elif part.text or extra:
            self.began = self.began or bool(part.text)
            yield TextDelta(part.text or "", extra)

    def _blocked(self, reason: str) -> None:
        if not self.began:
            raise ModelRefused(cause=f"prompt blocked: {reason}")
        self._block = reason


def _json(args: dict[str, Any]) -> str:
    """Half of a surrogate pair is JSON for the vendor, but no text that could be stored or sent."""
    text = json.dumps(args, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()


def _whole(text: str) -> types.GenerateContentResponse | None:
    """None for what is no chunk. The SDK refuses a count with a fraction, and with it the answer."""
    if text in {"", "null"} or text.startswith("[DONE]"):
        return None
    chunk = json.loads(_FRACTION.sub(r"\1", text))
    if isinstance(chunk, dict) and error_in(chunk):
        raise failure(told_in_stream(chunk))
    return types.GenerateContentResponse.model_validate(chunk, extra="ignore")


def _usage(counts: _Counts | types.GenerateContentResponseUsageMetadata | None) -> Usage:
    """Running totals: the last one counts.

    Gemini counts thoughts beside the candidates; our ``output_tokens`` holds both, ``reasoning_tokens`` the thoughts
    alone. Its prompt count holds the cached tokens, as our ``input_tokens`` does.
    """
    if counts is None:
        return Usage()
    thoughts = counts.thoughts_token_count or 0
    return Usage(
        input_tokens=(counts.prompt_token_count or 0) + (counts.tool_use_prompt_token_count or 0),
        output_tokens=(counts.candidates_token_count or 0) + thoughts,
        cached_tokens=counts.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
    )
