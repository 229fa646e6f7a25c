"""Tool results in words: a sentence where one fits, else a table; an error as the tool said it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from chat.llm.provider import JSON, ToolCallItem, ToolResultItem

MAX_ROWS = 30
MAX_CELL_CHARS = 120


def tell_results(answered: Sequence[tuple[ToolCallItem, ToolResultItem]]) -> str:
    """In the order in which the tools were called."""
    return "\n\n".join(_tell(call, result) for call, result in answered)


def _tell(call: ToolCallItem, result: ToolResultItem) -> str:
    if result.is_error:
        return f"The tool `{call.name}` could not help: {result.output}"
    try:
        value = msgspec.json.decode(result.output)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return result.output
    match call.name, value:
        case "get_time", {"zone": zone, "time": time, "weekday": weekday}:
            return f"It is **{_clock(str(time))}** in {_place(str(zone))} ({weekday}, {time})."
        case "calculate", {"result": outcome}:
            return f"`{_argument(call, 'expression')}` = **{outcome}**"
        case "search_my_sessions", {"sessions": [*sessions], "note": note}:
            return f"{_table(sessions, 'Session')}\n\n{note}" if sessions else str(note)
    return f"**{_title(call.name)}**\n\n{_told(value)}"


def _told(value: Any) -> str:
    match value:
        case {}:
            return _fields(value)
        case [{}, *_]:
            return _table(value, "#")
        case [*items]:
            return "\n".join(f"- {_cell(item)}" for item in items[:MAX_ROWS]) or "(nothing)"
    return str(value)


def _fields(value: JSON) -> str:
    """One row a field; a field of fields gets its rows under its own name."""
    rows = []
    for name, field in value.items():
        if isinstance(field, dict):
            rows += [
                f"| {_title(name)}: {_title(inner).lower()} | {_cell(one)} |" for inner, one in field.items()
            ]
        else:
            rows.append(f"| {_title(name)} | {_cell(field)} |")
    return "\n".join(["| Field | Value |", "| --- | --- |", *rows[:MAX_ROWS]])


def _table(rows: Sequence[Any], first: str) -> str:
    columns = list(rows[0])
    head = [first if index == 0 and first != "#" else _title(name) for index, name in enumerate(columns)]
    lines = [f"| {' | '.join(_cell(row.get(name)) for name in columns)} |" for row in rows[:MAX_ROWS]]
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(columns)}", *lines])


def _cell(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = f"{value:,.1f}"
    elif isinstance(value, dict | list):
        value = msgspec.json.encode(value).decode()
    text = " ".join(str(value).replace("|", "\\|").split())
    return text if len(text) <= MAX_CELL_CHARS else text[: MAX_CELL_CHARS - 1] + "…"


def _argument(call: ToolCallItem, name: str) -> str:
    arguments = msgspec.json.decode(call.arguments)
    return str(arguments.get(name, "")) if isinstance(arguments, dict) else ""


def _clock(time: str) -> str:
    return time[11:16] or time


def _place(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


def _title(name: str) -> str:
    return name.removeprefix("get_").replace("_", " ").capitalize()
