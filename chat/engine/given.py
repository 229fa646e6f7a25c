"""What a client puts into the model's history, and whether an event gives the model something new to answer."""

from chat.messages import AssistantText, OperatorText, ToolCallItem, UserText
from sessions_app import events as ev

Given = UserText | OperatorText | AssistantText | ToolCallItem
"""The result of a call is none of them: it stands with its call at once."""
GivenEvent = ev.UserMessage | ev.OperatorMessage | ev.AssistantMessage | ev.ToolCall


def given_item(event: GivenEvent) -> Given:
    match event:
        case ev.UserMessage():
            return UserText(event.item_id, event.text)
        case ev.OperatorMessage():
            return OperatorText(event.item_id, event.text)
        case ev.AssistantMessage():
            return AssistantText(event.item_id, event.text)
        case ev.ToolCall():
            return ToolCallItem(event.item_id, event.call_id, event.name, event.arguments)


def says_something(event: ev.Event) -> bool:
    """The client has said or set something: a response asked for from now on has something to answer."""
    match event:
        case ev.AssistantMessage() | ev.ToolCall() | ev.ToolResult():
            return not event.response_id
        case _:
            return isinstance(event, ev.UserMessage | ev.OperatorMessage | ev.ItemDeleted | ev.SessionUpdated)


def is_servers(event: ev.AssistantMessage | ev.ToolCall | ev.ToolApprovalRequested) -> bool:
    return not isinstance(event, ev.AssistantMessage) and getattr(event, "location", "server") == "server"
