"""Reasoning as servers with Chat Completions give it: in fields of its own, or as the beginning of the text."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from chat.llm.provider import JSON, HistoryItem, ToolCallItem, ToolResultItem
from chat.llm.shaping import NO_RESULT, object_in

# How a call and its result are put into words that both of the openai SDK's APIs take.


MAX_CALL_ID_CHARS = 64
"""OpenAI refuses a longer one; clients of ours may have chosen up to 128. No other has that limit: a gateway hides
signatures in its ids."""
MAX_DEPTH = 100
"""Of a call's arguments; deeper JSON travels as text within an object, since servers have limits of their own."""


def results_by_call(history: Sequence[HistoryItem]) -> dict[str, ToolResultItem]:
    return {item.call_id: item for item in history if isinstance(item, ToolResultItem)}


def call_id(call: ToolCallItem, provider: str) -> str:
    """The vendor's own, unchanged; else ours, as all of them take it."""
    if given := own(call.extra, provider).get("id"):
        return str(given)
    if len(call.call_id) <= MAX_CALL_ID_CHARS:
        return call.call_id
    return f"call_{hashlib.sha256(call.call_id.encode()).hexdigest()[:32]}"


def arguments(call: ToolCallItem) -> str:
    """JSON of an object, whatever the model that asked had written: some servers parse what they are sent."""
    if object_in(call.arguments, max_depth=MAX_DEPTH) is None:
        return json.dumps({"invalid_arguments": call.arguments})
    return call.arguments


def output(result: ToolResultItem | None) -> str:
    """Neither API has a mark for a tool that failed, so the words say it. Never empty: some servers refuse that."""
    if result is None:
        return f"Error: {NO_RESULT}"
    if result.is_error:
        return f"Error: {result.output}"
    return result.output or "(empty)"


def own(extra: JSON | None, provider: str, model: str | None = None) -> JSON:
    """What the provider kept there; with ``model`` only if that model gave it."""
    kept: JSON = (extra or {}).get(provider) or {}
    return kept if model is None or kept.get("model") == model else {}


_GROWING = ("text", "summary")
_OPEN, _CLOSE = "<think>", "</think>"


class ThinkTag:
    """``<think>...</think>`` at a text's beginning is reasoning, not answer. Feed it the text as it comes."""

    def __init__(self) -> None:
        self._held = ""
        """Text that is not known yet to be one or the other."""
        self._take = self._beginning

    def without(self, text: str) -> str:
        """What of it may be shown now."""
        return self._take(text)

    def rest(self) -> str:
        """At the end: what looked like the beginning of the tag, and was none."""
        held, self._held = self._held, ""
        return held if self._take == self._beginning else ""

    def _beginning(self, text: str) -> str:
        self._held += text
        said = self._held.lstrip()
        if said.startswith(_OPEN):
            self._held, self._take = said[len(_OPEN) :], self._thinking
            return self._take("")
        if _OPEN.startswith(said):
            return ""
        held, self._held, self._take = self._held, "", self._answering
        return held

    def _thinking(self, text: str) -> str:
        self._held += text
        _, closed, behind = self._held.partition(_CLOSE)
        if not closed:
            self._held = self._held[-len(_CLOSE) :]
            return ""
        self._held, self._take = "", self._blank
        return self._take(behind)

    def _blank(self, text: str) -> str:
        """The blank lines between reasoning and answer are neither."""
        said = text.lstrip()
        if said:
            self._take = self._answering
        return said

    def _answering(self, text: str) -> str:
        return text


class Reasoning:
    """A round's reasoning under the names by which it came, as it has to come back with the calls that it led to."""

    def __init__(self) -> None:
        self.kept: JSON = {}

    def add(self, *, reasoning_details: Any, **texts: Any) -> None:
        for field, piece in texts.items():
            if isinstance(piece, str) and piece:
                self.kept[field] = self.kept.get(field, "") + piece
        for piece in reasoning_details if isinstance(reasoning_details, list) else ():
            if isinstance(piece, dict):
                self._detail(piece)

    def _detail(self, piece: JSON) -> None:
        """Pieces of one text have its index and type; what is encrypted comes whole (OpenRouter)."""
        details: list[JSON] = self.kept.setdefault("reasoning_details", [])
        last = details[-1] if details else {}
        if "data" in piece or any(last.get(key) != piece.get(key) for key in ("index", "type")):
            details.append(dict(piece))
            return
        for key, value in piece.items():
            before = last.get(key)
            if key in _GROWING and isinstance(before, str) and isinstance(value, str):
                last[key] = before + value
            elif value is not None:
                last[key] = value
