"""A `ModelRequest` as the Responses API takes it: flat items in the order of the conversation, nothing kept at OpenAI's."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from chat.messages import (
    JSON,
    AssistantText,
    HistoryItem,
    ModelRequest,
    OperatorText,
    ToolCallItem,
    ToolSpec,
    UserText,
)
from chat.providers.fillers import NOTHING_SAID
from chat.providers.openai_words import arguments, call_id, output, own, results_by_call

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
    results = results_by_call(request.history)
    model = request.model if reasoning else ""
    items: list[JSON] = []
    for kind, run in groupby(request.history, key=type):
        if kind is ToolCallItem:
            calls = [item for item in run if isinstance(item, ToolCallItem)]
            items += [item for call in calls for item in _call(call, model)]
            items += [
                {
                    "type": "function_call_output",
                    "call_id": call_id(call, "openai"),
                    "output": output(results.get(call.call_id)),
                }
                for call in calls
            ]
        else:
            items += [spoken for item in run for spoken in _spoken(item, model)]
    return items or [_message("user", NOTHING_SAID)]


def _spoken(item: HistoryItem, model: str) -> Iterable[JSON]:
    """Staff speak as the developer, whose word is above the user's."""
    match item:
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


def _message(role: str, text: str) -> JSON:
    return {"type": "message", "role": role, "content": text}
