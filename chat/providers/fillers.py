"""What is said to a model where its API wants words, or an object, and the history has none."""

from typing import Any

import msgspec

from chat.messages import JSON, ToolCallItem

NO_RESULT = "No result was given for this call."
BEGINNING = "(The beginning of this conversation is not shown.)"
NOTHING_SAID = "(The user has not said anything yet.)"
CONTINUE = "(Continue.)"


def arguments_of(call: ToolCallItem, *, max_depth: int) -> JSON:
    """An object, whatever the model that asked had written; deeper JSON than ``max_depth`` stays text."""
    decoded = object_in(call.arguments, max_depth=max_depth)
    return {"invalid_arguments": call.arguments} if decoded is None else decoded


def object_in(text: str, *, max_depth: int) -> JSON | None:
    """The JSON object that the text is, if it is one and not too deep."""
    try:
        value = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return value if _is_shallow(value, max_depth) else None


def _is_shallow(value: Any, levels: int) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(child, levels - 1) for child in children)
