"""Asking a provider, and putting what it gave into the history as the engine does."""

from collections.abc import Sequence
from contextlib import aclosing
from itertools import groupby
from typing import Any, TypeVar

import msgspec

from chat.llm.prompts import NO_RESULT
from chat.llm.provider import (
    AssistantText,
    Completed,
    HistoryItem,
    ModelEvent,
    ModelRequest,
    Part,
    Provider,
    TextDelta,
    ToolCallItem,
    ToolCallRequest,
    ToolResultItem,
    ToolSpec,
    UserText,
)

MODEL = "gemini-3.8-flash"

Logged = TypeVar("Logged", AssistantText, ToolCallItem)

GET_TIME = ToolSpec(
    "get_time",
    "The time in a zone.",
    {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]},
)
GET_PROFILE = ToolSpec("get_my_profile", "Who the user is.", {"type": "object", "properties": {}})


def request(*history: HistoryItem | str, **more: Any) -> ModelRequest:
    """A text stands for a user's message; calls without a result are answered as a session answers them."""
    items = [UserText(f"item_{n}", item) if isinstance(item, str) else item for n, item in enumerate(history)]
    return ModelRequest(**{"model": MODEL, **more}, history=answered(items))


def answered(items: Sequence[HistoryItem]) -> list[HistoryItem]:
    results = {item.call_id: item for item in items if isinstance(item, ToolResultItem)}
    history: list[HistoryItem] = []
    for run in (list(run) for _, run in groupby(items, key=type)):
        history += [item for item in run if not isinstance(item, ToolResultItem)]
        history += [
            results.get(call.call_id)
            or ToolResultItem(call.item_id, call.call_id, call.name, NO_RESULT, is_error=True)
            for call in run
            if isinstance(call, ToolCallItem)
        ]
    return history


async def events_of(provider: Provider, asked: ModelRequest) -> list[ModelEvent]:
    async with aclosing(provider.stream(asked)) as stream:
        return [event async for event in stream]


async def text_of(provider: Provider, asked: ModelRequest) -> str:
    return joined(await events_of(provider, asked))


def joined(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCallRequest]:
    return [event for event in events if isinstance(event, ToolCallRequest)]


def end_of(events: list[ModelEvent]) -> Completed:
    assert isinstance(events[-1], Completed)
    assert sum(isinstance(event, Completed) for event in events) == 1
    return events[-1]


def remembered(events: list[ModelEvent]) -> list[HistoryItem]:
    """The text and the calls as history items, by way of the JSON in which the log keeps them."""
    items: list[HistoryItem] = []
    deltas = [event for event in events if isinstance(event, TextDelta)]
    if deltas:
        parts = [Part(len(delta.text), delta.extra) for delta in deltas]
        items.append(_logged(AssistantText("item_text", joined(events), parts)))
    for call in calls_of(events):
        item = ToolCallItem(f"item_{call.call_id}", call.call_id, call.name, call.arguments, call.extra)
        items.append(_logged(item))
    return items


def result(call: ToolCallItem | ToolCallRequest, output: str, *, is_error: bool = False) -> ToolResultItem:
    return ToolResultItem(f"item_{call.call_id}", call.call_id, call.name, output, is_error=is_error)


def _logged(item: Logged) -> Logged:
    return msgspec.json.decode(msgspec.json.encode(item), type=type(item))
