"""An item of the log as the Responses API shows it."""

import msgspec
from msgspec import UNSET

from chat.wire.responses.objects import (
    Content,
    FunctionCall,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputText,
    Item,
    ItemStatus,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    Message,
    OutputText,
    ToolFailure,
)
from sessions_app.log import events as ev

SERVER_LABEL = "server"
"""Of this server's own tools; those of an MCP server have its name."""


def text_item(item_id: str, text: str | None, *, status: ItemStatus, person: str = "") -> Message:
    """``text`` None: the item is only just open."""
    content: list[Content] = [] if text is None else [OutputText(text=text)]
    return Message(id=item_id, role="assistant", status=status, content=content, x_person=person or UNSET)


def function_call(event: ev.ToolCall) -> FunctionCall:
    return FunctionCall(id=event.item_id, call_id=event.call_id, name=event.name, arguments=event.arguments)


def server_call(event: ev.ToolCall) -> McpCall:
    return McpCall(
        id=event.item_id,
        server_label=event.server_label or SERVER_LABEL,
        name=event.name,
        arguments=event.arguments,
        status="in_progress",
        approval_request_id=event.approval_id,
    )


def with_result(call: McpCall, result: ev.ToolResult) -> McpCall:
    if result.outcome == ev.Outcome.OK:
        return msgspec.structs.replace(call, status="completed", output=result.output)
    failure = ToolFailure(content=[{"type": "text", "text": result.output}])
    return msgspec.structs.replace(call, status="failed", error=failure)


def approval_request(event: ev.ToolApprovalRequested) -> McpApprovalRequest:
    return McpApprovalRequest(
        id=event.item_id,
        server_label=event.server_label or SERVER_LABEL,
        name=event.name,
        arguments=event.arguments,
        x_asks=event.asks or UNSET,
        x_approvals=event.approvals if event.approvals > 1 else UNSET,
    )


def item_of(event: ev.Event, result: ev.Event | None = None) -> Item | None:
    """None where it made none that this API knows. ``result``: of a server's call, as far as there is one."""
    match event:
        case ev.UserMessage():
            return Message(id=event.item_id, role="user", content=[*_texts(event), *map(_file, event.files)])
        case ev.OperatorMessage():
            return Message(id=event.item_id, role="system", content=[InputText(text=event.text)])
        case ev.AssistantMessage():
            status: ItemStatus = "completed" if event.status == ev.TextStatus.COMPLETED else "incomplete"
            return text_item(event.item_id, event.text, status=status, person=event.shown_as)
        case ev.ToolCall(location=ev.Location.SERVER):
            call = server_call(event)
            return with_result(call, result) if isinstance(result, ev.ToolResult) else call
        case ev.ToolCall():
            return function_call(event)
        case ev.ToolApprovalRequested():
            return approval_request(event)
        case _:
            return _answer(event)


def _texts(event: ev.UserMessage) -> list[InputText]:
    """None where it has files alone."""
    return [InputText(text=event.text)] if event.text or not event.files else []


def _file(file: ev.FileRef) -> InputImage | InputFile:
    if file.media_type.startswith("image/"):
        return InputImage(file_id=file.id)
    return InputFile(file_id=file.id, filename=file.name)


def _answer(event: ev.Event) -> Item | None:
    match event:
        case ev.ToolResult():
            return FunctionCallOutput(id=event.item_id, call_id=event.call_id, output=event.output)
        case ev.ToolApproval():
            return McpApprovalResponse(
                id=event.item_id,
                approval_request_id=event.approval_id,
                approve=event.approve,
                reason=event.reason or None,
            )
        case _:
            return None
