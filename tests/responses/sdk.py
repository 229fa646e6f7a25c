"""What OpenAI's own types say of what this server sends."""

from collections.abc import Sequence
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

_events: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_response: TypeAdapter[Any] = TypeAdapter(Response)


def checked(event: Any) -> Any:
    """Raises what its type says against the frame, a type that the SDK does not know among it."""
    frame = event.to_dict() if hasattr(event, "to_dict") else event
    parsed = _events.validate_python(frame, strict=False)
    assert parsed.type == frame["type"]
    return event


def checked_response(response: Any) -> Any:
    _response.validate_python(response.to_dict() if hasattr(response, "to_dict") else response)
    return response


def text_of(events: Sequence[Any]) -> str:
    """The joined deltas."""
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def kinds(events: Sequence[Any]) -> list[str]:
    """The types without their common beginning, runs of deltas as one."""
    names = [event.type.removeprefix("response.") for event in events]
    return [
        name
        for place, name in enumerate(names)
        if not (place and name == names[place - 1] and name.endswith("delta"))
    ]
