"""What the fake Gemini is told to answer."""

import base64
import hashlib
import hmac
import json
import os
import threading
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]

_SECRET = b"the fake's own; fixed, so that a session outlives the fake's restart"


def text(words: str, *, signed: bool = False, thought: bool = False) -> JSON:
    part: JSON = {"text": words}
    if thought:
        part["thought"] = True
    return sign(part) if signed else part


def call(name: str, args: JSON | None = None, *, signed: bool = False, id_: str | None = None) -> JSON:
    """A call as Gemini 3 makes them: with an id. Only the first of a round is to be ``signed``."""
    named = {"name": name} if name else {}  # protobuf's JSON leaves an empty text out
    part: JSON = {"functionCall": {"id": id_ or os.urandom(4).hex(), **named, "args": args or {}}}
    return sign(part) if signed else part


def sign(part: JSON) -> JSON:
    """The part with a signature that only this part can carry."""
    nonce = os.urandom(8)
    return {**part, "thoughtSignature": base64.b64encode(nonce + _mac(nonce, part)).decode()}


def is_signature_of(signature: bytes, part: JSON) -> bool:
    return hmac.compare_digest(signature[8:], _mac(signature[:8], part))


def _mac(nonce: bytes, part: JSON) -> bytes:
    content = {key: value for key, value in part.items() if key != "thoughtSignature"}
    return hmac.digest(_SECRET, nonce + json.dumps(content, sort_keys=True).encode(), hashlib.sha256)


@dataclass(frozen=True)
class Chunk:
    """One server-sent event. ``usage`` is the running total so far, in the API's own names."""

    parts: tuple[JSON, ...] = ()
    finish: str | None = None
    usage: JSON | None = None
    block: str | None = None
    """The reason of a ``promptFeedback`` that takes the candidates' place."""

    def body(self, model: str) -> JSON:
        body: JSON = {"modelVersion": model, "responseId": "fake"}
        if self.block:
            body["promptFeedback"] = {"blockReason": self.block}
        elif self.parts or self.finish:
            body["candidates"] = [self._candidate()]
        if self.usage is not None:
            body["usageMetadata"] = self.usage
        return body

    def _candidate(self) -> JSON:
        candidate: JSON = {"index": 0}
        if self.parts:
            candidate["content"] = {"role": "model", "parts": list(self.parts)}
        if self.finish:
            candidate["finishReason"] = self.finish
        return candidate


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Raw:
    """Bytes on the stream as they stand."""

    data: bytes


@dataclass(frozen=True)
class Drop:
    """The connection is cut."""


@dataclass(frozen=True)
class Hang:
    """Nothing more comes, until the client leaves."""


@dataclass(frozen=True)
class Until:
    """Nothing more comes before the test says so."""

    said: threading.Event


Step = Chunk | Sleep | Raw | Drop | Hang | Until


@dataclass(frozen=True)
class Reply:
    """A stream. ``silent_start``: not even its head is sent before the first step has passed."""

    steps: tuple[Step, ...]
    silent_start: bool = False


@dataclass(frozen=True)
class HttpError:
    status: int
    status_name: str
    message: str
    details: list[JSON] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> JSON:
        error: JSON = {"code": self.status, "message": self.message, "status": self.status_name}
        if self.details:
            error["details"] = self.details
        return {"error": error}


Answer = Reply | HttpError

USAGE: JSON = {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}


def reply(*steps: Step, silent_start: bool = False) -> Reply:
    return Reply(steps, silent_start)


def say(*words: str, finish: str = "STOP", usage: JSON | None = None) -> Reply:
    """Text in as many chunks, then the end."""
    return Reply((*(Chunk((text(word),)) for word in words), Chunk(finish=finish, usage=usage or USAGE)))


def ask(*calls: JSON, before: tuple[JSON, ...] = ()) -> Reply:
    """A round that asks for tools, in one chunk."""
    return Reply((Chunk((*before, *calls)), Chunk(finish="STOP", usage=USAGE)))


def quota(retry_delay: str = "23.5s") -> HttpError:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay}
    return HttpError(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", [info])


def overloaded() -> HttpError:
    return HttpError(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
