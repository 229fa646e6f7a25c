"""OpenAI through the Responses API. Why it is driven so: ``docs/decisions/0010-openai-through-two-apis.md``."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec
import openai

from chat.errors import ModelUnreachable
from chat.llm.failures import failure, told_in_stream
from chat.llm.openai.streaming import OpenAIRound, OpenAIStreaming, Stream
from chat.llm.openai.words import Counts, arguments, output, strictly
from chat.llm.prompts import NOTHING_SAID
from chat.llm.provider import (
    JSON,
    PDF,
    AssistantText,
    Completed,
    FileItem,
    FinishReason,
    HistoryItem,
    ModelRequest,
    OperatorText,
    TextDelta,
    ToolCallItem,
    ToolCallRequest,
    ToolResultItem,
    ToolSpec,
    Usage,
    UserText,
    in_rounds,
)
from chat.llm.shaping import call_id, own
from sessions_app.ids import new_id

# The request: flat items in the order of the conversation, nothing kept at OpenAI's.


MIN_OUTPUT_TOKENS = 16
"""The API refuses a smaller limit."""


def build_body(request: ModelRequest, *, reasoning: bool = True, include: bool = True) -> JSON:
    """The request's JSON. ``reasoning``: send back the model's own; ``include``: ask for what that needs."""
    body: JSON = {
        "model": request.model,
        "input": _input(request, reasoning=reasoning),
        "stream": True,
        "store": False,
    }
    if include:
        body["include"] = ["reasoning.encrypted_content"]
    if request.instructions:
        body["instructions"] = request.instructions
    if request.max_output_tokens is not None:
        body["max_output_tokens"] = max(MIN_OUTPUT_TOKENS, request.max_output_tokens)
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.answer_schema:
        body["text"] = {"format": {"type": "json_schema", **strictly(request.answer_schema)}}
    return body


def _tool(spec: ToolSpec) -> JSON:
    """Not strict: that takes a part of JSON Schema only, and refuses the rest of it with a 400."""
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
        "strict": False,
    }


def _tool_choice(wish: str) -> str | JSON:
    return wish if wish in {"auto", "none", "required"} else {"type": "function", "name": wish}


def _input(request: ModelRequest, *, reasoning: bool) -> list[JSON]:
    """Results stand directly behind the calls of their round, in the calls' order."""
    model = request.model if reasoning else ""
    items: list[JSON] = []
    for item in in_rounds(request.history):
        if isinstance(item, list):
            items += [one for call, _ in item for one in _call(call, model)]
            items += [_output(call, result) for call, result in item]
        else:
            items += _spoken(item, model)
    return items or [_message("user", NOTHING_SAID)]


def _spoken(item: HistoryItem, model: str) -> Iterable[JSON]:
    """Staff speak as the developer, whose word is above the user's."""
    match item:
        case UserText(files=[_, *_]):
            return [_message("user", _parts(item))]
        case UserText(text=text) if text:
            return [_message("user", text)]
        case OperatorText(text=text) if text:
            return [_message("developer", text)]
        case AssistantText():
            return _assistant(item, model)
        case _:
            return []


def _assistant(item: AssistantText, model: str) -> Iterator[JSON]:
    """A message for each that the model gave, its reasoning before it. Reasoning without what follows it is refused."""
    kept: JSON = {}
    text, start = "", 0
    for part in item.parts:
        piece = item.text[start : start + part.length]
        start += part.length
        if own(part.extra, "openai"):
            yield from _said(text, kept)
            kept, text = own(part.extra, "openai", model), ""
        text += piece
    yield from _said(text + item.text[start:], kept)


def _said(text: str, kept: JSON) -> Iterator[JSON]:
    if text:
        phase = {"phase": kept["phase"]} if kept.get("phase") else {}
        yield from kept.get("reasoning", ())
        yield {**_message("assistant", text), **phase}


def _call(call: ToolCallItem, model: str) -> Iterator[JSON]:
    yield from own(call.extra, "openai", model).get("reasoning", ())
    yield {
        "type": "function_call",
        "call_id": call_id(call, "openai"),
        "name": call.name,
        "arguments": arguments(call),
    }


def _output(call: ToolCallItem, result: ToolResultItem) -> JSON:
    return {"type": "function_call_output", "call_id": call_id(call, "openai"), "output": output(result)}


