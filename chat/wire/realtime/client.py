"""Every frame that a client may send in the Realtime dialect, and the one way in: `decode`.

Shapes of the Realtime API (GA), text alone. Fields of the vendor's that have no meaning for text are taken and ignored
(they stand under a comment that says so); in settings any other unknown field is an error, so that a slip of the pen
does not go unnoticed.

What the vendor's clients send is taken; what this server cannot do is refused with a code and a sentence. Whatever the
frame, `decode` gives an event or raises a `FrameError` that names the client's ``event_id`` wherever it can be read.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from chat.conf import conf
from chat.errors import FrameError, FrameTooLarge, TooManyFiles
from chat.llm.provider import JSON
from chat.llm.schemas import UnusableSchemaError, repaired
from chat.wire.codes import FrameCode
from chat.wire.dialect import too_long
from chat.wire.realtime.checks import (
    MAX_EVENT_ID_CHARS,
    MAX_TOOLS,
    check_nul,
    deeper_than,
    event_id_of,
    invalid,
    parse_object,
)
from chat.wire.realtime.objects import TurnPolicy
from identity.tokens import MAX_TOKEN_CHARS
from sessions_app.conf import conf as sessions_conf
from sessions_app.log.events import ROOT

MAX_ITEM_ID_CHARS = 128
MAX_INPUT_ITEMS = 128
MAX_OUTPUT_TOKENS = 1_000_000

EventId = Annotated[str, Meta(min_length=1, max_length=MAX_EVENT_ID_CHARS)]
ItemId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~:-]{1,128}\Z")]
"""Letters, digits and ``. _ ~ : -``."""
ModelName = Annotated[str, Meta(max_length=256)]
ToolName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
TokenLimit = Annotated[int, Meta(ge=1, le=MAX_OUTPUT_TOKENS)] | Literal["inf"]
MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=16)]


class ClientObject(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


# Items


class InputText(ClientObject, frozen=True, kw_only=True, tag="input_text"):
    text: str


class OutputText(ClientObject, frozen=True, kw_only=True, tag="output_text"):
    text: str


class OutputAudio(ClientObject, frozen=True, kw_only=True, tag="output_audio"):
    """What a model spoke elsewhere: its words count."""

    transcript: str

    @property
    def text(self) -> str:
        return self.transcript


class InputFileBase(ClientObject, frozen=True, kw_only=True):
    """One that was sent before (`POST /api/files`), or, as a data URL, right here."""

    file_id: Annotated[str, Meta(pattern=r"^file_[0-9a-f]{24}\Z")] | None = None

    @property
    def text(self) -> str:
        return ""

    @property
    def given(self) -> tuple[str, str]:
        """The data URL and the name of what is sent right here."""
        return "", ""


class InputImage(InputFileBase, frozen=True, kw_only=True, tag="input_image"):
    image_url: str | None = None
    # Taken and ignored: a hint to the vendor's own models.
    detail: Any = None

    @property
    def given(self) -> tuple[str, str]:
        return self.image_url or "", ""


class InputFile(InputFileBase, frozen=True, kw_only=True, tag="input_file"):
    filename: Annotated[str, Meta(max_length=255)] | None = None
    file_data: str | None = None

    @property
    def given(self) -> tuple[str, str]:
        return self.file_data or "", self.filename or ""


class Message(ClientObject, frozen=True, kw_only=True, tag="message"):
    id: ItemId | None = None
    role: Literal["user", "assistant", "system"]
    content: Annotated[
        list[InputText | OutputText | OutputAudio | InputImage | InputFile], Meta(min_length=1)
    ]

    @property
    def text(self) -> str:
        """The parts of a message are paragraphs of one text."""
        return "\n\n".join(part.text for part in self.content if not isinstance(part, InputFileBase))

    @property
    def files(self) -> list[InputImage | InputFile]:
        return [part for part in self.content if isinstance(part, InputImage | InputFile)]


class FunctionCall(ClientObject, frozen=True, kw_only=True, tag="function_call"):
    id: ItemId | None = None
    call_id: ItemId
    name: ToolName
    arguments: str


class NewFunctionCallOutput(ClientObject, frozen=True, kw_only=True, tag="function_call_output"):
    id: ItemId | None = None
    call_id: ItemId
    output: str


class NewApprovalResponse(ClientObject, frozen=True, kw_only=True, tag="mcp_approval_response"):
    id: ItemId | None = None
    approval_request_id: ItemId
    approve: bool
    reason: str | None = None


NewItem = Message | FunctionCall | NewFunctionCallOutput | NewApprovalResponse
"""What ``conversation.item.create`` may create."""


class ItemReference(ClientObject, frozen=True, kw_only=True, tag="item_reference"):
    id: ItemId


InputItem = Message | FunctionCall | NewFunctionCallOutput | ItemReference
"""What the ``input`` of ``response.create`` may hold."""


# Settings


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: Literal["function"] | None = None
    name: ToolName
    description: str | None = None
    parameters: JSON | None = None


class FunctionChoice(ClientObject, frozen=True, kw_only=True, tag="function"):
    name: ToolName


ToolChoice = Literal["auto", "none", "required"] | FunctionChoice


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a session and a single response may both set. None: not given (null means the same)."""

    instructions: str | None = None
    tools: Annotated[list[FunctionTool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    max_output_tokens: TokenLimit | None = None
    output_modalities: Annotated[list[Literal["text", "audio"]], Meta(min_length=1, max_length=2)] | None = (
        None
    )
    # Taken and ignored: they concern audio, or are hints to the vendor's own models.
    audio: Any = None
    parallel_tool_calls: Any = None
    reasoning: Any = None
    # Refused: ignoring it would drop instructions without a word.
    prompt: Any = None

    @property
    def wants_audio(self) -> bool:
        return bool(self.audio) or "audio" in (self.output_modalities or ())

    def changes(self) -> JSON:
        """The given settings alone, as JSON, under the names by which the log keeps them."""
        given = {
            "instructions": self.instructions,
            "tools": None if self.tools is None else [_tool(tool) for tool in self.tools],
            "tool_choice": msgspec.to_builtins(self.tool_choice),
            "max_output_tokens": self.max_output_tokens,
        }
        return {name: value for name, value in given.items() if value is not None}


class SessionSettings(Settings, frozen=True, kw_only=True):
    type: Literal["realtime"]
    model: ModelName | None = None
    x_turn_policy: TurnPolicy | None = None
    x_token: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN_CHARS)] | None = None
    """A fresh key or token for this connection; it is no setting, and goes into no log."""
    # Taken and ignored: they concern audio, or the vendor's own house.
    include: Any = None
    tracing: Any = None
    truncation: Any = None

    def changes(self) -> JSON:
        given = {"model": self.model, "turn_policy": self.x_turn_policy}
        return {**super().changes(), **{name: value for name, value in given.items() if value}}


