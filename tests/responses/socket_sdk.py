"""What OpenAI's own types say of the frames of the Responses socket; and reading them."""

from collections.abc import Callable
from typing import Any

from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter

_frames: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


def checked_frame(event: Any) -> Any:
    """Raises what its type says against the frame, a type that the SDK does not know among it."""
    frame = event.to_dict()
    parsed = _frames.validate_python(frame, strict=False)
    assert parsed.type == frame["type"]
    return event


async def until_over(
    socket: Any, until: Callable[[Any], bool] = lambda event: event.type in ENDS
) -> list[Any]:
    """The frames up to the first of those."""
    told = []
    async for event in socket:
        told.append(checked_frame(event))
        if until(event):
            break
    return told
