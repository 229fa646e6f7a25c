"""One round of Gemini: its chunks as our events, and how it ended."""

import json
from collections.abc import Iterator
from typing import Any

from google.genai import types

from chat.errors import ModelBadRequest, ModelRefused, ModelUnreachable
from chat.llm.gemini.request import keep_extra
from chat.llm.provider import Completed, FinishReason, TextDelta, ToolCallRequest, Usage
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


class GeminiRound:
    """Feed it every chunk, then ask how it ended."""

    def __init__(self, *, model: str) -> None:
        self._model = model
        self._usage = Usage()
        self._finish = ""
        self._block = ""
        self.began = False
        self._calls = False

    @property
    def ended(self) -> bool:
        return bool(self._finish)

    def read(self, chunk: types.GenerateContentResponse) -> Iterator[TextDelta | ToolCallRequest]:
        """Raises `ModelRefused` when the prompt is blocked before anything was said."""
        if chunk.usage_metadata:
            self._usage = _usage(chunk.usage_metadata)
        if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
            self._blocked(str(chunk.prompt_feedback.block_reason.value))
        candidate = chunk.candidates[0] if chunk.candidates else None
        if candidate is None:
            return
        if candidate.finish_reason:
            self._finish = str(candidate.finish_reason.value)
        for part in (candidate.content.parts if candidate.content else None) or ():
            yield from self._event(part)

    def completed(self) -> Iterator[Completed]:
        """Raises `ModelUnreachable` for a stream without an end, `ModelBadRequest` when we lost a signature."""
        if not self._finish and not self._block:
            raise ModelUnreachable(cause="the stream ended without a finish reason")
        if self._finish == "MISSING_THOUGHT_SIGNATURE":
            raise ModelBadRequest(cause="finish reason MISSING_THOUGHT_SIGNATURE")
        if self._block:
            yield Completed(FinishReason.CONTENT_FILTER, self._usage, self._block)
        elif self._finish == "STOP":
            yield Completed(FinishReason.TOOL_CALLS if self._calls else FinishReason.STOP, self._usage)
        else:
            yield Completed(_FINISH.get(self._finish, FinishReason.OTHER), self._usage, self._finish)

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


def _usage(metadata: types.GenerateContentResponseUsageMetadata) -> Usage:
    """Running totals: the last one counts.

    Gemini counts thoughts beside the candidates; our ``output_tokens`` holds both, ``reasoning_tokens`` the thoughts
    alone. Its prompt count holds the cached tokens, as our ``input_tokens`` does.
    """
    thoughts = metadata.thoughts_token_count or 0
    return Usage(
        input_tokens=(metadata.prompt_token_count or 0) + (metadata.tool_use_prompt_token_count or 0),
        output_tokens=(metadata.candidates_token_count or 0) + thoughts,
        cached_tokens=metadata.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
    )
