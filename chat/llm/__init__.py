"""Language models: what an author of a provider builds on. docs/models.md tells how, in ten minutes.

A provider is a `Provider` that turns one `ModelRequest` into a stream of `TextDelta`s and `ToolCallRequest`s that ends with
one `Completed`, and raises the `ProviderError`s of `chat.errors`. `register_provider` offers it.
"""

from chat.llm.catalog import register_provider
from chat.llm.provider import (
    JSON,
    AssistantText,
    Completed,
    FinishReason,
    HistoryItem,
    ModelEvent,
    ModelRequest,
    OperatorText,
    Part,
    Provider,
    TextDelta,
    ToolCallItem,
    ToolCallRequest,
    ToolResultItem,
    ToolSpec,
    Usage,
    UserText,
)

__all__ = [
    "JSON",
    "AssistantText",
    "Completed",
    "FinishReason",
    "HistoryItem",
    "ModelEvent",
    "ModelRequest",
    "OperatorText",
    "Part",
    "Provider",
    "TextDelta",
    "ToolCallItem",
    "ToolCallRequest",
    "ToolResultItem",
    "ToolSpec",
    "Usage",
    "UserText",
    "register_provider",
]
