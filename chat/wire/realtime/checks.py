"""A client's frame as JSON, and the words for what is wrong with one: which field, why, what to do."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from chat.errors import FrameError
from chat.wire.codes import FrameCode
from chat.wire.dialect import check_text

T = TypeVar("T")

MAX_DEPTH = 64
MAX_EVENT_ID_CHARS = 64
MAX_TOOLS = 128

# msgspec says "Expected `int`, got `str` - at `$.session.tools[0].name`"; a test holds it to these forms.
_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(.*)`")
_INDEX = re.compile(r"\[(?:\d+|\.\.\.)\]")

_ID_HINT = "An id is 1 to 128 letters, digits or . _ ~ : -"
_HINTS = {
    **dict.fromkeys(
        ("id", "item_id", "previous_item_id", "response_id", "call_id", "approval_request_id"), _ID_HINT
    ),
    "event_id": "An event_id is a string of 1 to 64 characters.",
    "session.type": 'Set it to "realtime".',
    "tool_choice": 'Use "auto", "none", "required" or {"type": "function", "name": "..."}.',
    "tool_choice.type": 'Use "auto", "none", "required" or {"type": "function", "name": "..."}.',
    "max_output_tokens": 'Use a whole number from 1 on, or "inf".',
    "output_modalities": 'This server answers in text: use ["text"].',
    "x_turn_policy": 'Use "enqueue", "interrupt" or "reject".',
    "conversation": 'Use "auto" or "none".',
    "metadata": "Give at most 16 pairs of strings, keys up to 64 and values up to 512 characters.",
    "tools": f'A tool is flat: {{"type": "function", "name", "description", "parameters"}}; at most {MAX_TOOLS}.',
    "tools.type": 'Clients give tools of type "function"; MCP servers are set up on this server.',
    "tools.name": "A tool is flat, and its name is 1 to 64 letters, digits, _ or -",
    "item.type": "A client creates items of type message, function_call, function_call_output or mcp_approval_response.",
    "item.role": 'A client creates messages of role "user", "assistant" or "system".',
    "content": "A message has a list of at least one part.",
    "content.type": 'Use parts of type "input_text", "input_image" or "input_file", of an assistant "output_text".',
    "input.type": "Input items are message, function_call, function_call_output or item_reference.",
}
"""What to do about a field, by the end of its path; the longest that fits counts."""

_CODES = {
    "output_modalities": FrameCode.UNSUPPORTED_MODALITY,
    "item.type": FrameCode.UNSUPPORTED_ITEM,
    "input.type": FrameCode.UNSUPPORTED_ITEM,
    "content.type": FrameCode.UNSUPPORTED_CONTENT,
}


def parse_object(frame: str) -> dict[str, Any]:
    """Raises `FrameError` for a frame that is not one JSON object."""
    try:
        value = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        _check_surrogates(frame)
        raise _bad_json(str(error)) from error
    if not isinstance(value, dict):
        raise FrameError("The frame is not a JSON object. Send one JSON object per frame.")
    if frame.count("{") + frame.count("[") > MAX_DEPTH and deeper_than(value, MAX_DEPTH):
        raise _bad_json(f"it is nested more than {MAX_DEPTH} levels deep")
    return value


def event_id_of(value: dict[str, Any]) -> str | None:
    """The client's name for its event, where it can be read."""
    event_id = value.get("event_id")
    return event_id if isinstance(event_id, str) and len(event_id) <= MAX_EVENT_ID_CHARS else None


def check_nul(frame: str, value: dict[str, Any]) -> None:
    """Raises `FrameError` for a NUL character in any text. JSON has it only as an escape, so most frames need no walk."""
    if "\\u0000" in frame:
        _check_texts(value, "")


def invalid(message: str) -> FrameError:
    """The error for what msgspec says of an event that does not fit its type."""
    match = _MESSAGE.fullmatch(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    if unknown := _UNKNOWN_FIELD.fullmatch(what):
        param = _joined(path, unknown[1])
        problem = f"Unknown parameter {param[:128]!r}. Check its spelling, or leave it out."
        return FrameError(problem, code=FrameCode.UNKNOWN_PARAMETER, param=param)
    if missing := _MISSING_FIELD.fullmatch(what):
        param = _joined(path, missing[1])
        problem = f"{param!r} is missing. {_by_path(_HINTS, param) or 'Add it.'}"
        return FrameError(problem, code=FrameCode.MISSING_PARAMETER, param=param)
    problem = f"{path!r}: {what}. {_by_path(_HINTS, path) or 'Correct it and send the event again.'}"
    return FrameError(problem, code=_by_path(_CODES, path), param=path or None)


def deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    while depth and level:
        level = [child for node in level for child in _children(node)]
        depth -= 1
    return any(isinstance(node, dict | list) for node in level)


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _bad_json(why: str) -> FrameError:
    return FrameError(
        f"The frame is not JSON that can be read: {why}. Send one JSON object per frame.",
        code=FrameCode.INVALID_JSON,
    )


def _check_surrogates(frame: str) -> None:
    """The parser calls half of a surrogate pair bad JSON; Python's own takes it, so the reason can be told."""
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError):
        return
    if not isinstance(value, dict) or deeper_than(value, MAX_DEPTH):
        return
    try:
        _check_texts(value, "")
    except FrameError as error:
        event_id = event_id_of(value)
        error.event_id = event_id if event_id and event_id.isprintable() else None
        raise


def _check_texts(value: Any, path: str) -> None:
    if isinstance(value, str):
        check_text(value, param=path or None)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_texts(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key, param=path or None)
            _check_texts(item, _joined(path, key))


def _by_path(table: Mapping[str, T], path: str) -> T | None:
    parts = _INDEX.sub("", path).split(".")
    suffixes = (".".join(parts[start:]) for start in range(len(parts)))
    return next((table[suffix] for suffix in suffixes if suffix in table), None)


def _joined(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
