"""What events are made of: their words and their small values. Who reads events takes it from
`sessions_app.log.events`."""

from enum import StrEnum
from typing import Any

import msgspec

JSON = dict[str, Any]
"""A JSON object."""


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    OPERATOR = "operator"


class ReopenCause(StrEnum):
    RETURNED = "returned"
    """It had ended, and somebody came back."""
    TAKEOVER = "takeover"
    """The process that held it is gone; another goes on."""
    ORPHANED = "orphaned"
    """The process that held it is gone, and the sweeper came to end it."""
    ERASED = "erased"
    """Somebody erases it, and ends it for that."""


class EndReason(StrEnum):
    LEFT = "left"
    """Nobody was there for the grace."""
    CLOSED = "closed"
    """Somebody asked for it."""
    ORPHANED = "orphaned"
    """The process that held it died, and nobody came back."""
    ERASED = "erased"
    """It was erased while it went on."""


class TextStatus(StrEnum):
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    """It was cut off."""


class Location(StrEnum):
    """Where a tool call is run."""

    SERVER = "server"
    """We run it."""
    CLIENT = "client"
    """The client does, and sends a `ToolResult`."""
    HISTORY = "history"
    """Nobody: it was made elsewhere, the client only tells of it."""


class Outcome(StrEnum):
    """What came of a tool call."""

    OK = "ok"
    ERROR = "error"
    """``output`` says it in words for the model."""
    UNKNOWN = "unknown"
    """The process died while it ran."""


class ResponseStatus(StrEnum):
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    """Somebody stopped it."""
    INCOMPLETE = "incomplete"
    """It was cut off: what there is of it counts."""
    FAILED = "failed"


class Reason(StrEnum):
    """Our own words for why a response is not completed; others are an error's code, or a vendor's word in lower case."""

    CLIENT_CANCELLED = "client_cancelled"
    """The client stopped it."""
    STEERED = "steered"
    """The client said more while it was given: the next one answers that, too."""
    OPERATOR_STOPPED = "operator_stopped"
    """A member of staff stopped it."""
    OPERATOR_TOOK_OVER = "operator_took_over"
    """A member of staff took the conversation over while it ran."""
    ANSWERED_BY_PERSON = "answered_by_person"
    """It waited, and a member of staff answered what it was to answer."""
    INTERRUPTED = "interrupted"
    """The server stopped while it answered; it may be tried again."""
    SESSION_ENDED = "session_ended"
    """It waited when the session ended."""
    NOTHING_NEW = "nothing_new"
    """It was asked for where nothing had been said since the last one."""
    MAX_OUTPUT_TOKENS = "max_output_tokens"
    """It reached its length limit."""
    CONTENT_FILTER = "content_filter"
    """The vendor's safety filter cut it off."""
    MAX_TOOL_ROUNDS = "max_tool_rounds"
    """It called tools too many times."""


class Rating(StrEnum):
    """What somebody thinks of an answer."""

    UP = "up"
    DOWN = "down"
    NONE = "none"
    """Nothing, or nothing any more."""


class Resolution(StrEnum):
    """What became of what the user came for, as the summary has it."""

    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"
    """The user still needs something."""
    ABANDONED = "abandoned"
    """The user left in the middle."""


class Sentiment(StrEnum):
    """How the user felt about it in the end, as the summary has it."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


class CompactionCause(StrEnum):
    SIZE = "size"
    """The history had grown."""
    ITEM_DELETED = "item_deleted"
    """The summary held an item that the client has deleted: what was said from there on is left out."""


def model_spec(provider: str, model: str) -> str:
    """PROVIDER:NAME as the settings write it, or the provider alone where it has one model, as ``demo``."""
    return provider if provider == model else f"{provider}:{model}"


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens as the vendor counted them; ``input_tokens`` includes the cached ones, ``output_tokens`` the reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


class Timings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Milliseconds since the response started."""

    first_token_ms: float | None = None
    """To the first piece of text, tools before it included; None when there was no text."""
    total_ms: float = 0.0
    model_ms: float = 0.0
    tools_ms: float = 0.0


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch of an assistant text that the vendor gave as one part.

    ``length`` in characters; ``extra`` is the vendor's own opaque data (a thought signature, ...), which goes back
    to that vendor unchanged on the same part.
    """

    length: int
    extra: JSON | None = None


class FileRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture or a file in a message: where it is, never its bytes (`sessions_app.files`)."""

    id: str
    name: str
    media_type: str
    size: int
    """In bytes."""
    width: int = 0
    height: int = 0
    """Of a picture, in pixels."""
    pages: int = 0
    """Of a PDF, where they can be counted."""
