"""What the fake Claude is told to answer."""

import json
import os
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]

USAGE: JSON = {
    "input_tokens": 7,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 3,
}


@dataclass(frozen=True)
class Text:
    """A text block, a delta for each piece. ``whole=False``: it is not closed, because something goes wrong in it."""

    pieces: tuple[str, ...]
    whole: bool = True
    pause_s: float = 0.0
    """Before each piece."""


@dataclass(frozen=True)
class Think:
    """A thinking block. ``shown=False``: without its words, as newer models send it; the signature stands for them."""

    words: str = "Let me think about that."
    shown: bool = True
    signed: bool = True


@dataclass(frozen=True)
class Redacted:
    """A thought that nobody may read."""


@dataclass(frozen=True)
class Use:
    """A tool that the model wants. ``written`` is the JSON as it comes, delta by delta, valid or not."""

    name: str
    written: tuple[str, ...] = ("",)
    id: str = field(default_factory=lambda: f"toolu_{os.urandom(9).hex()}")


@dataclass(frozen=True)
class Stop:
    """``message_delta`` and, unless something comes between them (``over``), ``message_stop``.

    ``usage`` is the whole message's.
    """

    reason: str = "end_turn"
    usage: JSON | None = None
    details: JSON | None = None
    over: bool = True


@dataclass(frozen=True)
class Event:
    """Any other event of the stream, by name."""

    name: str
    data: JSON


@dataclass(frozen=True)
class Raw:
    """Bytes on the stream as they stand."""

    data: bytes


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Drop:
    """The connection is cut."""


@dataclass(frozen=True)
class Hang:
    """Nothing more comes, until the client leaves."""


Content = Text | Think | Redacted | Use
Step = Content | Stop | Event | Raw | Sleep | Drop | Hang


@dataclass(frozen=True)
class Reply:
    """A stream. Without ``begun`` its ``message_start`` is missing."""

    steps: tuple[Step, ...]
    usage: JSON = field(default_factory=lambda: {**USAGE, "output_tokens": 1})
    """What ``message_start`` says."""
    begun: bool = True
    silence_s: float = 0.0
    """Before the first byte, the HTTP answer's head included."""


@dataclass(frozen=True)
class HttpError:
    status: int
    kind: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)
    details: JSON | None = None

    def body(self) -> JSON:
        error: JSON = {"type": self.kind, "message": self.message}
        if self.details:
            error["details"] = self.details
        return {"type": "error", "error": error, "request_id": "req_fake"}


Answer = Reply | HttpError

PING = Event("ping", {"type": "ping"})


def reply(*steps: Step, **more: Any) -> Reply:
    return Reply(steps, **more)


def text(*pieces: str, whole: bool = True) -> Text:
    return Text(pieces, whole)


def use(name: str, arguments: JSON | None = None, *, id_: str | None = None) -> Use:
    """A call whose JSON comes in two pieces, after the empty one with which the API begins."""
    written = json.dumps(arguments) if arguments else ""
    cut = len(written) // 2
    more = {"id": id_} if id_ else {}
    return Use(name, ("", written[:cut], written[cut:]), **more)


def say(*words: str, reason: str = "end_turn", usage: JSON | None = None) -> Reply:
    """One text in as many deltas, then the end."""
    return Reply((Text(words), Stop(reason, usage)))


def ask(*calls: Use, before: tuple[Content, ...] = (), usage: JSON | None = None) -> Reply:
    """A round that asks for tools."""
    return Reply((*before, *calls, Stop("tool_use", usage)))


def stream_error(kind: str, message: str) -> Event:
    return Event("error", {"type": "error", "error": {"type": kind, "message": message}})


def rate_limited(retry_after: str = "23") -> HttpError:
    message = "This request would exceed your organization's rate limit of 50,000 input tokens per minute."
    return HttpError(429, "rate_limit_error", message, {"retry-after": retry_after})


def overloaded() -> HttpError:
    return HttpError(529, "overloaded_error", "Overloaded")
