"""What the ``input`` of ``response.create`` gives a model to look at instead of the conversation."""

from collections.abc import Iterable

from chat.errors import FrameError, ItemNotFound
from chat.llm.provider import (
    JSON,
    AssistantText,
    HistoryItem,
    OperatorText,
    ToolCallItem,
    ToolResultItem,
    UserText,
)
from chat.session.commands import ResponseOptions
from chat.session.history import History
from sessions_app.ids import new_id


def view_for(options: ResponseOptions, conversation: History) -> History | None:
    """The history of a response that looks at something of its own; None when it takes part in the conversation.

    Raises `ItemNotFound` for a reference to no item, `FrameError` for the output of a call that is not there.
    """
    if options.input is not None:
        return History.of_items(_items(options.input, conversation))
    return History.of_items(conversation.items()) if options.conversation == "none" else None


def _items(given: Iterable[JSON], conversation: History) -> list[HistoryItem]:
    items: list[HistoryItem] = []
    for index, one in enumerate(given):
        items.append(_item(one, f"response.input[{index}]", items, conversation))
    return items


def _item(given: JSON, param: str, before: list[HistoryItem], conversation: History) -> HistoryItem:
    item_id = given.get("id") or new_id("item")
    match given["type"]:
        case "item_reference":
            return _referenced(item_id, param, conversation)
        case "function_call":
            return ToolCallItem(item_id, given["call_id"], given["name"], given["arguments"])
        case "function_call_output":
            return _output(item_id, given, param, before)
        case _:
            return _message(item_id, given)


def _message(item_id: str, given: JSON) -> HistoryItem:
    text = "\n\n".join(part.get("text", part.get("transcript", "")) for part in given["content"])
    match given["role"]:
        case "assistant":
            return AssistantText(item_id, text)
        case "system":
            return OperatorText(item_id, text)
        case _:
            return UserText(item_id, text)


def _referenced(item_id: str, param: str, conversation: History) -> HistoryItem:
    if item := conversation.item(item_id):
        return item
    raise ItemNotFound(f"There is no item {item_id!r} in this conversation.", param=param)


def _output(item_id: str, given: JSON, param: str, before: list[HistoryItem]) -> HistoryItem:
    for call in before:
        if isinstance(call, ToolCallItem) and call.call_id == given["call_id"]:
            return ToolResultItem(item_id, call.call_id, call.name, given["output"])
    raise FrameError(
        f"There is no function_call with call_id {given['call_id']!r} before this output.", param=param
    )
