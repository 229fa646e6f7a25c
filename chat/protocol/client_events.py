"""Every frame that a client may send in the Realtime dialect, and the one way in: `decode`.

What the vendor's clients send is taken; what this server cannot do is refused with a code and a sentence. Whatever the
frame, `decode` gives an event or raises a `FrameError` that names the client's ``event_id`` wherever it can be read.
"""

from typing import Any, get_args

import msgspec

from chat.conf import conf
from chat.errors import FrameError, FrameTooLarge
from chat.protocol.client_checks import check_item, check_modalities, check_new_item, check_settings
from chat.protocol.client_objects import (
    EventId,
    ItemId,
    NewItem,
    ResponseSettings,
    SessionSettings,
)
from chat.protocol.error_codes import FrameCode
from chat.protocol.frame_errors import check_nul, event_id_of, invalid, parse_object


class ClientEventBase(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True
):
    event_id: EventId | None = None
    """The client's own name for the event, by which an error refers to it; the same one again is not run twice."""


class SessionUpdate(ClientEventBase, frozen=True, kw_only=True, tag="session.update"):
    session: SessionSettings


class ItemCreate(ClientEventBase, frozen=True, kw_only=True, tag="conversation.item.create"):
    item: NewItem
    previous_item_id: ItemId | None = None
    """``root`` is the beginning of the conversation."""


class ItemRetrieve(ClientEventBase, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    item_id: ItemId


class ItemDelete(ClientEventBase, frozen=True, kw_only=True, tag="conversation.item.delete"):
    item_id: ItemId


class ResponseCreate(ClientEventBase, frozen=True, kw_only=True, tag="response.create"):
    response: ResponseSettings | None = None


class ResponseCancel(ClientEventBase, frozen=True, kw_only=True, tag="response.cancel"):
    response_id: ItemId | None = None


ClientEvent = SessionUpdate | ItemCreate | ItemRetrieve | ItemDelete | ResponseCreate | ResponseCancel
CLIENT_EVENT_TYPES: dict[str, type[ClientEvent]] = {
    str(cls.__struct_config__.tag): cls for cls in get_args(ClientEvent)
}

AUDIO_EVENT_TYPES = frozenset(
    {
        "conversation.item.truncate",
        "input_audio_buffer.append",
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "output_audio_buffer.clear",
    }
)
"""The vendor's events that concern audio."""


def decode(frame: str) -> ClientEvent:
    """Raises `FrameError`, and nothing else."""
    if len(frame) > conf().max_frame_bytes:
        raise FrameTooLarge(f"The frame is larger than {conf().max_frame_bytes} bytes. Send less at once.")
    value = parse_object(frame)
    try:
        check_nul(frame, value)
        event = _convert(value)
        _check(event)
    except FrameError as error:
        error.event_id = event_id_of(value)
        raise
    return event


def _convert(value: dict[str, Any]) -> ClientEvent:
    cls = _class_of(value.get("type"))
    try:
        return msgspec.convert(value, cls)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error


def _check(event: ClientEvent) -> None:
    match event:
        case ItemCreate():
            check_new_item(event.item, "item")
        case SessionUpdate():
            check_settings(event.session, "session")
        case ResponseCreate(response=ResponseSettings() as settings):
            check_settings(settings, "response")
            check_modalities(settings, "response")
            for index, item in enumerate(settings.input or ()):
                check_item(item, f"response.input[{index}]")


def _class_of(event_type: object) -> type[ClientEvent]:
    if not isinstance(event_type, str):
        raise _type_error(
            FrameCode.MISSING_TYPE, 'The event has no "type". Give it one, such as "response.create".'
        )
    if event_type in AUDIO_EVENT_TYPES:
        raise _type_error(FrameCode.UNSUPPORTED_EVENT, f"{event_type}: audio is not supported; send text.")
    cls = CLIENT_EVENT_TYPES.get(event_type)
    if cls is None:
        known = ", ".join(CLIENT_EVENT_TYPES)
        raise _type_error(
            FrameCode.UNKNOWN_EVENT_TYPE, f"Unknown event type {event_type[:64]!r}. Known are: {known}."
        )
    return cls


def _type_error(code: FrameCode, message: str) -> FrameError:
    return FrameError(message, code=code, param="type")
