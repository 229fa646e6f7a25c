"""What a fake of OpenAI's APIs is told to answer: steps of a stream, or an error in OpenAI's shape."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.gemini_script import Drop, Hang, Raw, Sleep

JSON = dict[str, Any]

__all__ = [
    "JSON",
    "Answer",
    "Data",
    "Drop",
    "ExtraFieldError",
    "Hang",
    "HttpError",
    "Raw",
    "RefusedError",
    "Sleep",
    "Step",
    "Stream",
]


@dataclass(frozen=True)
class Data:
    """One server-sent event. Those of the Responses API carry their type as the event's name, too."""

    body: JSON

    def wire(self) -> bytes:
        name = f"event: {self.body['type']}\n" if isinstance(self.body.get("type"), str) else ""
        return f"{name}data: {json.dumps(self.body, ensure_ascii=False)}\n\n".encode()


Step = Data | Raw | Sleep | Drop | Hang


@dataclass(frozen=True)
class Stream:
    """``silent_start``: not even its head is sent before the first step has passed."""

    steps: tuple[Step, ...]
    silent_start: bool = False


@dataclass(frozen=True)
class HttpError:
    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    whole: JSON | None = None
    """The body as it stands, where it is not OpenAI's."""

    def body(self) -> JSON:
        if self.whole is not None:
            return self.whole
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


Answer = Stream | HttpError
Planned = Answer | Callable[[JSON], Answer]
"""An answer, or what makes one of the request's body."""


class RefusedError(Exception):
    """The request breaks the API's rules."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.error = HttpError(status, message, code=code, param=param)


class ExtraFieldError(RefusedError):
    """FastAPI's servers say in their own way that they do not know a field of the body."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: Extra inputs are not permitted", status=422)
        fault = {"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted"}
        self.error = HttpError(422, str(self), whole={"detail": [fault]})
