"""What the demo's rules are given: what the user says now, what was said before, what the tools have answered."""

from dataclasses import dataclass

from chat.llm.provider import (
    ModelRequest,
    OperatorText,
    ToolCallItem,
    ToolCallRequest,
    ToolResultItem,
    ToolSpec,
    UserText,
)

MAX_CHARS = 2000
"""Of a message that the rules look at: some of their patterns take quadratic time, on the event loop's thread."""


@dataclass(frozen=True)
class Turn:
    said: str
    """The user's words of this turn, up to `MAX_CHARS`; empty when there are none."""
    whole: str
    """All of them."""
    earlier: list[str]
    """The user's words of the turns before, oldest first, each up to `MAX_CHARS`."""
    operator: str | None
    """A staff member's words, when they are the last ones."""
    answered: list[tuple[ToolCallItem, ToolResultItem]]
    """The calls of this turn, with their results."""
    offered: dict[str, ToolSpec]
    tool_choice: str
    instructions: str


@dataclass(frozen=True)
class Plan:
    """What to do in this round: say the text, then ask for the tools."""

    text: str = ""
    calls: tuple[ToolCallRequest, ...] = ()


def turn_of(request: ModelRequest) -> Turn:
    history = request.history
    start = max(
        (i for i, item in enumerate(history) if isinstance(item, UserText | OperatorText)), default=-1
    )
    last = history[start] if start >= 0 else None
    calls = {item.call_id: item for item in history[start + 1 :] if isinstance(item, ToolCallItem)}
    results = [item for item in history[start + 1 :] if isinstance(item, ToolResultItem)]
    whole = last.text.strip() if isinstance(last, UserText) else ""
    return Turn(
        said=whole[:MAX_CHARS],
        whole=whole,
        earlier=[
            item.text.strip()[:MAX_CHARS] for item in history[: max(start, 0)] if isinstance(item, UserText)
        ],
        operator=last.text.strip() if isinstance(last, OperatorText) else None,
        answered=[(calls[item.call_id], item) for item in results if item.call_id in calls],
        offered={spec.name: spec for spec in request.tools},
        tool_choice=request.tool_choice,
        instructions=request.instructions,
    )
