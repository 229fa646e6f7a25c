"""What a person is asked about a tool call that needs their yes: a sentence, in the tool's own words where it has some."""

import asyncio
import logging
from typing import Any

import msgspec

from chat.llm.provider import JSON
from chat.tools.base import Tool
from chat.tools.beside import Raised, call_of
from chat.tools.permissions import RULE_SECONDS
from sessions_app.log.rows import storable

logger = logging.getLogger(__name__)

MAX_CHARS = 1_000
_VALUE_CHARS = 200
_ARGUMENTS = 12


async def question(tool: Tool, *, arguments: str) -> str:
    """One line or a few, safe to store. ``arguments`` is JSON text that fits the tool."""
    values = _as_it_will_have_them(tool, arguments)
    given = {name: msgspec.to_builtins(value) for name, value in values.items()}
    try:
        asked = await _own_words(tool, values, given)
    except Exception:
        logger.exception("tool %s: what to ask a person could not be put into words", tool.name)
        asked = ""
    return str(storable(_cut(asked or _made_up(tool, given), MAX_CHARS)))


def _as_it_will_have_them(tool: Tool, arguments: str) -> JSON:
    """With the defaults of what the model left out, as the function is called with them."""
    form: Any = JSON if tool.arguments is None else tool.arguments
    given = msgspec.json.decode(arguments.strip() or "{}", type=form, strict=False)
    if tool.arguments is None:
        return dict(given)
    return {name: getattr(given, name) for name in given.__struct_fields__}


class _Shown:
    """An argument in a template: in words, or as the template wants it, as in ``{amount:.2f}``, ``{day:%d.%m.}``, ``{order.id}``."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __format__(self, form: str) -> str:
        if not form or self._value is None:
            return str(self)
        return _cut(format(self._value, form), _VALUE_CHARS)

    def __str__(self) -> str:
        return _in_words(msgspec.to_builtins(self._value))

    def __repr__(self) -> str:
        return _cut(repr(self._value), _VALUE_CHARS)

    def __getattr__(self, name: str) -> "_Shown":
        return _Shown(getattr(self._value, name))

    def __getitem__(self, key: Any) -> "_Shown":
        return _Shown(self._value[key])


async def _own_words(tool: Tool, values: JSON, given: JSON) -> str:
    if tool.asks is None:
        return ""
    if isinstance(tool.asks, str):
        return tool.asks.format_map({name: _Shown(value) for name, value in values.items()})
    asks = tool.asks
    async with asyncio.timeout(RULE_SECONDS):
        said = await call_of(asks, name=f"asks of {tool.name}")(given).run()
    if isinstance(said, Raised):
        raise said.as_exception("asks")
    return str(said).strip()


def _made_up(tool: Tool, given: JSON) -> str:
    """The first sentence of what the model is told of it, and each argument by its own description."""
    properties: JSON = tool.spec.parameters.get("properties", {})
    lines = [
        f"{_label(name, properties.get(name, {}))}: {_in_words(value)}"
        for name, value in list(given.items())[:_ARGUMENTS]
    ]
    if len(given) > _ARGUMENTS:
        lines.append(f"and {len(given) - _ARGUMENTS} more")
    return "\n".join([_first_sentence(tool), *lines])


def _first_sentence(tool: Tool) -> str:
    paragraph = " ".join(tool.spec.description.strip().partition("\n\n")[0].split())
    first, stop, _ = paragraph.partition(". ")
    return _cut(f"{first}{stop.strip()}" or tool.name, _VALUE_CHARS)


def _label(name: str, described: Any) -> str:
    """The description where it is short enough to stand before a value, else the name without its underscores."""
    words = described.get("description", "") if isinstance(described, dict) else ""
    label = words.strip().rstrip(".") if 0 < len(words) <= 60 else name.replace("_", " ").strip()
    return label[:1].upper() + label[1:]


def _in_words(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case str():
            return _cut(value, _VALUE_CHARS)
        case list() if all(isinstance(one, str | int | float) for one in value):
            return _cut(", ".join(str(one) for one in value) or "none", _VALUE_CHARS)
        case _:
            return _cut(msgspec.json.encode(value).decode(), _VALUE_CHARS)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1]}…"
