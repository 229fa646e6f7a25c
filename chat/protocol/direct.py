"""The frames that are no part of the log: answers to one socket. Their ``event_id`` is no place to resume from."""

from msgspec import UNSET

from chat.errors import ChatError
from chat.protocol.items import Item
from chat.protocol.objects import SessionObject, StreamInfo
from chat.protocol.server_events import (
    ErrorDetails,
    ErrorEvent,
    ItemRetrieved,
    SessionCreated,
    SessionUpdated,
)
from sessions_app.errors import InvalidSessionId, SessionNotFound, SessionsError
from sessions_app.ids import new_id


def session_created(session: SessionObject, stream: StreamInfo, *, notice: str = "") -> SessionCreated:
    return SessionCreated(event_id=new_id("evt"), session=session, x_stream=stream, x_notice=notice or UNSET)


def session_updated(session: SessionObject) -> SessionUpdated:
    return SessionUpdated(event_id=new_id("evt"), session=session)


def item_retrieved(item: Item) -> ItemRetrieved:
    return ItemRetrieved(event_id=new_id("evt"), item=item)


def error_event(error: ChatError | SessionsError, *, event_id: str | None = None) -> ErrorEvent:
    """``event_id`` is the client's event that went wrong, where the error does not know it."""
    chat_error = error if isinstance(error, ChatError) else None
    return ErrorEvent(
        event_id=new_id("evt"),
        error=ErrorDetails(
            type=_error_type(error),
            code=error.code,
            message=error.message,
            param=chat_error.param if chat_error else None,
            event_id=(chat_error.event_id if chat_error else None) or event_id,
            x_retryable=error.retryable,
        ),
    )


def _error_type(error: ChatError | SessionsError) -> str:
    if isinstance(error, ChatError):
        return error.error_type
    return (
        "invalid_request_error" if isinstance(error, InvalidSessionId | SessionNotFound) else "server_error"
    )
