"""What OpenAI's Responses API gives: items, the response, the events of its stream, lists. A closed set.

Each validates against the vendor's own types; fields that begin with ``x_`` are ours, and there is no event of ours, since
npm's helper ends at one that it does not know.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from chat.llm.provider import JSON

DIALECT = "responses"
"""What the log calls those who come by it."""

ItemStatus = Literal["in_progress", "completed", "incomplete"]
CallStatus = Literal["in_progress", "calling", "completed", "incomplete", "failed"]
VendorReason = Literal["max_output_tokens", "content_filter", "steered"]
Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class WireObject(msgspec.Struct, kw_only=True):
    """A field that is UNSET stays out; None goes out as null."""


# Items


class InputText(WireObject, tag_field="type", tag="input_text", kw_only=True):
    text: str


class InputImage(WireObject, tag_field="type", tag="input_image", kw_only=True):
    """Its bytes are at ``/api/files/FILE_ID``."""

    file_id: str
    detail: Literal["auto"] = "auto"


class InputFile(WireObject, tag_field="type", tag="input_file", kw_only=True):
    """As `InputImage`."""

    file_id: str
    filename: str


class OutputText(WireObject, tag_field="type", tag="output_text", kw_only=True):
    text: str
    annotations: list[Any] = []
    logprobs: list[Any] = []


Content = InputText | InputImage | InputFile | OutputText


class Message(WireObject, tag_field="type", tag="message", kw_only=True):
    id: str
    role: Literal["user", "assistant", "system"]
    status: ItemStatus = "completed"
    content: list[Content]
    x_person: str | UnsetType = UNSET
    """A person said it, who is shown by this name."""


class FunctionCall(WireObject, tag_field="type", tag="function_call", kw_only=True):
    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus = "completed"


class FunctionCallOutput(WireObject, tag_field="type", tag="function_call_output", kw_only=True):
    id: str
    call_id: str
    output: str
    status: ItemStatus = "completed"


class ToolFailure(WireObject, kw_only=True):
    """The vendor's ``content`` of a tool that ran and failed is a list of MCP's blocks."""

    type: Literal["mcp_tool_execution_error"] = "mcp_tool_execution_error"
    content: list[JSON]


class McpCall(WireObject, tag_field="type", tag="mcp_call", kw_only=True):
    """A tool that the server runs."""

    id: str
    server_label: str
    name: str
    arguments: str
    status: CallStatus
    approval_request_id: str | None = None
    output: str | None = None
    error: ToolFailure | None = None


class McpApprovalRequest(WireObject, tag_field="type", tag="mcp_approval_request", kw_only=True):
    id: str
    server_label: str
    name: str
    arguments: str
    x_asks: str | UnsetType = UNSET
    """What is asked, as a sentence for a person."""
    x_approvals: int | UnsetType = UNSET
    """How many different persons have to say yes, where that is more than one."""


class McpApprovalResponse(WireObject, tag_field="type", tag="mcp_approval_response", kw_only=True):
    id: str
    approval_request_id: str
    approve: bool
    reason: str | None = None


OutputItem = Message | FunctionCall | McpCall | McpApprovalRequest
Item = OutputItem | FunctionCallOutput | McpApprovalResponse


# The response


class InputDetails(WireObject, kw_only=True):
    cached_tokens: int
    cache_write_tokens: int = 0


class OutputDetails(WireObject, kw_only=True):
    reasoning_tokens: int


class Usage(WireObject, kw_only=True):
    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseError(WireObject, kw_only=True):
    """``code`` is one of the vendor's few words; ours stands in ``x_reason`` of the response."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str
    type: str = "server_error"
    param: str | None = None


class Incomplete(WireObject, kw_only=True):
    reason: VendorReason | None = None


class ConversationRef(WireObject, kw_only=True):
    id: str


