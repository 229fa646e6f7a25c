"""What is left of an event when its words are erased: its place, its type, its time, its figures.

A field stays by what it is: a number, a flag, an enum, a name of ours. Everything else goes, a field that nobody has decided
about among it.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Callable
from enum import Enum
from functools import cache
from types import NoneType
from typing import Any, NamedTuple, get_args

import msgspec

from sessions_app.log import events as ev

ERASED = "[erased]"
"""Stands where words were; the trigger of ``session_events`` lets this text, an empty one and `_NO_ARGUMENTS` through."""
_NO_ARGUMENTS = "{}"

FIGURES = (
    int,
    float,
    bool,
    int | None,
    float | None,
    bool | None,
    list[int],
    ev.Usage,
    ev.Timings,
)
OUR_NAMES = {"model", "provider", "next_model", "source", "dialect", "code", "assistant"}
IDS = {
    "item_id",
    "response_id",
    "call_id",
    "connection_id",
    "approval_id",
    "previous_item_id",
    "after_item_id",
    "retry_of",
    "replaces",
    "version",
    "instead_of",
    "continues",
}
ID_LISTS = {"item_ids", "input_item_ids", "gone_item_ids"}
TOOL_NAMES = {"name", "server_label"}
WORDS = {
    "arguments",
    "asks",
    "author",
    "comment",
    "by",
    "cause",
    "client_event_id",
    "config",
    "error",
    "extra",
    "files",
    "follow_ups",
    "intent",
    "language",
    "message",
    "open_questions",
    "output",
    "parts",
    "quality_reason",
    "request_key",
    "shown_as",
    "stopped_by",
    "summary",
    "text",
    "title",
    "topics",
    "waits_for",
}
"""Those that go; named so that a test can tell a new field from them."""
_TOOL_EVENTS = (ev.ToolCall.event_type, ev.ToolApprovalRequested.event_type, ev.ToolResult.event_type)
_OUR_ID = re.compile(r"(item|resp|call|conn)_[0-9a-f]{24}|root")
_LENGTH = re.compile(r"(?<=[:,])\d+")
"""Of a delta, in the ``runs`` of a folded row."""
_A_WORD = re.compile(r"[a-z_]{1,40}")


class Erased(NamedTuple):
    content: str | None
    payload: ev.JSON


class IdMask:
    """Another id for each that is not of our making (a client can write words into one), the same for the same within one
    erasure. Its key is kept nowhere."""

    def __init__(self) -> None:
        self._key = os.urandom(16)

    def __call__(self, value: str) -> str:
        if _OUR_ID.fullmatch(value):
            return value
        return f"gone_{hmac.new(self._key, value.encode(), hashlib.sha256).hexdigest()[:24]}"


def without_words(event_type: str, content: str | None, payload: ev.JSON, mask: IdMask) -> Erased:
    """The event as it is kept. One of an unknown type keeps nothing at all."""
    if event_type == ev.AssistantDelta.event_type:
        return _delta_without_words(payload, mask)
    cls = ev.EVENT_TYPES.get(event_type)
    if cls is None:
        return Erased(None if content is None else "", {})
    kept: ev.JSON = {}
    for field in msgspec.structs.fields(cls):
        if field.name not in payload:
            continue
        value = _kept(cls, field.name, field.type, payload, mask)
        if value is None and field.required:
            value = {} if field.type == ev.JSON else ""
        if value is not None:
            kept[field.name] = value
    return Erased(_blank(event_type, content), kept)


def _delta_without_words(payload: ev.JSON, mask: IdMask) -> Erased:
    kept: ev.JSON = {name: mask(str(payload.get(name, ""))) for name in ("response_id", "item_id")}
    kept |= {"output_index": payload.get("output_index", 0), "offset": 0}
    if "runs" in payload:  # folded: it has no text of its own
        return Erased(None, kept | {"length": 0, "runs": _LENGTH.sub("0", payload["runs"])})
    return Erased("", kept | {"lengths": [0 for _ in payload.get("lengths", [])]})


def without_tool_data(event_type: str, content: str | None, payload: ev.JSON) -> Erased | None:
    """The event without what a tool was given or gave; None where there is no such thing in it."""
    if event_type not in _TOOL_EVENTS:
        return None
    kept = {name: value for name, value in payload.items() if name not in ("asks", "extra")}
    return Erased(_blank(event_type, content), kept)


def _kept(cls: type[ev.Event], name: str, annotation: object, payload: ev.JSON, mask: IdMask) -> Any:
    value = payload[name]
    if value is None:
        return None
    if name in IDS:
        return mask(str(value))
    if name in ID_LISTS:
        return [mask(str(one)) for one in value]
    if is_figure(annotation) or name in OUR_NAMES:
        return value
    decide = _BY_NAME.get(name)
    return decide(cls, value, payload) if decide else None


@cache
def is_figure(annotation: Any) -> bool:
    kinds = [one for one in get_args(annotation) or (annotation,) if one is not NoneType]
    return annotation in FIGURES or all(isinstance(one, type) and issubclass(one, Enum) for one in kinds)


def _tool_name(cls: type[ev.Event], value: Any, payload: ev.JSON) -> str | None:
    """Of a tool of the server's; a client calls its own what it likes."""
    by_server = (
        bool(payload.get("response_id"))
        if cls is ev.ToolResult
        else payload.get("location", ev.Location.SERVER) == ev.Location.SERVER
    )
    return str(value) if by_server else None


def _options(_cls: type[ev.Event], value: Any, _payload: ev.JSON) -> ev.JSON | None:
    """That it is no part of the conversation changes what the log stands for."""
    outside = isinstance(value, dict) and value.get("conversation") == "none"
    return {"conversation": "none"} if outside else None


def _reason(cls: type[ev.Event], value: Any, _payload: ev.JSON) -> str | None:
    """Of an answer it is a word of ours or of the vendor's, of feedback one of the settings'; of an approval it is what a
    person said."""
    ours = cls is ev.ResponseDone or cls is ev.FeedbackGiven
    return str(value) if ours and _A_WORD.fullmatch(str(value)) else None


_Decide = Callable[[type[ev.Event], Any, ev.JSON], object | None]
_BY_NAME: dict[str, _Decide] = {
    **dict.fromkeys(TOOL_NAMES, _tool_name),
    "options": _options,
    "reason": _reason,
}
DECIDED = OUR_NAMES | IDS | ID_LISTS | WORDS | _BY_NAME.keys()
"""Every field that is no figure."""


def _blank(event_type: str, content: str | None) -> str | None:
    if not content:
        return content
    cls = ev.EVENT_TYPES[event_type]
    if cls.text_field == "arguments":
        return _NO_ARGUMENTS
    shown = cls.speaker or cls.text_field in ("output", "summary")
    return ERASED if shown else ""
