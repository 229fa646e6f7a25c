"""What a client puts into its events: items, tools, settings. Shapes of the Realtime API (GA), text alone.

Fields of the vendor's that have no meaning for text are taken and ignored (they stand under a comment that says so);
in settings any other unknown field is an error, so that a slip of the pen does not go unnoticed.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chat.llm.provider import JSON
from chat.wire.realtime.objects import TurnPolicy

MAX_EVENT_ID_CHARS = 64
MAX_ITEM_ID_CHARS = 128
MAX_TOOLS = 128
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


class Message(ClientObject, frozen=True, kw_only=True, tag="message"):
    id: ItemId | None = None
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[InputText | OutputText | OutputAudio], Meta(min_length=1)]

    @property
    def text(self) -> str:
        """The parts of a message are paragraphs of one text."""
        return "\n\n".join(part.text for part in self.content)


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
    """The last response, when it did not complete: this one takes its place."""

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