def _message(role: str, content: str | list[JSON]) -> JSON:
    return {"type": "message", "role": role, "content": content}


def _parts(item: UserText) -> list[JSON]:
    words = [{"type": "input_text", "text": item.text}] if item.text else []
    return [*(_file(file) for file in item.files), *words]


def _file(file: FileItem) -> JSON:
    if file.media_type == PDF:
        return {"type": "input_file", "filename": file.name, "file_data": file.data_url}
    return {"type": "input_image", "image_url": file.data_url, "detail": "auto"}


# One round: its events as ours, and how it ended.


_INCOMPLETE: dict[str, FinishReason] = {
    "max_output_tokens": FinishReason.MAX_OUTPUT_TOKENS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_REASONING_FIELDS = ("type", "id", "summary", "content", "encrypted_content")


class _Call(msgspec.Struct):
    call_id: str
    name: str
    arguments: str
    status: str | None = None


class _Reason(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    usage: Counts | None = None
    incomplete_details: _Reason | None = None
    error: Any = None
    output: list[JSON] | None = None


class _Event(msgspec.Struct):
    """Its type says which of the fields it has."""

    delta: str = ""
    item: JSON = {}
    response: _Response = msgspec.field(default_factory=_Response)


class _TextEvent(msgspec.Struct):
    type: Literal["response.output_text.delta"]
    delta: str
    error: None = None


class ResponsesRound(OpenAIRound[_TextEvent]):
    """Events that it does not know are none of its business."""

    _typical = msgspec.json.Decoder(_TextEvent)

    def __init__(self, *, model: str) -> None:
        super().__init__()
        self._model = model
        self._reasoning: list[JSON] = []
        self._message: JSON | None = None
        self._usage = Usage()
        self._calls = False
        self._spoke = False
        self._refused = False
        self._incomplete = ""
        self.ended = False

    def _said(self, event: _TextEvent) -> Iterator[TextDelta]:
        return self._text(event.delta)

    def _event(self, event: JSON) -> Iterator[TextDelta | ToolCallRequest]:
        match event.get("type"):
            case "response.output_text.delta" | "response.refusal.delta" as kind:
                self._refused = self._refused or kind == "response.refusal.delta"
                yield from self._text(msgspec.convert(event, _Event).delta)
            case "response.output_item.added":
                yield from self._added(msgspec.convert(event, _Event).item)
            case "response.output_item.done":
                yield from self._done(msgspec.convert(event, _Event).item)
            case "response.completed" | "response.incomplete" | "response.failed":
                self._end(msgspec.convert(event, _Event).response)
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
        for item in response.output or ():
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
            self.began = self._spoke = True
            yield TextDelta(delta)

    def _added(self, item: JSON) -> Iterator[TextDelta]:
        """A second message in a round begins a paragraph."""
        if item.get("type") == "message":
            self._message = item
            if self._spoke:
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
            self._usage = response.usage.usage()
        if response.error:
            raise failure(told_in_stream(response.error))
        if response.incomplete_details:
            self._incomplete = response.incomplete_details.reason or "incomplete"


class OpenAIProvider(OpenAIStreaming):
    name = "openai"

    def __init__(self, api_key: str) -> None:
        super().__init__(api_key=api_key)
        self._unreasoning: set[str] = set()
        """Models that refused to give their reasoning, as those without any do; learned by asking."""

    def _round(self, request: ModelRequest) -> ResponsesRound:
        return ResponsesRound(model=request.model)

    async def _ask(self, request: ModelRequest) -> Stream:
        """Asks a second time where the first was refused for what we asked beside the answer.

        Reasoning goes stale (the key now belongs to another organization, the vendor changed its own); a session
        must not die of it.
        """
        reasoning = True
        while True:
            include = request.model not in self._unreasoning
            try:
                body = build_body(request, reasoning=reasoning, include=include)
                return await self._post("/responses", body)
            except openai.BadRequestError as error:
                if include and _is_about_include(error):
                    self._unreasoning.add(request.model)
                elif reasoning and error.code == "invalid_encrypted_content":
                    reasoning = False
                else:
                    raise


def _is_about_include(error: openai.BadRequestError) -> bool:
    """``Encrypted content is not supported with this model.``"""
    return error.param == "include" or "encrypted content is not supported" in error.message.lower()
