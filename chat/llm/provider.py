"""The seam to the models: the model's history, its request, what it streams back, and one small base class.

Nothing here belongs to a vendor. What a vendor needs back unchanged (thought signatures, reasoning blocks) travels as
``extra``: a JSON object keyed by the provider's name, e.g. ``{"gemini": {"thought_signature": "<base64>"}}``. A provider
sends back what is under its own name and ignores the rest. The fake that ships is `chat.llm.demo.provider`.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Iterator
from enum import StrEnum
from itertools import groupby, pairwise
from typing import cast

import msgspec

from sessions_app.log.events import JSON, Part, Usage, model_spec

__all__ = [
    "JSON",
    "PDF",
    "TEXT",
    "AnsweredCall",
    "AssistantText",
    "Completed",
    "FileItem",
    "FinishReason",
    "HistoryItem",
    "ModelEvent",
    "ModelRequest",
    "OperatorText",
    "Part",
    "TextDelta",
    "ToolCallItem",
    "ToolCallRequest",
    "ToolResultItem",
    "ToolSpec",
    "Usage",
    "UserText",
    "in_rounds",
    "model_spec",
    "text_of",
]


PDF = "application/pdf"
TEXT = "text/plain"
"""What a `FileItem` is that is no picture."""


class FileItem(msgspec.Struct, frozen=True, kw_only=True):
    """A picture (PNG, JPEG, WebP, GIF), a PDF or a text that the user sent along. A provider is given pictures and PDFs alone, of
    kinds that its model reads; the others it finds in the text, in words."""

    id: str
    name: str
    media_type: str
    size: int
    """In bytes."""
    width: int = 0
    height: int = 0
    """Of a picture, in pixels."""
    pages: int = 0
    """Of a PDF, where they are known."""
    content: str | None = None
    """Its bytes in base64, of a text the text itself; None: nobody has read it, or it cannot be read."""
    left_out: bool = False
    """Nobody reads it, for newer ones take all the room."""

    @property
    def data_url(self) -> str:
        return f"data:{self.media_type};base64,{self.content}"


class UserText(msgspec.Struct, frozen=True):
    """What the user said, and sent along with it."""

    item_id: str
    text: str
    files: list[FileItem] = []


class OperatorText(msgspec.Struct, frozen=True):
    """A staff member's word; the model reads it as an instruction, not as the user's."""

    item_id: str
    text: str


class AssistantText(msgspec.Struct, frozen=True):
    """One text of the model. ``parts`` cuts it as the vendor gave it; empty when no part carries an ``extra``."""

    item_id: str
    text: str
    parts: list[Part] = []
    response_id: str = ""


class ToolCallItem(msgspec.Struct, frozen=True):
    """A call that the model made. ``arguments`` is JSON text of an object, as the model gave it (it may be invalid)."""

    item_id: str
    call_id: str
    name: str
    arguments: str
    extra: JSON | None = None
    response_id: str = ""


class ToolResultItem(msgspec.Struct, frozen=True):
    """What the tool gave for the call with that ``call_id``, as text; with ``is_error``, why it gave nothing."""

    item_id: str
    call_id: str
    name: str
    output: str
    is_error: bool = False


HistoryItem = UserText | OperatorText | AssistantText | ToolCallItem | ToolResultItem
"""A history is a list of these in the order of the conversation. The calls of one model round stand together,
followed by their results, one for each and in the same order; an `AssistantText` directly before calls is of the same
round."""

AnsweredCall = tuple[ToolCallItem, ToolResultItem]


def in_rounds(history: Iterable[HistoryItem]) -> Iterator[HistoryItem | list[AnsweredCall]]:
    """The history in its order, with the calls of one model round as one list, each beside its result."""
    runs = [list(run) for _, run in groupby(history, key=type)]
    for run, following in pairwise([*runs, []]):
        if isinstance(run[0], ToolCallItem):
            yield cast("list[AnsweredCall]", list(zip(run, following, strict=True)))
        elif not isinstance(run[0], ToolResultItem):
            yield from run


def text_of(item: HistoryItem) -> str:
    """Its words: what was said, a call's arguments, a result's output."""
    match item:
        case ToolCallItem():
            return item.arguments
        case ToolResultItem():
            return item.output
    return item.text


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as a model is told of it; ``parameters`` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: JSON


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One model round. Names of tools and ids of calls are such as every vendor takes."""

    model: str
    """The vendor's name of it, without the provider."""
    history: list[HistoryItem]
    instructions: str = ""
    """The system prompt; empty: none."""
    tools: list[ToolSpec] = []
    tool_choice: str = "auto"
    """auto, none, required, or the name of one tool."""
    max_output_tokens: int | None = None
    """None: the vendor's own."""
    answer_schema: JSON | None = None
    """The answer is one JSON object by this schema, in the vendor's own way of asking for that. Such as all of them take: of
    every object all properties are required and no others allowed; no bounds on numbers, texts and lists. A model that knows
    no such way answers `ModelBadRequest`."""


class TextDelta(msgspec.Struct, frozen=True):
    """The next piece of text. With an ``extra`` it is a part of its own (its text may then be empty)."""

    text: str
    extra: JSON | None = None


class ToolCallRequest(msgspec.Struct, frozen=True):
    """The model wants a tool. ``call_id`` is ours (unique); a vendor's own id belongs into ``extra``."""

    call_id: str
    name: str
    arguments: str
    extra: JSON | None = None


class FinishReason(StrEnum):
    """Why a round ended."""

    STOP = "stop"
    """The model has said all."""
    TOOL_CALLS = "tool_calls"
    """It waits for the results of its calls."""
    MAX_OUTPUT_TOKENS = "max_output_tokens"
    """Cut off at the limit."""
    CONTENT_FILTER = "content_filter"
    """Cut off, or refused, for what it says."""
    OTHER = "other"
    """See `Completed.vendor_reason`."""


class Completed(msgspec.Struct, frozen=True):
    """The end of one model round, always the last event of a stream that did not raise.

    ``vendor_reason`` is the vendor's own word (``MAX_TOKENS``, ``RECITATION``, ...), empty for a normal stop.
    """

    finish: FinishReason
    usage: Usage = Usage()
    vendor_reason: str = ""


ModelEvent = TextDelta | ToolCallRequest | Completed
"""What a provider streams: any number of the first two, then one `Completed`."""


class Provider(ABC):
    """One vendor. One instance a process, shared by all sessions, so that connections are reused."""

    name: str
    """As in PROVIDER:NAME; in ``extra`` what stands under it is this vendor's own."""

    @abstractmethod
    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """One model round: `TextDelta` and `ToolCallRequest` as they come, then exactly one `Completed`.

        Raises a `ProviderError` (chat.errors), before or after the first event. Closing the generator closes the
        vendor's connection. Every wait is bounded: the connection, the first event, the silence between events.
        """

    async def aclose(self) -> None:  # noqa: B027  # most hold nothing
        """Give back what the provider holds; called once, when the process stops."""
