"""The vendor's own types as the judge of our frames.

The SDK takes any frame (it builds its models unchecked); here its models are used as the strict schema that they are:
a missing field, a wrong literal, a wrong type or an undeclared field that is not ``x_...`` is a failure.
"""

import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pydantic
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_session_create_response import RealtimeSessionCreateResponse
from openai.types.responses import ResponseInputFile, ResponseInputImage

from chat.wire.realtime.server import ServerEvent

SDK_SERVER_EVENTS: dict[str, type[pydantic.BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(RealtimeServerEvent)[0])
}

# The vendor declares these three for the session as its REST answer; its server sends them in session.created, too.
_DECLARED_ELSEWHERE = {"session.id", "session.object", "session.expires_at"}


def validated(frame: str) -> pydantic.BaseModel:
    """The frame as the SDK's model of its type. Raises AssertionError or `pydantic.ValidationError`."""
    fields = without_files(json.loads(frame))
    frame = json.dumps(fields)
    model = SDK_SERVER_EVENTS.get(fields.get("type"))
    assert model is not None, f"the vendor has no server event {fields.get('type')!r}"
    event = model.model_validate_json(frame, strict=True)
    undeclared = set(_undeclared(event, "")) - _DECLARED_ELSEWHERE
    assert not undeclared, f"undeclared by the vendor: {sorted(undeclared)}"
    if "session" in fields:
        session = {name: value for name, value in fields["session"].items() if not name.startswith("x_")}
        RealtimeSessionCreateResponse.model_validate_json(json.dumps(session), strict=True)
    return event


FILE_PARTS: dict[str, type[pydantic.BaseModel]] = {
    "input_image": ResponseInputImage,
    "input_file": ResponseInputFile,
}
"""The vendor's Realtime has pictures by their URL alone, and no files: those that have an id are as its Responses API has them."""


def without_files(value: Any) -> Any:
    """The frame with a text in the place of each part that is a file of ours, which is held against the vendor's own type."""
    if isinstance(value, list):
        return [without_files(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "file_id" not in value:
        return {name: without_files(one) for name, one in value.items()}
    model = FILE_PARTS[value["type"]]
    given = {name: one for name, one in value.items() if not name.startswith("x_")}
    part = model.model_validate(
        {"detail": "auto", **given} if model is ResponseInputImage else given, strict=True
    )
    assert not part.model_extra
    return {"type": "input_text", "text": value["file_id"]}


def held(frame: str) -> None:
    """As `validated`; one of ours, whose name begins with ``x_``, against the closed set of this server's."""
    if json.loads(frame)["type"].startswith("x_"):
        msgspec.json.decode(frame, type=ServerEvent)
    else:
        validated(frame)


def _undeclared(value: Any, path: str) -> Iterator[str]:
    """The paths of fields that no model of the SDK declares and that are not ours (what is below ours, neither)."""
    if isinstance(value, pydantic.BaseModel):
        for name in value.model_extra or {}:
            if not name.startswith("x_"):
                yield f"{path}{name}"
        for name in type(value).model_fields:
            yield from _undeclared(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from _undeclared(item, path)
