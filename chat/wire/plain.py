"""The plain dialect's frames: a client's message, and an error."""

import json
from typing import get_args

from chat.conf import conf
from chat.errors import FrameError, FrameTooLarge
from chat.llm.provider import JSON
from chat.wire.realtime.objects import TurnPolicy
from chat.wire.reasons import FrameCode

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


def plain_policy(frame: str) -> str:
    """What the frame's ``policy`` asks for this message alone: enqueue, interrupt, reject, or nothing. Raises `FrameError`."""
    policy = _json_object(frame).get("policy", "") if frame.lstrip().startswith("{") else ""
    if policy not in ("", *get_args(TurnPolicy)):
        raise FrameError(
            f"policy: there is no {policy!r}. Use one of: {', '.join(get_args(TurnPolicy))}.", param="policy"
        )
    return str(policy)


def plain_approval(name: str) -> str:
    return f"[approval] {name} needs a person's yes before it runs; staff can give it."


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
    value = _json_object(frame)
    return next((value[name] for name in _FIELDS if isinstance(value.get(name), str)), None)


def _json_object(frame: str) -> JSON:
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