class Response(WireObject, kw_only=True):
    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Status
    background: bool = False
    error: ResponseError | None = None
    incomplete_details: Incomplete | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    metadata: JSON = {}
    model: str
    output: list[OutputItem] = []
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    conversation: ConversationRef | None = None
    store: bool = True
    temperature: float | None = None
    text: JSON = msgspec.field(default_factory=lambda: {"format": {"type": "text"}})
    tool_choice: Any = "auto"
    tools: list[JSON] = []
    top_p: float | None = None
    truncation: Literal["disabled"] = "disabled"
    usage: Usage | None = None
    x_reason: str | UnsetType = UNSET
    """Why it is not completed, in our own word."""
    x_message: str | UnsetType = UNSET
    """And in a sentence for a person."""
    x_retryable: bool | UnsetType = UNSET
    x_cost_usd: float | UnsetType = UNSET


# Events


class StreamEvent(WireObject, tag_field="type", kw_only=True):
    sequence_number: int = 0


class ResponseEvent(StreamEvent, kw_only=True):
    response: Response


class Created(ResponseEvent, tag="response.created", kw_only=True): ...


class Queued(ResponseEvent, tag="response.queued", kw_only=True): ...


class InProgress(ResponseEvent, tag="response.in_progress", kw_only=True): ...


class Completed(ResponseEvent, tag="response.completed", kw_only=True): ...


class EndedIncomplete(ResponseEvent, tag="response.incomplete", kw_only=True): ...


class Failed(ResponseEvent, tag="response.failed", kw_only=True): ...


class ItemEvent(StreamEvent, kw_only=True):
    output_index: int
    item: OutputItem


class ItemAdded(ItemEvent, tag="response.output_item.added", kw_only=True): ...


class ItemDone(ItemEvent, tag="response.output_item.done", kw_only=True): ...


class WithinItem(StreamEvent, kw_only=True):
    item_id: str
    output_index: int


class PartEvent(WithinItem, kw_only=True):
    content_index: int = 0
    part: OutputText


class PartAdded(PartEvent, tag="response.content_part.added", kw_only=True): ...


class PartDone(PartEvent, tag="response.content_part.done", kw_only=True): ...


class TextDelta(WithinItem, tag="response.output_text.delta", kw_only=True):
    content_index: int = 0
    delta: str
    logprobs: list[Any] = []


class TextDone(WithinItem, tag="response.output_text.done", kw_only=True):
    content_index: int = 0
    text: str
    logprobs: list[Any] = []


class FunctionArgumentsDelta(WithinItem, tag="response.function_call_arguments.delta", kw_only=True):
    delta: str


class FunctionArgumentsDone(WithinItem, tag="response.function_call_arguments.done", kw_only=True):
    name: str
    arguments: str


class McpArgumentsDelta(WithinItem, tag="response.mcp_call_arguments.delta", kw_only=True):
    delta: str


class McpArgumentsDone(WithinItem, tag="response.mcp_call_arguments.done", kw_only=True):
    arguments: str


class McpInProgress(WithinItem, tag="response.mcp_call.in_progress", kw_only=True): ...


class McpCompleted(WithinItem, tag="response.mcp_call.completed", kw_only=True): ...


class McpFailed(WithinItem, tag="response.mcp_call.failed", kw_only=True): ...


class ErrorEvent(StreamEvent, tag="error", kw_only=True):
    """Of what is no part of the log: the connection's own end."""

    code: str
    message: str
    param: str | None = None


# Lists and conversations


class ItemList(WireObject, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str
    last_id: str
    has_more: bool


class Conversation(WireObject, kw_only=True):
    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: JSON = {}


class Deleted(WireObject, kw_only=True):
    id: str
    object: Literal["response", "conversation.deleted"]
    deleted: Literal[True] = True


class Model(WireObject, kw_only=True):
    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class ModelList(WireObject, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Model]


_encoder = msgspec.json.Encoder()


def encode(value: WireObject) -> bytes:
    return _encoder.encode(value)


def name_of(event: StreamEvent) -> str:
    return str(event.__struct_config__.tag)