class ResponseSettings(Settings, frozen=True, kw_only=True):
    conversation: Literal["auto", "none"] | None = None
    metadata: Metadata | None = None
    input: Annotated[list[InputItem], Meta(max_length=MAX_INPUT_ITEMS)] | None = None
    x_turn_policy: TurnPolicy | None = None
    x_retry_of: ItemId | None = None
    """The last response: this one takes its place, or, where that one completed, is another version of it."""

    def changes(self) -> JSON:
        given = {
            "metadata": self.metadata,
            "conversation": "none" if self.conversation == "none" else None,
            "input": msgspec.to_builtins(self.input),
        }
        return {**super().changes(), **{name: value for name, value in given.items() if value is not None}}


def _tool(tool: FunctionTool) -> JSON:
    parameters = {"parameters": tool.parameters} if tool.parameters else {}
    return {"type": "function", "name": tool.name, "description": tool.description or "", **parameters}


MAX_SCHEMA_DEPTH = 32
MAX_SCHEMA_BYTES = 32 * 1024


# Events


class ClientEventBase(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True
):
    event_id: EventId | None = None
    """The client's own name for the event, by which an error refers to it; the same one again is not run twice."""


class SessionUpdate(ClientEventBase, frozen=True, kw_only=True, tag="session.update"):
    session: SessionSettings


