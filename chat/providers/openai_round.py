"""One round of the Responses API: its events as our events, and how it ended."""

from collections.abc import Iterator
from typing import Any

import msgspec

from chat.errors import ModelUnreachable
from chat.messages import JSON, Completed, FinishReason, TextDelta, ToolCallRequest, Usage
from chat.providers.failure_words import told_in_stream, whole
from chat.providers.failures import failure
from sessions_app.ids import new_id

_INCOMPLETE: dict[str, FinishReason] = {
    "max_output_tokens": FinishReason.MAX_OUTPUT_TOKENS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_REASONING_FIELDS = ("type", "id", "summary", "content", "encrypted_content")


class _Delta(msgspec.Struct):
    delta: str


class _Call(msgspec.Struct):
    call_id: str
    name: str
    arguments: str
    status: str | None = None


class _Item(msgspec.Struct):
    item: JSON


class _Reason(msgspec.Struct):
    reason: str | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: Any = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Any = None


class _Usage(msgspec.Struct):
    input_tokens: Any = 0
    output_tokens: Any = 0
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Response(msgspec.Struct):
    usage: _Usage | None = None
    incomplete_details: _Reason | None = None
    error: Any = None
    output: list[JSON] = []


class _Ended(msgspec.Struct):
    response: _Response


class ResponsesRound:
    """Feed it every event, then ask how it ended. Events that it does not know are none of its business."""

    def __init__(self, *, model: str) -> None:
        self._model = model
        self._reasoning: list[JSON] = []
        self._message: JSON | None = None
        self._usage = Usage()
        self._calls = False
        self._refused = False
        self._incomplete = ""
        self.began = False
        self.ended = False

    def read(self, event: JSON) -> Iterator[TextDelta | ToolCallRequest]:
        match event.get("type"):
            case "response.output_text.delta":
                yield from self._text(msgspec.convert(event, _Delta).delta)
            case "response.refusal.delta":
                self._refused = True
                yield from self._text(msgspec.convert(event, _Delta).delta)
            case "response.output_item.added":
                yield from self._added(msgspec.convert(event, _Item).item)
            case "response.output_item.done":
                yield from self._done(msgspec.convert(event, _Item).item)
            case "response.completed" | "response.incomplete" | "response.failed":
                self._end(msgspec.convert(event, _Ended).response)
            case None if event.get("object") == "response":
                yield from self._whole(msgspec.convert(event, _Response))
            case None:
                raise msgspec.ValidationError("an event without a type")

    def completed(self) -> Iterator[Completed]:
        """Raises `ModelUnreachable` for a stream without an end."""
        if not self.ended:
            raise ModelUnreachable(cause="the stream ended without response.completed")
        if self._incomplete:
            finish = _INCOMPLETE.get(self._incomplete, FinishReason.OTHER)
            yield Completed(finish, self._usage, self._incomplete)
        elif self._refused:
            yield Completed(FinishReason.CONTENT_FILTER, self._usage, "refusal")
        else:
            yield Completed(FinishReason.TOOL_CALLS if self._calls else FinishReason.STOP, self._usage)

    def _whole(self, response: _Response) -> Iterator[TextDelta | ToolCallRequest]:
        """An answer that came in one piece, in the place of its events."""
        for item in response.output:
            yield from self._added(item)
            for part in (item.get("content") or ()) if item.get("type") == "message" else ():
                self._refused = self._refused or part.get("type") == "refusal"
                yield from self._text(part.get("text") or part.get("refusal") or "")
            yield from self._done(item)
        self._end(response)

    def _text(self, delta: str) -> Iterator[TextDelta]:
        """What has to come back with a message stands before its first words, on a part of its own."""
        if self._message is not None:
            kept = self._keep(self._message.get("phase"))
            self._message = None
            if kept:
                yield TextDelta("", {"openai": kept})
        if delta:
            self.began = True
            yield TextDelta(delta)

    def _added(self, item: JSON) -> Iterator[TextDelta]:
        """A second message in a round begins a paragraph."""
        if item.get("type") == "message":
            self._message = item
            if self.began:
                yield TextDelta("\n\n")

    def _done(self, item: JSON) -> Iterator[ToolCallRequest]:
        if item.get("type") == "reasoning" and item.get("encrypted_content"):
            self._reasoning.append(
                {name: item[name] for name in _REASONING_FIELDS if item.get(name) is not None}
            )
        elif item.get("type") == "function_call":
            yield from self._call(msgspec.convert(item, _Call))

    def _call(self, call: _Call) -> Iterator[ToolCallRequest]:
        """A call that was cut off is not one: its arguments may lack their end."""
        if call.status in {None, "completed"}:
            self.began = self._calls = True
            kept = {"id": call.call_id, **self._keep(None)}
            yield ToolCallRequest(new_id("call"), call.name, call.arguments or "{}", {"openai": kept})

    def _keep(self, phase: str | None) -> JSON:
        """With the model's name: another model's reasoning would be refused."""
        reasoning, self._reasoning = self._reasoning, []
        kept: JSON = {"model": self._model} if reasoning or phase else {}
        if reasoning:
            kept["reasoning"] = reasoning
        if phase:
            kept["phase"] = phase
        return kept

    def _end(self, response: _Response) -> None:
        self.ended = True
        if response.usage:
            self._usage = _usage(response.usage)
        if response.error:
            raise failure(told_in_stream(response.error))
        if response.incomplete_details:
            self._incomplete = response.incomplete_details.reason or "incomplete"


def _usage(given: _Usage) -> Usage:
    """OpenAI counts as we do: the cached tokens among the input, the reasoning among the output."""
    cached, reasoning = given.input_tokens_details, given.output_tokens_details
    return Usage(
        input_tokens=whole(given.input_tokens),
        output_tokens=whole(given.output_tokens),
        cached_tokens=whole(cached.cached_tokens) if cached else 0,
        reasoning_tokens=whole(reasoning.reasoning_tokens) if reasoning else 0,
    )
