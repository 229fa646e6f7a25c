"""The items of a request's ``input``: what of them is said now, what is decided, what is only repeated."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chat.conf import conf
from chat.errors import FrameError
from chat.llm.provider import JSON
from chat.session.commands import AddMessage, AddToolCall, AddToolOutput, DecideApproval
from chat.wire.codes import FrameCode
from chat.wire.dialect import too_long
from chat.wire.realtime.checks import invalid
from chat.wire.realtime.client import ItemId, ToolName
from chat.wire.responses.files import GivenFile, check_given

MAX_INPUT_ITEMS = 1000
_TEXTS = ("input_text", "output_text", "text")
_IGNORED = ("reasoning", "mcp_list_tools", "compaction")
"""Of models elsewhere, and of no use to ours."""

Command = AddMessage | AddToolCall | AddToolOutput


_FILES = ("input_image", "input_file")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    text: str = ""
    refusal: str = ""
    file_id: str | None = None
    filename: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    image_url: str | None = None


Content = str | Annotated[list[Part], Meta(min_length=1)]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    id: ItemId | None = None

    @property
    def files(self) -> list[GivenFile]:
        parts = [] if isinstance(self.content, str) else self.content
        return [_file_in(part) for part in parts if part.type in _FILES]


class FunctionCall(msgspec.Struct, frozen=True, kw_only=True):
    call_id: ItemId
    name: ToolName
    arguments: str
    id: ItemId | None = None


class FunctionCallOutput(msgspec.Struct, frozen=True, kw_only=True):
    call_id: ItemId
    output: Content
    id: ItemId | None = None


class McpCall(msgspec.Struct, frozen=True, kw_only=True):
    """One that a server ran, told by a client that sends its whole history."""

    id: ItemId
    name: ToolName
    arguments: str
    output: str | None = None
    error: Any = None


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Repeated before its answer; the session knows it."""

    id: ItemId


class ApprovalResponse(msgspec.Struct, frozen=True, kw_only=True):
    approval_request_id: ItemId
    approve: bool
    id: ItemId | None = None
    reason: str | None = None


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    id: ItemId


Item = Message | FunctionCall | FunctionCallOutput | McpCall | ApprovalRequest | ApprovalResponse | Reference
_KINDS: dict[str, type[Item]] = {
    "message": Message,
    "function_call": FunctionCall,
    "function_call_output": FunctionCallOutput,
    "mcp_call": McpCall,
    "mcp_approval_request": ApprovalRequest,
    "mcp_approval_response": ApprovalResponse,
    "item_reference": Reference,
}


def items_in(given: str | list[JSON] | None, param: str = "input") -> list[Item]:
    """Raises `FrameError`."""
    if given is None:
        return []
    if isinstance(given, str):
        return [_checked(Message(role="user", content=given), param)]
    if len(given) > MAX_INPUT_ITEMS:
        raise FrameError(f"{param}: at most {MAX_INPUT_ITEMS} items are taken at once.", param=param)
    items = (_item(one, f"{param}[{index}]") for index, one in enumerate(given))
    return [item for item in items if item is not None]


def _item(given: JSON, param: str) -> Item | None:
    kind = given.get("type") or ("message" if "role" in given else "item_reference")
    if kind in _IGNORED:
        return None
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise FrameError(
            f"{param}.type: items of type {str(kind)[:64]!r} are not offered here. Taken are: {', '.join(_KINDS)}.",
            code=FrameCode.UNSUPPORTED_ITEM,
            param=f"{param}.type",
        )
    try:
        return _checked(msgspec.convert(given, cls), param)
    except msgspec.ValidationError as error:
        raise invalid(str(error).replace("`$", f"`$.{param}", 1)) from error


def _checked(item: Item, param: str) -> Item:
    match item:
        case Message():
            _check_parts(item.content, f"{param}.content", files=item.role == "user")
            check_given(item.files, f"{param}.content")
            if not text_in(item.content).strip() and not item.files:
                raise FrameError(
                    "The message is empty. Send some text.",
                    code=FrameCode.EMPTY_MESSAGE,
                    param=f"{param}.content",
                )
            check_length(text_in(item.content), f"{param}.content")
        case FunctionCallOutput():
            _check_parts(item.output, f"{param}.output")
            check_length(text_in(item.output), f"{param}.output")
        case FunctionCall():
            check_length(item.arguments, f"{param}.arguments")
        case McpCall():
            check_length(item.output or "", f"{param}.output")
        case ApprovalResponse():
            check_length(item.reason or "", f"{param}.reason")
    return item


def _file_in(part: Part) -> GivenFile:
    """The vendor's data of a file may lack the head of a data URL."""
    url = part.image_url if part.type == "input_image" else part.file_url or part.file_data
    if (
        part.type == "input_file"
        and part.file_data
        and not part.file_url
        and not part.file_data.startswith("data:")
    ):
        url = f"data:;base64,{part.file_data}"
    return GivenFile(file_id=part.file_id or "", url=url or "", name=part.filename or "")


def _check_parts(content: Content, param: str, *, files: bool = False) -> None:
    for index, part in enumerate([] if isinstance(content, str) else content):
        if part.type not in (*_TEXTS, "refusal", *(_FILES if files else ())):
            taken = "text, input_image and input_file" if files else "text alone"
            raise FrameError(
                f"{param}[{index}].type: {taken} can stand here, and no {part.type[:64]!r}.",
                code=FrameCode.UNSUPPORTED_CONTENT,
                param=f"{param}[{index}].type",
            )


def text_in(content: Content) -> str:
    """The parts of a message are paragraphs of one text."""
    if isinstance(content, str):
        return content
    parts = [part for part in content if part.type not in _FILES]
    return "\n\n".join(part.refusal if part.type == "refusal" else part.text for part in parts)


def check_length(text: str, param: str) -> None:
    if len(text) > conf().max_message_chars:
        raise too_long(len(text), param=param)


def commands_of(items: list[Item]) -> tuple[list[Command], list[DecideApproval]]:
    """What is said, in its order, and what is decided. References have to be resolved before."""
    said: list[Command] = []
    decided: list[DecideApproval] = []
    for item in items:
        match item:
            case ApprovalResponse():
                decided.append(
                    DecideApproval(
                        approval_id=item.approval_request_id,
                        approve=item.approve,
                        reason=item.reason or "",
                        item_id=item.id,
                    )
                )
            case ApprovalRequest() | Reference():
                pass
            case _:
                said += _said(item)
    return said, decided


def _said(item: Message | FunctionCall | FunctionCallOutput | McpCall) -> list[Command]:
    match item:
        case Message():
            role = "system" if item.role == "developer" else item.role
            return [AddMessage(text=text_in(item.content), role=role, item_id=item.id)]
        case FunctionCall():
            return [
                AddToolCall(call_id=item.call_id, name=item.name, arguments=item.arguments, item_id=item.id)
            ]
        case FunctionCallOutput():
            return [AddToolOutput(call_id=item.call_id, output=text_in(item.output), item_id=item.id)]
        case McpCall():
            output = item.output if item.output is not None else "The tool failed."
            return [
                AddToolCall(call_id=item.id, name=item.name, arguments=item.arguments, item_id=item.id),
                AddToolOutput(call_id=item.id, output=output),
            ]
