"""How both of the openai SDK's APIs say the same, and how servers with Chat Completions give reasoning: in fields of its own,
or as the beginning of the text."""

import json
import re
from typing import Any

import msgspec

from chat.llm.failures import whole
from chat.llm.prompts import NO_OUTPUT
from chat.llm.provider import JSON, ToolCallItem, ToolResultItem, Usage
from chat.llm.shaping import object_in

MAX_DEPTH = 100
"""Of a call's arguments; deeper JSON travels as text within an object, since servers have limits of their own."""


def arguments(call: ToolCallItem) -> str:
    """JSON of an object, whatever the model that asked had written: some servers parse what they are sent."""
    if object_in(call.arguments, max_depth=MAX_DEPTH) is None:
        return json.dumps({"invalid_arguments": call.arguments})
    return call.arguments


def output(result: ToolResultItem) -> str:
    """Neither API has a mark for a tool that failed, so the words say it. Never blank: some servers refuse that."""
    if result.is_error:
        return f"Error: {result.output}"
    return result.output if result.output.strip() else NO_OUTPUT


class _Details(msgspec.Struct):
    cached_tokens: Any = None
    reasoning_tokens: Any = None


class Counts(msgspec.Struct):
    """Tokens, by the names of either API, and of who copies them. Both count as we do: the cached ones among the input, the
    reasoning among the output. xAI, and Google's Chat Completions, count it in the total alone, and Google does not say how
    much it was."""

    prompt_tokens: Any = None
    completion_tokens: Any = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens: Any = None
    output_tokens: Any = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    total_tokens: Any = None
    prompt_cache_hit_tokens: Any = None
    """DeepSeek's."""
    cached_tokens: Any = None
    """Kimi's."""

    def usage(self) -> Usage:
        asked = self.prompt_tokens_details or self.input_tokens_details or _Details()
        said = self.completion_tokens_details or self.output_tokens_details or _Details()
        read = whole(self.prompt_tokens or self.input_tokens)
        written = whole(self.completion_tokens or self.output_tokens)
        cached = whole(asked.cached_tokens or self.prompt_cache_hit_tokens or self.cached_tokens)
        reasoning = whole(said.reasoning_tokens)
        beside = max(0, whole(self.total_tokens) - read - written)
        if beside and not (beside == reasoning if reasoning else beside != cached):
            beside = 0
        return Usage(
            input_tokens=read,
            output_tokens=written + beside,
            cached_tokens=cached,
            reasoning_tokens=reasoning or beside,
        )


_GROWING = ("text", "summary")
_OPEN, _CLOSE = "<think>", "</think>"
_CLOSED = re.compile(r"\n</think>\s*\n")


class ThinkTag:
    """``<think>...</think>`` at a text's beginning is reasoning, not answer. Feed it the text as it comes.

    The template of some models opens it for them, and a server that does not know gives only what follows: the tag that closes it,
    on a line of its own. What stood before has been shown by then; from the next text on it is known (``opened``).
    """

    def __init__(self, *, opened: bool = False) -> None:
        self.opened = opened
        """Whether this model's texts begin within, as far as this one tells."""
        self._held = ""
        """Text that is not known yet to be one or the other, or the end of it."""
        self._within_so_far: list[str] = []
        self._take = self._within if opened else self._beginning

    def without(self, text: str) -> str:
        """What of it may be shown now."""
        return self._take(text)

    def rest(self, *, cut: bool = False) -> str:
        """At the end: what looked like the beginning of the tag, and was none; or like reasoning, and was never closed, unless it was
        ``cut`` off before."""
        held, self._held = self._held, ""
        if self._take == self._within and not cut:
            self.opened = False
            held, self._within_so_far = "".join(self._within_so_far), []
            return held
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
        return self._take(held)

    def _within(self, text: str) -> str:
        self._within_so_far.append(text)
        shown = self._thinking(text)
        if self._take != self._within:
            self._within_so_far = []
        return shown

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
            self._take = self._plain
        return said

    def _answering(self, text: str) -> str:
        """Shown as it comes; ``_held`` is the end of it."""
        self._held += text
        if _OPEN in self._held:  # somebody speaks of the tags
            self._take = self._plain
        elif _CLOSED.search(self._held):
            self.opened, self._take = True, self._plain
        self._held = self._held[-2 * len(_CLOSE) :]
        return text

    def _plain(self, text: str) -> str:
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


def strictly(schema: JSON) -> JSON:
    """An answer's schema with the name that both APIs want."""
    return {"name": "answer", "schema": schema, "strict": True}
