"""The plain dialect's frames: a client's message, and an error."""

import json

from chat.conf import conf
from chat.errors import FrameError, FrameTooLarge
from chat.protocol.error_codes import FrameCode

_FIELDS = ("message", "text")


def plain_message(frame: str) -> str:
    """The message of a frame: the string under ``message`` or ``text`` of a JSON object, else the frame itself.

    Raises `FrameError`.
    """
    message = _from_json(frame) if frame.lstrip().startswith("{") else None
    text = frame if message is None else message
    check_text(text)
    if not text.strip():
        raise FrameError("The message is empty. Send some text.", code=FrameCode.EMPTY_MESSAGE)
    if len(text) > conf().max_message_chars:
        raise too_long(len(text))
    return text


def plain_error(code: str, message: str) -> str:
    return f"[error] {code}: {message}"


def check_text(text: str, *, param: str | None = None, event_id: str | None = None) -> None:
    """Raises `FrameError` for what no PostgreSQL text can hold: NUL, and halves of surrogate pairs."""
    if "\x00" not in text and text.isascii():
        return
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise FrameError(
            "The text holds a NUL character or half of a surrogate pair, which cannot be stored. Remove it.",
            code=FrameCode.INVALID_TEXT,
            param=param,
            event_id=event_id,
        )


def too_long(length: int, *, param: str | None = None, event_id: str | None = None) -> FrameTooLarge:
    limit = conf().max_message_chars
    return FrameTooLarge(
        f"The text has {length} characters; at most {limit} are taken. Send it in parts.",
        param=param,
        event_id=event_id,
    )


def _from_json(frame: str) -> str | None:
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    fields = (value.get(name) for name in _FIELDS) if isinstance(value, dict) else ()
    return next((field for field in fields if isinstance(field, str)), None)
