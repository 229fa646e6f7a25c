"""A history in the shapes that the vendors' APIs want, as far as several want the same."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from chat.llm.prompts import BEGINNING, CONTINUE, NOTHING_SAID, STAFF_MARK, STAFF_NOTE
from chat.llm.provider import JSON, HistoryItem, ModelRequest, OperatorText, ToolCallItem


def own(extra: JSON | None, provider: str, model: str | None = None) -> JSON:
    """What the provider kept there; with ``model`` only if that model gave it."""
    kept: JSON = (extra or {}).get(provider) or {}
    return kept if model is None or kept.get("model") == model else {}


def call_id(call: ToolCallItem, provider: str) -> str:
    """The vendor's own, unchanged; else ours."""
    return str(own(call.extra, provider).get("id") or call.call_id)


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


# Turns, for vendors that want the user and the model by turns, and the user to have the first and the last.


class Alternation:
    """Messages ``{"role": ..., key: [part, ...]}``; what follows in the same role is joined to the message before it."""

    def __init__(self, key: str, *, text: Callable[[str], JSON | str]) -> None:
        """``text`` makes the vendor's part of a text."""
        self._key = key
        self._text = text
        self._messages: list[JSON] = []

    def add(self, role: str, parts: Sequence[JSON | str]) -> None:
        if not parts:
            return
        last = self._messages[-1] if self._messages else {}
        if last.get("role") == role and "tool_calls" not in last:
            last[self._key].extend(parts)
        else:
            self._messages.append({"role": role, self._key: [*parts]})

    def closed(self) -> list[JSON]:
        """With the user's words at both ends; where the history has none, a neutral sentence stands for them."""
        if not self._messages:
            self._say(NOTHING_SAID)
        if self._messages[0]["role"] != "user":
            self._messages.insert(0, {"role": "user", self._key: [self._text(BEGINNING)]})
        if self._messages[-1]["role"] in {"assistant", "model"}:
            self._say(CONTINUE)
        return self._messages

    def _say(self, text: str) -> None:
        self.add("user", [self._text(text)])


# Staff's words inside a user's turn, for APIs that know only user and model: told apart by marks that the system names.
# A mark holds the item's id, which is random; where a user's own text holds one of the marks, it is taken out.


def marks_in(history: Iterable[HistoryItem]) -> list[str]:
    """What stands before each operator's words."""
    return [_mark(item) for item in history if isinstance(item, OperatorText)]


def marked(item: OperatorText) -> str:
    return f"{_mark(item)}\n{item.text}"


def without_marks(text: str, marks: Iterable[str]) -> str:
    for mark in marks:
        text = text.replace(mark, "[...]")
    return text


def system_texts(request: ModelRequest) -> list[str]:
    """The instructions and, where staff spoke, which words are theirs."""
    marks = marks_in(request.history)
    note = STAFF_NOTE.format(marks=", ".join(marks)) if marks else ""
    return [text for text in (request.instructions, note) if text.strip()]


def _mark(item: OperatorText) -> str:
    return STAFF_MARK.format(item_id=item.item_id)
