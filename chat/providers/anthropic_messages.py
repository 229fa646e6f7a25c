"""A history as Claude's ``messages``: user and assistant in turns, every call answered, thinking where it stood."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from chat.messages import (
    JSON,
    AssistantText,
    HistoryItem,
    OperatorText,
    ToolCallItem,
    ToolResultItem,
    UserText,
)
from chat.providers.alternation import Alternation
from chat.providers.fillers import NO_RESULT, arguments_of
from chat.providers.staff_marks import marked, marks_in, without_marks

MAX_DEPTH = 50
_TOOL_FAILED = "The tool failed."


def build_messages(history: Sequence[HistoryItem], *, model: str) -> list[JSON]:
    """Begins and ends with a user's message; neighbours differ in role; no text is blank.

    The calls of one round are answered together and in order at the head of the message right behind them.
    """
    results = {item.call_id: item for item in history if isinstance(item, ToolResultItem)}
    marks = marks_in(history)
    turns = Alternation("content", text=lambda words: {"type": "text", "text": words})
    for kind, run in groupby(history, key=type):
        if kind is ToolCallItem:
            calls = [item for item in run if isinstance(item, ToolCallItem)]
            turns.add("assistant", [block for call in calls for block in _call_blocks(call, model)])
            turns.add("user", [_result_block(call, results.get(call.call_id)) for call in calls])
            continue
        for item in run:
            match item:
                case UserText():
                    turns.add("user", _text(without_marks(item.text, marks)))
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
        "id": _call_id(call),
        "name": call.name,
        "input": arguments_of(call, max_depth=MAX_DEPTH),
    }


def _result_block(call: ToolCallItem, result: ToolResultItem | None) -> JSON:
    """Without ``content`` for a tool that had nothing to say; an error has to say something."""
    block: JSON = {"type": "tool_result", "tool_use_id": _call_id(call)}
    failed = result is None or result.is_error
    output = NO_RESULT if result is None else result.output
    if failed:
        return {**block, "content": output if output.strip() else _TOOL_FAILED, "is_error": True}
    return {**block, "content": output} if output.strip() else block


def _call_id(call: ToolCallItem) -> str:
    return str(_own(call.extra).get("id") or call.call_id)


def _thoughts(extra: JSON | None, model: str) -> Iterable[JSON]:
    """None where another model had them: a signature counts only for the model that gave it."""
    own = _own(extra)
    if own.get("model") != model:
        return ()
    thoughts: list[JSON] = msgspec.json.decode(own["thinking"])
    return thoughts


def _own(extra: JSON | None) -> JSON:
    own: JSON = (extra or {}).get("anthropic") or {}
    return own
