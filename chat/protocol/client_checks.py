"""The bounds of a client's event that its types cannot state. Every check raises a `FrameError`."""

import msgspec

from chat.conf import conf
from chat.errors import FrameError
from chat.protocol.client_objects import (
    FunctionCall,
    FunctionTool,
    InputItem,
    InputText,
    ItemReference,
    Message,
    NewApprovalResponse,
    NewFunctionCallOutput,
    NewItem,
    ResponseSettings,
    Settings,
)
from chat.protocol.error_codes import FrameCode
from chat.protocol.frame_errors import deeper_than
from chat.protocol.plain import too_long
from chat.tool_schemas import UnusableSchemaError, repaired
from sessions_app.events import ROOT

MAX_SCHEMA_DEPTH = 32
MAX_SCHEMA_BYTES = 32 * 1024


def check_new_item(item: NewItem, param: str) -> None:
    """As `check_item`; and only what a model said is made of its output."""
    if isinstance(item, Message) and item.role != "assistant":
        for index, part in enumerate(item.content):
            if not isinstance(part, InputText):
                raise FrameError(
                    f'{param}.content[{index}].type: a message of role "{item.role}" has parts of type "input_text".',
                    code=FrameCode.UNSUPPORTED_CONTENT,
                    param=f"{param}.content[{index}].type",
                )
    check_item(item, param)


def check_item(item: NewItem | InputItem, param: str) -> None:
    if item.id == ROOT and not isinstance(item, ItemReference):
        raise FrameError(f'{param}.id: "root" is no id for an item. Choose another.', param=f"{param}.id")
    match item:
        case Message():
            if not item.text.strip():
                raise FrameError(
                    "The message is empty. Send some text.",
                    code=FrameCode.EMPTY_MESSAGE,
                    param=f"{param}.content",
                )
            _check_length(item.text, f"{param}.content")
        case NewFunctionCallOutput():
            _check_length(item.output, f"{param}.output")
        case FunctionCall():
            _check_length(item.arguments, f"{param}.arguments")
        case NewApprovalResponse():
            _check_length(item.reason or "", f"{param}.reason")


def check_modalities(settings: ResponseSettings, param: str) -> None:
    """A session that asks for audio gets text, and is told so; a response that can only be heard makes no sense."""
    if settings.output_modalities is not None and "text" not in settings.output_modalities:
        raise FrameError(
            f'{param}.output_modalities: this server answers in text. Use ["text"], or leave it out.',
            code=FrameCode.UNSUPPORTED_MODALITY,
            param=f"{param}.output_modalities[0]",
        )


def check_settings(settings: Settings, param: str) -> None:
    if settings.prompt is not None:
        raise FrameError(
            f"{param}.prompt: stored prompts are not supported. Put their text into instructions.",
            code=FrameCode.UNSUPPORTED_PARAMETER,
            param=f"{param}.prompt",
        )
    _check_length(settings.instructions or "", f"{param}.instructions")
    names: set[str] = set()
    for index, tool in enumerate(settings.tools or ()):
        where = f"{param}.tools[{index}]"
        if tool.name in names:
            raise FrameError(
                f"{where}.name: there are two tools {tool.name!r}. Rename one.", param=f"{where}.name"
            )
        names.add(tool.name)
        _check_tool(tool, where)


def _check_tool(tool: FunctionTool, param: str) -> None:
    _check_length(tool.description or "", f"{param}.description")
    schema, where = tool.parameters, f"{param}.parameters"
    if not schema:
        return
    if schema.get("type", "object") != "object":
        raise FrameError(f'{where}: a tool\'s parameters are a JSON Schema of type "object".', param=where)
    if deeper_than(schema, MAX_SCHEMA_DEPTH):
        raise FrameError(
            f"{where}: nested more than {MAX_SCHEMA_DEPTH} levels deep. Make it flatter.", param=where
        )
    size = len(msgspec.json.encode(schema))
    if size > MAX_SCHEMA_BYTES:
        raise FrameError(f"{where}: {size} bytes; at most {MAX_SCHEMA_BYTES}. Make it smaller.", param=where)
    try:
        repaired(schema)
    except UnusableSchemaError as error:
        raise FrameError(f"{where}: {error}. Change it and send the event again.", param=where) from error


def _check_length(text: str, param: str) -> None:
    if len(text) > conf().max_message_chars:
        raise too_long(len(text), param=param)
