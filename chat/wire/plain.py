"""The plain dialect: whole messages in, pieces of the answer out, nothing around them."""

import json
from typing import Any, ClassVar, get_args

from chat.conf import conf
from chat.errors import FrameError, ReadOnlyKey
from chat.llm.provider import JSON
from chat.session.commands import AddMessage, GiveFeedback
from chat.wire.codes import FrameCode, reason_of, sentence_for
from chat.wire.dialect import AnySession, Socket, check_text, too_long
from chat.wire.realtime.objects import TurnPolicy, stepped_words
from sessions_app.log import events as ev

_FIELDS = ("message", "text")
_RATINGS = tuple(ev.Rating)


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
    """What the ``policy`` beside a frame's message asks for this message alone: enqueue, interrupt, reject, or nothing. In a frame that is
    the message itself, whatever JSON that is, it means nothing. Raises `FrameError`."""
    carries = frame.lstrip().startswith("{") and _from_json(frame) is not None
    policy = _json_object(frame).get("policy", "") if carries else ""
    if policy not in ("", *get_args(TurnPolicy)):
        raise FrameError(
            f"policy: there is no {policy!r}. Use one of: {', '.join(get_args(TurnPolicy))}.", param="policy"
        )
    return str(policy)


def plain_feedback(frame: str) -> GiveFeedback | None:
    """A word on an answer, of its ``item_id`` or the last one: ``{"feedback": "down", "reason": ..., "comment": ...}``. None:
    the frame is a message, as everything that does not look so. Raises `FrameError`."""
    given = _json_object(frame) if frame.lstrip().startswith("{") else {}
    rating = given.get("feedback")
    if rating not in _RATINGS or any(isinstance(given.get(name), str) for name in _FIELDS):
        return None
    item_id, reason, comment = (str(given.get(name) or "") for name in ("item_id", "reason", "comment"))
    for name, text in (("item_id", item_id), ("reason", reason), ("comment", comment)):
        check_text(text, param=name)
    return GiveFeedback(item_id=item_id or None, rating=rating, reason=reason, comment=comment)


def plain_word(event: ev.FeedbackGiven) -> str:
    why = ": ".join(filter(None, (event.reason, event.comment)))
    return f"[feedback] {event.item_id} {event.rating}{' ' if why else ''}{why}"


def plain_approval(name: str) -> str:
    return f"[approval] {name} needs a person's yes before it runs; staff can give it."


def plain_stepped(event: ev.SteppedEvent) -> str:
    return f"[staff] {stepped_words(event)}"


def plain_error(code: str, message: str) -> str:
    return f"[error] {code}: {message}"


def _from_json(frame: str) -> str | None:
    value = _json_object(frame)
    return next((value[name] for name in _FIELDS if isinstance(value.get(name), str)), None)


def _json_object(frame: str) -> JSON:
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class PlainProjector:
    """The plain dialect's frames of a session's records: the answers' text and nothing around it.

    It may begin at any seq: of an item whose beginning it was not given, it shows what comes from there on.
    """

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}
        """Characters of each unfinished item up to the last delta."""

    def frames(self, record: ev.Record) -> list[str]:
        event = record.event
        match event:
            case ev.AssistantDelta():
                self._shown[event.item_id] = event.offset + len(event.text)
                return [event.text] if event.text else []
            case ev.AssistantMessage() if event.response_id:
                rest = event.text[self._shown.pop(event.item_id, 0) :]
                return [rest] if rest else []
            case ev.ToolApprovalRequested():
                return [plain_approval(event.name)]
            case ev.OperatorTookOver() | ev.OperatorHandedBack():
                return [plain_stepped(event)]
            case ev.FeedbackGiven():
                return [plain_word(event)]
            case ev.ResponseDone(status=ev.ResponseStatus.FAILED | ev.ResponseStatus.INCOMPLETE):
                return [plain_error(reason_of(event), sentence_for(event))]
            case _:
                return []


class PlainDialect:
    """Whole messages in, pieces of the answer out, nothing around them."""

    name: ClassVar[str] = "plain"

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def opened(self, session: AnySession) -> int:
        self._session, cursor = session, session.info().last_seq
        await self._socket.send_frame(f"Connected to session {session.session_id}")
        return cursor

    async def receive(self, frame: str) -> None:
        if not self._socket.may_write:
            raise ReadOnlyKey
        if word := plain_feedback(frame):
            await self._session.do(word)
            return
        message = AddMessage(text=plain_message(frame), respond=True, turn_policy=plain_policy(frame))
        self._socket.ask()
        await self._session.do(message)

    async def send_log(self, cursor: int) -> None:
        projector = PlainProjector()
        async for records in self._session.follow(cursor):
            for record in records:
                for frame in projector.frames(record):
                    await self._socket.send_frame(frame)

    def error(self, error: Any) -> str:
        return plain_error(error.code, error.message)
