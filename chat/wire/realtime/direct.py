"""The frames that are no part of the log: answers to one socket. Their ``event_id`` is no place to resume from."""

from msgspec import UNSET

from chat.errors import ChatError
from chat.wire.realtime.objects import Item, SessionObject, StreamInfo
from chat.wire.realtime.open_response import dropped_response, queued_response
from chat.wire.realtime.server import (
    ErrorDetails,
    ErrorEvent,
    ItemRetrieved,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
)
from sessions_app.errors import InvalidSessionId, SessionNotFound, SessionsError
from sessions_app.ids import new_id
from sessions_app.log import events as ev


def session_created(session: SessionObject, stream: StreamInfo, *, notice: str = "") -> SessionCreated:
    return SessionCreated(event_id=new_id("evt"), session=session, x_stream=stream, x_notice=notice or UNSET)


def session_updated(session: SessionObject, *, notice: str = "") -> SessionUpdated:
    return SessionUpdated(event_id=new_id("evt"), session=session, x_notice=notice or UNSET)


def passed_over(session_id: str, *, client_event_id: str | None) -> list[ServerEvent]:
    """A response that was asked for with nothing to answer: it has come and gone, and the log knows nothing of it.

    A response and no error: SDKs hold their next ``response.create`` back until this one is done.
    """
    response_id = new_id("resp")
    asked = ev.ResponseQueued(response_id=response_id, position=0, client_event_id=client_event_id)
    created = queued_response(asked, session_id)
    created.response.x_queued = UNSET
    end = ev.ResponseDone(
        response_id=response_id, status=ev.ResponseStatus.CANCELLED, reason=ev.Reason.NOTHING_NEW, waited=True
    )
    done = dropped_response(end, session_id)
    created.event_id, done.event_id = new_id("evt"), new_id("evt")
    return [created, done]


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
