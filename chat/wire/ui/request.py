"""What ``useChat`` sends: its whole list of messages each time, of which the last says what is new."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.errors import FrameError
from chat.wire.codes import FrameCode
from chat.wire.responses.files import GivenFile, check_given, given_at
from chat.wire.responses.input import check_length
from chat.wire.responses.request import object_in

JSON = dict[str, Any]

_ITEM_ID = re.compile(r"[A-Za-z0-9._-]{1,120}")


class Approval(msgspec.Struct):
    id: str
    approved: bool | None = None
    reason: str | None = None


class Part(msgspec.Struct):
    type: str
    text: str = ""
    state: str = ""
    url: str = ""
    filename: str | None = None
    approval: Approval | None = None


class UiMessage(msgspec.Struct):
    id: str
    role: str
    parts: list[Part] = []


class Body(msgspec.Struct):
    messages: list[UiMessage] = []
    trigger: str = "submit-message"
    model: str | None = None
    assistant: str | None = None


@dataclass(frozen=True, kw_only=True)
class Say:
    message_id: str
    text: str
    files: list[GivenFile]


@dataclass(frozen=True, kw_only=True)
class Decide:
    answers: list[Approval]


@dataclass(frozen=True)
class Regenerate:
    """The last answer once more."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    what: Say | Decide | Regenerate
    model: str | None
    assistant: str


def asked_in(body: bytes) -> Asked:
    """Raises `FrameError`."""
    try:
        given = msgspec.convert(object_in(body), Body)
    except msgspec.ValidationError as error:
        raise FrameError(f"The body is not what useChat sends: {error}.", param="messages") from None
    return Asked(what=_what(given), model=given.model, assistant=given.assistant or "")


def _what(given: Body) -> Say | Decide | Regenerate:
    if given.trigger == "regenerate-message":
        return Regenerate()
    if given.trigger != "submit-message":
        raise FrameError("trigger is submit-message or regenerate-message.", param="trigger")
    if not given.messages:
        raise FrameError(
            "messages is empty. Send at least the last one.",
            code=FrameCode.MISSING_PARAMETER,
            param="messages",
        )
    last = given.messages[-1]
    return Decide(answers=_answers(last)) if last.role == "assistant" else _said(last)


def _answers(message: UiMessage) -> list[Approval]:
    given = [part.approval for part in message.parts if part.approval and part.state == "approval-responded"]
    if not given:
        raise FrameError(
            "messages: the last one is the assistant's and answers no question of a tool's. There is nothing to do.",
            param="messages",
        )
    return given


def _said(message: UiMessage) -> Say:
    if message.role != "user":
        raise FrameError(
            f"messages: the last one has the role {message.role[:20]!r}; it has to be the user's. Instructions are "
            "the server's, or its assistant's.",
            param="messages",
        )
    if not _ITEM_ID.fullmatch(message.id):
        raise FrameError("messages: an id has 1 to 120 characters of A-Z a-z 0-9 . _ -", param="messages")
    others = {part.type for part in message.parts} - {"text", "file"}
    if others:
        raise FrameError(
            f"messages: this wire takes text and files, and no {min(others)[:40]!r}.",
            code=FrameCode.UNSUPPORTED_CONTENT,
            param="messages",
        )
    text = "\n\n".join(part.text for part in message.parts if part.type == "text").strip()
    files = [given_at(part.url, part.filename or "") for part in message.parts if part.type == "file"]
    check_given(files, "messages")
    if not text and not files:
        raise FrameError("The message has no text.", code=FrameCode.EMPTY_MESSAGE, param="messages")
    check_length(text, "messages")
    return Say(message_id=message.id, text=text, files=files)