class ItemCreate(ClientEventBase, frozen=True, kw_only=True, tag="conversation.item.create"):
    item: NewItem
    previous_item_id: ItemId | None = None
    """``root`` is the beginning of the conversation."""
    x_replaces: ItemId | None = None
    """The user's message in whose place this one stands: that one, and all after it, is set aside."""


class ItemRetrieve(ClientEventBase, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    item_id: ItemId


class ItemDelete(ClientEventBase, frozen=True, kw_only=True, tag="conversation.item.delete"):
    item_id: ItemId


class ResponseCreate(ClientEventBase, frozen=True, kw_only=True, tag="response.create"):
    response: ResponseSettings | None = None


class ResponseCancel(ClientEventBase, frozen=True, kw_only=True, tag="response.cancel"):
    response_id: ItemId | None = None


class VersionChoose(ClientEventBase, frozen=True, kw_only=True, tag="x_version.choose"):
    """Ours: go on from another version of a message or of an answer."""

    item_id: ItemId
    """Any item that only that version has."""


class FeedbackGive(ClientEventBase, frozen=True, kw_only=True, tag="x_feedback.give"):
    """Ours: what the user thinks of an answer."""

    item_id: ItemId
    rating: Literal["up", "down", "none"]
    reason: Annotated[str, Meta(max_length=64)] | None = None
    comment: str | None = None


class HistoryGet(ClientEventBase, frozen=True, kw_only=True, tag="x_history.get"):
    """Ours: what was said before a place."""

    until: Annotated[str, Meta(max_length=256)]
    """The ``event_id`` of that place."""


class Ping(ClientEventBase, frozen=True, kw_only=True, tag="x_ping"):
    """Ours: a browser's page cannot send a ping of the WebSocket's own."""


ClientEvent = (
    SessionUpdate
    | ItemCreate
    | ItemRetrieve
    | ItemDelete
    | ResponseCreate
    | ResponseCancel
    | VersionChoose
    | FeedbackGive
    | HistoryGet
    | Ping
)
CLIENT_EVENT_TYPES: dict[str, type[ClientEvent]] = {
    str(cls.__struct_config__.tag): cls for cls in get_args(ClientEvent)
}

AUDIO_EVENT_TYPES = frozenset(
    {
        "conversation.item.truncate",
        "input_audio_buffer.append",
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "output_audio_buffer.clear",
    }
)
"""The vendor's events that concern audio."""


def decode(frame: str) -> ClientEvent:
    """Raises `FrameError`, and nothing else."""
    if len(frame) > conf().max_frame_bytes:
        raise FrameTooLarge(f"The frame is larger than {conf().max_frame_bytes} bytes. Send less at once.")
    value = parse_object(frame)
    try:
        check_nul(frame, value)
        event = _convert(value)
        _check(event)
    except FrameError as error:
        error.event_id = event_id_of(value)
        raise
    return event


def _convert(value: dict[str, Any]) -> ClientEvent:
    cls = _class_of(value.get("type"))
    try:
        return msgspec.convert(value, cls)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error


def _check(event: ClientEvent) -> None:
    match event:
        case ItemCreate():
            check_new_item(event.item, "item")
            check_place(event)
        case SessionUpdate():
            check_settings(event.session, "session")
        case ResponseCreate(response=ResponseSettings() as settings):
            check_settings(settings, "response")
            check_modalities(settings, "response")
            for index, item in enumerate(settings.input or ()):
                if isinstance(item, Message) and item.files:
                    raise _no_files(item, f"response.input[{index}]")
                check_item(item, f"response.input[{index}]")


def _class_of(event_type: object) -> type[ClientEvent]:
    if not isinstance(event_type, str):
        raise _type_error(
            FrameCode.MISSING_TYPE, 'The event has no "type". Give it one, such as "response.create".'
        )
    if event_type in AUDIO_EVENT_TYPES:
        raise _type_error(FrameCode.UNSUPPORTED_EVENT, f"{event_type}: audio is not supported; send text.")
    cls = CLIENT_EVENT_TYPES.get(event_type)
    if cls is None:
        known = ", ".join(CLIENT_EVENT_TYPES)
        raise _type_error(
            FrameCode.UNKNOWN_EVENT_TYPE, f"Unknown event type {event_type[:64]!r}. Known are: {known}."
        )
    return cls


def _type_error(code: FrameCode, message: str) -> FrameError:
    return FrameError(message, code=code, param="type")


# What the types cannot state. Every check raises a `FrameError`.


def check_new_item(item: NewItem, param: str) -> None:
    """As `check_item`; and only what a model said is made of its output."""
    if isinstance(item, Message) and item.role != "assistant":
        for index, part in enumerate(item.content):
            if not isinstance(part, InputText) and (
                item.role == "system" or not isinstance(part, InputFileBase)
            ):
                raise FrameError(
                    f'{param}.content[{index}].type: a message of role "{item.role}" has parts of type "input_text".',
                    code=FrameCode.UNSUPPORTED_CONTENT,
                    param=f"{param}.content[{index}].type",
                )
    if isinstance(item, Message) and item.role == "assistant" and item.files:
        raise _no_files(item, param)
    if isinstance(item, Message):
        check_files(item, param)
    check_item(item, param)


def _no_files(item: Message, param: str) -> FrameError:
    index = next(number for number, part in enumerate(item.content) if isinstance(part, InputFileBase))
    return FrameError(
        f"{param}.content[{index}].type: pictures and files are taken in messages of the user's in the conversation alone.",
        code=FrameCode.UNSUPPORTED_CONTENT,
        param=f"{param}.content[{index}].type",
    )


def check_files(message: Message, param: str) -> None:
    """Each is named by an id, or comes as a data URL."""
    for index, part in enumerate(message.content):
        if not isinstance(part, InputFileBase):
            continue
        where, (url, _) = f"{param}.content[{index}]", part.given
        if bool(part.file_id) == bool(url):
            raise FrameError(
                f'{where}: name a file that was sent to /api/files by its "file_id", or give a data URL.',
                param=where,
            )
        if url and not url.startswith("data:"):
            raise FrameError(
                f"{where}: this server fetches nothing from other addresses. Send the file to /api/files, or as a data URL.",
                code=FrameCode.UNSUPPORTED_CONTENT,
                param=where,
            )
    most = sessions_conf().max_files_per_message
    if len(message.files) > most:
        raise TooManyFiles(
            f"{param}.content: {len(message.files)} pictures and files; at most {most} are taken in one message.",
            param=f"{param}.content",
        )


def check_place(event: ItemCreate) -> None:
    if event.x_replaces is None:
        return
    if not isinstance(event.item, Message) or event.item.role != "user":
        raise FrameError(
            'x_replaces: only a message of role "user" takes another\'s place.', param="x_replaces"
        )
    if event.previous_item_id is not None:
        raise FrameError(
            "previous_item_id: the message stands where the one stood that it replaces. Leave it out.",
            param="previous_item_id",
        )


def check_item(item: NewItem | InputItem, param: str) -> None:
    if item.id == ROOT and not isinstance(item, ItemReference):
        raise FrameError(f'{param}.id: "root" is no id for an item. Choose another.', param=f"{param}.id")
    match item:
        case Message():
            if not item.text.strip() and not item.files:
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
    check_tools(settings.tools or (), f"{param}.tools")


def check_tools(tools: Sequence[FunctionTool], param: str) -> None:
    names: set[str] = set()
    for index, tool in enumerate(tools):
        where = f"{param}[{index}]"
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
