"""An error as OpenAI's HTTP API tells it: the status, the object, and whether its SDKs ask again by themselves.

The SDKs repeat a request on 408, 409, 429 and 5xx, twice, unless ``x-should-retry`` says otherwise.
"""

import math
import re
from http import HTTPStatus
from typing import Any, NamedTuple

from chat import errors as ce
from chat.errors import ChatError
from chat.session.relay_messages import RemoteError
from sessions_app import errors as se
from sessions_app.errors import SessionsError

AnyError = ChatError | SessionsError

_STATUS: dict[str, HTTPStatus] = {
    ce.CredentialsInvalid.code: HTTPStatus.UNAUTHORIZED,
    ce.CredentialsEnded.code: HTTPStatus.UNAUTHORIZED,
    ce.AccessError.code: HTTPStatus.FORBIDDEN,
    ce.ChosenIdRefused.code: HTTPStatus.FORBIDDEN,
    ce.OriginRefused.code: HTTPStatus.FORBIDDEN,
    ce.ReadOnlyKey.code: HTTPStatus.FORBIDDEN,
    ce.InstructionsNotAllowed.code: HTTPStatus.FORBIDDEN,
    ce.OwnApproval.code: HTTPStatus.FORBIDDEN,
    ce.UnknownAddress.code: HTTPStatus.NOT_FOUND,
    ce.ObjectNotFound.code: HTTPStatus.NOT_FOUND,
    ce.AssistantNotFound.code: HTTPStatus.NOT_FOUND,
    se.SessionNotFound.code: HTTPStatus.NOT_FOUND,
    ce.ActiveResponse.code: HTTPStatus.CONFLICT,
    ce.NoActiveResponse.code: HTTPStatus.CONFLICT,
    ce.AlreadyDecided.code: HTTPStatus.CONFLICT,
    ce.ApprovalWaits.code: HTTPStatus.CONFLICT,
    ce.TooManySockets.code: HTTPStatus.TOO_MANY_REQUESTS,
    ce.RateLimited.code: HTTPStatus.TOO_MANY_REQUESTS,
    ce.LimitReached.code: HTTPStatus.TOO_MANY_REQUESTS,
    ce.QueueFull.code: HTTPStatus.TOO_MANY_REQUESTS,
    ce.BudgetExceeded.code: HTTPStatus.TOO_MANY_REQUESTS,
    ce.ShuttingDown.code: HTTPStatus.SERVICE_UNAVAILABLE,
    se.SessionElsewhere.code: HTTPStatus.SERVICE_UNAVAILABLE,
    se.DatabaseAway.code: HTTPStatus.SERVICE_UNAVAILABLE,
    se.FileTypeRefused.code: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    se.FileBroken.code: HTTPStatus.UNPROCESSABLE_ENTITY,
    se.FileTooLarge.code: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    se.FileNotFound.code: HTTPStatus.NOT_FOUND,
    se.FileStorageAway.code: HTTPStatus.SERVICE_UNAVAILABLE,
}
_WAIT = re.compile(r"Try again in (\d+) s")


class Told(NamedTuple):
    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def told(error: AnyError, *, stored: bool = False) -> Told:
    """``stored``: what was asked for is in the log already, so that another request would be another turn."""
    status = status_of(error)
    headers = {}
    if wait := _WAIT.search(error.message):
        headers["retry-after"] = wait[1]
    elif status in _SOON and error.retryable:
        headers["retry-after"] = str(math.ceil(_AWAY_S))
    if not error.retryable or (stored and status != HTTPStatus.SERVICE_UNAVAILABLE):
        headers["x-should-retry"] = "false"
    return Told(status, {"error": object_of(error)}, headers)


_AWAY_S = 1.0
_SOON = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


def object_of(error: AnyError) -> dict[str, Any]:
    return {
        "message": error.message,
        "type": getattr(error, "error_type", _type_of(error)),
        "param": getattr(error, "param", None),
        "code": error.code,
    }


def status_of(error: AnyError) -> int:
    if (status := _STATUS.get(error.code)) is not None:
        return status
    if isinstance(error, RemoteError):
        client = error.error_type == "invalid_request_error"
        return HTTPStatus.BAD_REQUEST if client else HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, ce.FrameError | ce.TurnError | se.InvalidSessionId):
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _type_of(error: AnyError) -> str:
    refused = isinstance(error, se.InvalidSessionId | se.SessionNotFound)
    return "invalid_request_error" if refused else "server_error"
