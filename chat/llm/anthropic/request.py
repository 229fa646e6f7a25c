"""A `ModelRequest` as Claude takes it: messages, system, limit, tools and which of them to use, and what to cache."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from chat.conf import conf
from chat.llm.prompts import TOOL_FAILED
from chat.llm.provider import (
    JSON,
    PDF,
    AssistantText,
    FileItem,
    HistoryItem,
    ModelRequest,
    OperatorText,
    ToolCallItem,
    ToolResultItem,
    ToolSpec,
    UserText,
    in_rounds,
)
from chat.llm.shaping import (
    Alternation,
    arguments_of,
    call_id,
    marked,
    marks_in,
    own,
    system_texts,
    without_marks,
)

# The history as ``messages``: user and assistant in turns, every call answered, thinking where it stood.


MAX_DEPTH = 50


def build_messages(history: Sequence[HistoryItem], *, model: str) -> list[JSON]:
    """Begins and ends with a user's message; neighbours differ in role; no text is blank.

    The calls of one round are answered together and in order at the head of the message right behind them.
    """
    marks = marks_in(history)
    turns = Alternation("content", text=lambda words: {"type": "text", "text": words})
    for item in in_rounds(history):
        match item:
            case list():
                turns.add("assistant", [block for call, _ in item for block in _call_blocks(call, model)])
                turns.add("user", [_result_block(call, result) for call, result in item])
            case UserText():
                words = _text(without_marks(item.text, marks))
                turns.add("user", [*(_file_block(file) for file in item.files), *words])
            case OperatorText() if item.text.strip():
                turns.add("user", _text(marked(item)))
            case AssistantText():
                turns.add("assistant", list(_spoken_blocks(item, model)))
    return turns.closed()


def keep_extra(*, model: str, thinking: Sequence[JSON], call_id: str = "") -> JSON | None:
    """What of a block has to come back with it: the thinking before it, the model that thought, the vendor's call id.

    The thinking travels as JSON text, so that every character of it comes through the log's own JSON unchanged.
    """
    kept: JSON = {}
    if thinking:
        kept |= {"thinking": msgspec.json.encode(thinking).decode(), "model": model}
    if call_id:
        kept["id"] = call_id
    return {"anthropic": kept} if kept else None


def _file_block(file: FileItem) -> JSON:
    """Before the words about it."""
    source = {"type": "base64", "media_type": file.media_type, "data": file.content}
    if file.media_type == PDF:
        return {"type": "document", "source": source, "title": file.name}
    return {"type": "image", "source": source}


def _text(words: str) -> list[JSON]:
    """None for a blank text, which the API refuses."""
    return [{"type": "text", "text": words}] if words.strip() else []


def _spoken_blocks(item: AssistantText, model: str) -> Iterator[JSON]:
    """One text block for each stretch between two thoughts."""
    words, start = "", 0
    for part in item.parts:
        if thoughts := list(_thoughts(part.extra, model)):
            yield from _text(words)
            yield from thoughts
            words = ""
        words += item.text[start : start + part.length]
        start += part.length
    yield from _text(words + item.text[start:])


def _call_blocks(call: ToolCallItem, model: str) -> Iterator[JSON]:
    yield from _thoughts(call.extra, model)
    yield {
        "type": "tool_use",
        "id": call_id(call, "anthropic"),
        "name": call.name,
        "input": arguments_of(call, max_depth=MAX_DEPTH),
    }


def _result_block(call: ToolCallItem, result: ToolResultItem) -> JSON:
    """Without ``content`` for a tool that had nothing to say; an error has to say something."""
    block: JSON = {"type": "tool_result", "tool_use_id": call_id(call, "anthropic")}
    output = result.output
    if result.is_error:
        return {**block, "content": output if output.strip() else TOOL_FAILED, "is_error": True}
    return {**block, "content": output} if output.strip() else block


def _thoughts(extra: JSON | None, model: str) -> Iterable[JSON]:
    """None where another model had them: a signature counts only for the model that gave it."""
    thoughts: list[JSON] = msgspec.json.decode(own(extra, "anthropic", model).get("thinking", "[]"))
    return thoughts


# The request.


_CACHE: JSON = {"type": "ephemeral"}
"""For five minutes from its last use."""


def build_body(request: ModelRequest, *, thinking: bool = True) -> JSON:
    """The arguments of the SDK's ``messages.create``. ``thinking``: with the model's own."""
    body: JSON = {
        "model": request.model,
        "max_tokens": request.max_output_tokens or conf().max_output_tokens,
        "messages": build_messages(request.history, model=request.model if thinking else ""),
    }
    if system := _system(request):
        body["system"] = system
    if tools := _tools(request):
        body["tools"] = tools
        body["tool_choice"] = _tool_choice(request)
    if request.answer_schema:
        body["output_config"] = {"format": {"type": "json_schema", "schema": request.answer_schema}}
    return _cached(body) if _goes_on(request) else body


def _system(request: ModelRequest) -> list[JSON]:
    """The note on staff's words is a block of its own, so that a new one leaves the cached instructions as they are."""
    return [{"type": "text", "text": text} for text in system_texts(request)]


def _tools(request: ModelRequest) -> list[JSON]:
    """A history with calls needs tools, or the API refuses it; those that are offered no more are only named."""
    if request.tools:
        return [_tool(spec) for spec in request.tools]
    called = {item.name: None for item in request.history if isinstance(item, ToolCallItem)}
    return [{"name": name, "input_schema": {"type": "object"}} for name in called]


def _tool(spec: ToolSpec) -> JSON:
    described = {"description": spec.description} if spec.description.strip() else {}
    return {"name": spec.name, **described, "input_schema": {"type": "object", **spec.parameters}}


def _tool_choice(request: ModelRequest) -> JSON:
    match request.tool_choice if request.tools else "none":
        case "auto" | "none" as same:
            return {"type": same}
        case "required":
            return {"type": "any"}
        case name:
            return {"type": "tool", "name": name}


def _goes_on(request: ModelRequest) -> bool:
    """Whether another request is likely to begin like this one; writing to the cache costs a quarter more."""
    return bool(request.tools) or len(request.history) > 1


def _cached(body: JSON) -> JSON:
    """Two prefixes: tools and instructions, which all sessions share, and this session's whole conversation."""
    if "system" in body:
        first, *rest = body["system"]
        body["system"] = [{**first, "cache_control": _CACHE}, *rest]
    elif "tools" in body:
        *rest, last = body["tools"]
        body["tools"] = [*rest, {**last, "cache_control": _CACHE}]
    return {**body, "cache_control": _CACHE}
