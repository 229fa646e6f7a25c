"""The one way from a conversation to a vendor and back: what goes is what every vendor takes, what comes is an answer.

A model may say anything. What it said is in the log as it came, and goes back to it, or to the model that takes its
place, so that nobody refuses the rest of the conversation for it.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from chat.errors import ModelEmptyAnswer
from chat.messages import (
    Completed,
    FinishReason,
    HistoryItem,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallItem,
    ToolCallRequest,
    ToolResultItem,
)
from chat.providers.base import Provider
from chat.tool_names import ToolNames, call_id

_SAYS_NOTHING = (FinishReason.STOP, FinishReason.TOOL_CALLS, FinishReason.OTHER)
"""Ends that mean that nothing was said where nothing was; the others (a limit, a filter) have a reason of their own."""


async def exchange(provider: Provider, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
    """As `Provider.stream`. Nothing comes before the first word or call; without any it raises `ModelEmptyAnswer`."""
    names = ToolNames(spec.name for spec in request.tools)
    held: list[ModelEvent] = []
    said = False
    async with aclosing(provider.stream(acceptable(request, names))) as stream:
        async for event in stream:
            if isinstance(event, Completed) and not said and event.finish in _SAYS_NOTHING:
                raise _nothing_said(event)
            held.append(_named(event, names))
            said = said or _says_something(event)
            if said or isinstance(event, Completed):
                for one in held:
                    yield one
                held.clear()


def acceptable(request: ModelRequest, names: ToolNames) -> ModelRequest:
    """The request with every name and call id as all vendors take them."""
    choice = request.tool_choice
    return msgspec.structs.replace(
        request,
        history=[_acceptable(item, names) for item in request.history],
        tools=[msgspec.structs.replace(spec, name=names.there(spec.name)) for spec in request.tools],
        tool_choice=choice if choice in {"auto", "none", "required"} else names.there(choice),
    )


def _acceptable(item: HistoryItem, names: ToolNames) -> HistoryItem:
    if isinstance(item, ToolCallItem | ToolResultItem):
        return msgspec.structs.replace(item, name=names.there(item.name), call_id=call_id(item.call_id))
    return item


def _named(event: ModelEvent, names: ToolNames) -> ModelEvent:
    if isinstance(event, ToolCallRequest):
        return msgspec.structs.replace(event, name=names.here(event.name))
    return event


def _says_something(event: ModelEvent) -> bool:
    return isinstance(event, ToolCallRequest) or (isinstance(event, TextDelta) and not _is_blank(event.text))


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _nothing_said(end: Completed) -> ModelEmptyAnswer:
    why = end.vendor_reason or end.finish.value
    return ModelEmptyAnswer(cause=f"neither text nor a call, finish reason {why}", usage=end.usage)
