"""What a client is told by code: why a response did not complete, why a socket closes, what is wrong with a frame."""

from collections.abc import Iterator
from enum import IntEnum, StrEnum
from typing import Self

from chat.errors import ChatError
from sessions_app.errors import SessionsError
from sessions_app.log.events import Reason, ResponseDone, ResponseStatus

# Why a response did not complete: the sentence for the client, and whether asking again may help.

REASONS: dict[str, str] = {
    Reason.CLIENT_CANCELLED: "The answer was stopped.",
    Reason.STEERED: "The answer was stopped for what was said into it; the next one takes that up.",
    Reason.OPERATOR_STOPPED: "The answer was stopped by a member of staff.",
    Reason.OPERATOR_TOOK_OVER: "The answer was stopped: a person answers from here on.",
    Reason.ANSWERED_BY_PERSON: "A person has answered this already.",
    Reason.MAX_OUTPUT_TOKENS: "The answer was cut off at its length limit. Ask to go on, or raise max_output_tokens.",
    Reason.CONTENT_FILTER: "The model's vendor cut the answer off: its safety filter objected.",
    Reason.INTERRUPTED: "The server stopped while it answered.",
    Reason.SESSION_ENDED: "The session ended before this answer's turn came.",
    Reason.NOTHING_NEW: (
        "Nothing was said since the last answer, for which the server ran tools: there is nothing more to answer. "
        "To have another answer all the same, give response.create a response object, which may be empty."
    ),
    "budget_exceeded": "The answer was stopped: the budget is used up. What there is of it is kept.",
    Reason.MAX_TOOL_ROUNDS: "The answer was cut off: it called tools too many times. Ask for less at once.",
}
"""Beside these ``reason`` is an error's code, or a model vendor's own word in lower case."""

UNKNOWN_REASON = "unknown"


def reason_of(done: ResponseDone) -> str:
    return done.reason or UNKNOWN_REASON


def sentence_for(done: ResponseDone) -> str:
    """What to tell the client; empty when the response completed and nothing was said."""
    if done.message or done.status == ResponseStatus.COMPLETED:
        return done.message
    said = REASONS.get(done.reason) or _ERRORS.get(done.reason, (None, False))[0]
    return said or f"The answer broke off ({reason_of(done)}). Ask again."


def is_retryable(code: str) -> bool:
    """True when the same request may succeed later."""
    return _ERRORS.get(code, ("", False))[1]


def _tree(cls: type[ChatError] | type[SessionsError]) -> Iterator[type[ChatError] | type[SessionsError]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from _tree(sub)


_ERRORS: dict[str, tuple[str, bool]] = {
    cls.code: (" ".join((cls.__doc__ or "").split()), cls.retryable)
    for root in (ChatError, SessionsError)
    for cls in _tree(root)
}


class CloseCode(IntEnum):
    """With which this server closes a socket. 1xxx are those of RFC 6455, section 7.4; the vendors' clients reconnect on 1001, 1011, 1012 and 1013 when told
    to, and stop on 1000 and on any 4xxx, which are ours."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = member.__doc__ = meaning
        return member

    DONE = 1000, "the session has ended well"
    GOING_AWAY = 1001, "the server or the page goes away"
    FRAME_TOO_LARGE = 1009, "a frame was larger than the server takes"
    INTERNAL_ERROR = 1011, "a fault of this server's"
    RESTARTING = 1012, "the server restarts, or another server process serves the session now"
    OVERLOADED = 1013, "the server cannot take more at the moment"
    PROTOCOL_ERROR = 4400, "the request to connect made no sense"
    CREDENTIALS = 4401, "the credentials are missing, wrong or expired"
    ORIGIN_REFUSED = 4403, "the page's origin may not open sockets here"
    SESSION_NOT_FOUND = 4404, "there is no such session, or it is not yours"
    TOO_SLOW_OR_SILENT = 4408, "you did not read fast enough, or said nothing for too long"
    RATE_LIMITED = 4429, "too many frames in a short time, or too many sockets from one address"


class FrameCode(StrEnum):
    """Of frames that cannot be taken; the codes of all other errors stand with their classes in ``errors.py``."""

    INVALID_JSON = "invalid_json"
    MISSING_TYPE = "missing_type"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    UNSUPPORTED_EVENT = "unsupported_event"
    INVALID_EVENT = "invalid_event"
    MISSING_PARAMETER = "missing_required_parameter"
    UNKNOWN_PARAMETER = "unknown_parameter"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    UNSUPPORTED_MODALITY = "unsupported_modality"
    UNSUPPORTED_ITEM = "unsupported_item"
    UNSUPPORTED_CONTENT = "unsupported_content"
    INVALID_TEXT = "invalid_text"
    EMPTY_MESSAGE = "empty_message"
