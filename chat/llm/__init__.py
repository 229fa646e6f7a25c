"""What an author of models imports: the seam to the vendors, and the messages that cross it (see docs/models.md)."""

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
