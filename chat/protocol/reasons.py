"""Why a response did not complete: the sentence for the client, and whether asking again may help."""

from collections.abc import Iterator

from chat.errors import ChatError
from sessions_app.errors import SessionsError
from sessions_app.events import ResponseDone

REASONS = {
    "client_cancelled": "The answer was stopped.",
    "max_output_tokens": "The answer was cut off at its length limit. Ask to go on, or raise max_output_tokens.",
    "content_filter": "The model's vendor cut the answer off: its safety filter objected.",
    "interrupted": "The server stopped while it answered.",
    "session_ended": "The session ended before this answer's turn came.",
    "nothing_new": (
        "Nothing was said since the last answer, for which the server ran tools: there is nothing more to answer. "
        "To have another answer all the same, give response.create a response object, which may be empty."
    ),
    "budget_exceeded": "The answer was stopped: the budget is used up. What there is of it is kept.",
    "max_tool_rounds": "The answer was cut off: it called tools too many times. Ask for less at once.",
}
"""Beside these ``reason`` is an error's code, or a model vendor's own word in lower case."""

UNKNOWN_REASON = "unknown"


def reason_of(done: ResponseDone) -> str:
    return done.reason or UNKNOWN_REASON


def sentence_for(done: ResponseDone) -> str:
    """What to tell the client; empty when the response completed and nothing was said."""
    if done.message or done.status == "completed":
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
