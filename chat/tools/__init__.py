"""What an author of tools imports: plain typed functions that the model may call (see docs/tools.md).

It needs no installed apps and no database, so any module may import it.
"""

from chat.errors import ToolError
from chat.tools.base import (
    ApprovalRule,
    Asks,
    Outcome,
    Permission,
    ToolContext,
    ToolDefinitionError,
    ToolOptions,
    ToolOutcome,
)
from chat.tools.registry import tool
from sessions_app.postgres.threads import in_db_thread

__all__ = [
    "ApprovalRule",
    "Asks",
    "Outcome",
    "Permission",
    "ToolContext",
    "ToolDefinitionError",
    "ToolError",
    "ToolOptions",
    "ToolOutcome",
    "in_db_thread",
    "tool",
]
