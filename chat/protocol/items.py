"""The items of a conversation as the wire shows them, and how each comes out of the log.

Names and shapes are those of the Realtime API (GA); fields that begin with ``x_`` are ours.
"""

from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from sessions_app import events as ev

SERVER_LABEL = "server"
"""Of this server's own tools; those of an MCP server have its name."""

ItemStatus = Literal["completed", "incomplete", "in_progress"]


class WireObject(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A field that is UNSET stays out of the frame; None goes out as null."""


class InputText(WireObject, tag_field="type", tag="input_text", kw_only=True):
    text: str


class OutputText(WireObject, tag_field="type", tag="output_text", kw_only=True):
    text: str


class MessageItem(WireObject, tag_field="type", tag="message", kw_only=True):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus = "completed"
    role: Literal["user", "assistant", "system"]
    content: list[InputText | OutputText]
    x_created_at: str | UnsetType = UNSET
    x_author: str | UnsetType = UNSET
    x_client_event_id: str | UnsetType = UNSET


class FunctionCallItem(WireObject, tag_field="type", tag="function_call", kw_only=True):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus = "completed"
    call_id: str
    name: str
    arguments: str
    x_created_at: str | UnsetType = UNSET
    x_client_event_id: str | UnsetType = UNSET


class FunctionCallOutputItem(WireObject, tag_field="type", tag="function_call_output", kw_only=True):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus = "completed"
    call_id: str
    output: str
    x_created_at: str | UnsetType = UNSET
    x_client_event_id: str | UnsetType = UNSET


class ToolExecutionError(WireObject, kw_only=True):
    type: Literal["tool_execution_error"] = "tool_execution_error"
    message: str


class McpCallItem(WireObject, tag_field="type", tag="mcp_call", kw_only=True):
    """A tool that the server runs. ``output`` or ``error`` is there once it has run."""

    id: str
    server_label: str = SERVER_LABEL
    name: str
    arguments: str
    approval_request_id: str | None = None
    output: str | None = None
    error: ToolExecutionError | None = None
    x_created_at: str | UnsetType = UNSET
    x_outcome: str | UnsetType = UNSET
    x_duration_ms: float | UnsetType = UNSET


class McpApprovalRequestItem(WireObject, tag_field="type", tag="mcp_approval_request", kw_only=True):
    """``id`` is what the answer names as its ``approval_request_id``."""

    id: str
    server_label: str = SERVER_LABEL
    name: str
    arguments: str
    x_created_at: str | UnsetType = UNSET


class McpApprovalResponseItem(WireObject, tag_field="type", tag="mcp_approval_response", kw_only=True):
    id: str
    approval_request_id: str
    approve: bool
    reason: str | None = None
    x_created_at: str | UnsetType = UNSET
    x_author: str | UnsetType = UNSET


Item = (
    MessageItem
    | FunctionCallItem
    | FunctionCallOutputItem
    | McpCallItem
    | McpApprovalRequestItem
    | McpApprovalResponseItem
)


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def user_item(event: ev.UserMessage, at: datetime) -> MessageItem:
    return MessageItem(
        id=event.item_id,
        role="user",
        content=[InputText(text=event.text)],
        x_created_at=timestamp(at),
        x_client_event_id=event.client_event_id or UNSET,
    )


def operator_item(event: ev.OperatorMessage, at: datetime) -> MessageItem:
    return MessageItem(
        id=event.item_id,
        role="system",
        content=[InputText(text=event.text)],
        x_created_at=timestamp(at),
        x_author=event.author,
    )


def assistant_item(
    item_id: str, text: str | None, *, status: ItemStatus, at: datetime | None = None
) -> MessageItem:
    """``text`` None: the item is only just open."""
    return MessageItem(
        id=item_id,
        status=status,
        role="assistant",
        content=[] if text is None else [OutputText(text=text)],
        x_created_at=timestamp(at) if at else UNSET,
    )


def function_call_item(
    event: ev.ToolCall, at: datetime, *, status: ItemStatus = "completed"
) -> FunctionCallItem:
    return FunctionCallItem(
        id=event.item_id,
        status=status,
        call_id=event.call_id,
        name=event.name,
        arguments="" if status == "in_progress" else event.arguments,
        x_created_at=timestamp(at),
        x_client_event_id=event.client_event_id or UNSET,
    )


def function_output_item(event: ev.ToolResult, at: datetime) -> FunctionCallOutputItem:
    return FunctionCallOutputItem(
        id=event.item_id,
        call_id=event.call_id,
        output=event.output,
        x_created_at=timestamp(at),
        x_client_event_id=event.client_event_id or UNSET,
    )


def mcp_call_item(event: ev.ToolCall, at: datetime) -> McpCallItem:
    return McpCallItem(
        id=event.item_id,
        server_label=event.server_label or SERVER_LABEL,
        name=event.name,
        arguments=event.arguments,
        approval_request_id=event.approval_id,
        x_created_at=timestamp(at),
    )


def with_result(item: McpCallItem, result: ev.ToolResult) -> McpCallItem:
    ok = result.outcome == "ok"
    return msgspec.structs.replace(
        item,
        output=result.output if ok else None,
        error=None if ok else ToolExecutionError(message=result.output),
        x_outcome=result.outcome,
        x_duration_ms=result.duration_ms,
    )


def approval_request_item(event: ev.ToolApprovalRequested, at: datetime) -> McpApprovalRequestItem:
    return McpApprovalRequestItem(
        id=event.item_id,
        server_label=event.server_label or SERVER_LABEL,
        name=event.name,
        arguments=event.arguments,
        x_created_at=timestamp(at),
    )


def approval_response_item(event: ev.ToolApproval, at: datetime) -> McpApprovalResponseItem:
    return McpApprovalResponseItem(
        id=event.item_id,
        approval_request_id=event.approval_id,
        approve=event.approve,
        reason=event.reason or None,
        x_created_at=timestamp(at),
        x_author=event.by,
    )


def item_of(record: ev.Record, result: ev.Record | None = None) -> Item | None:
    """The item that a record made, whole, as ``conversation.item.retrieved`` shows it; None when it made none.

    ``result`` is the record of a server call's `ToolResult`, as far as there is one.
    """
    event, at = record.event, record.at
    match event:
        case ev.UserMessage():
            return user_item(event, at)
        case ev.OperatorMessage():
            return operator_item(event, at)
        case ev.AssistantMessage():
            item = assistant_item(event.item_id, event.text, status=final_status(event.status))
            return item if event.response_id else _given(item, event, at)
        case ev.ToolCall(location="client" | "history"):
            return function_call_item(event, at)
        case ev.ToolCall():
            call = mcp_call_item(event, at)
            done = result.event if result else None
            return with_result(call, done) if isinstance(done, ev.ToolResult) else call
        case ev.ToolResult():
            return function_output_item(event, at)
        case ev.ToolApprovalRequested():
            return approval_request_item(event, at)
        case ev.ToolApproval():
            return approval_response_item(event, at)
        case _:
            return None


def _given(item: MessageItem, event: ev.AssistantMessage, at: datetime) -> MessageItem:
    """One that the client has put there. (A response's began before its final text, so ``at`` is not its time.)"""
    said = event.client_event_id or UNSET
    return msgspec.structs.replace(item, x_created_at=timestamp(at), x_client_event_id=said)


def final_status(status: str) -> ItemStatus:
    return "completed" if status == "completed" else "incomplete"
