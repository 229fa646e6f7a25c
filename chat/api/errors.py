"""One shape for all that goes wrong: ``{"error": {"code", "message"}}``, the code for programs, the sentence says what to do."""

import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from chat.errors import ChatError, FrameError
from chat.page.own_data import Refused
from chat.wire.codes import FrameCode
from chat.wire.http.errors import told
from sessions_app.errors import DatabaseAway, SessionOver, SessionsError
from sessions_app.postgres.outage import Verdict, verdict

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]
Handler = Callable[[HttpRequest, Any], HttpResponse]


class Code(StrEnum):
    """Of what only plain HTTP knows; all others are those of the sockets (docs/protocol.md)."""

    CSRF_FAILED = "csrf_failed"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    SEARCH_TOO_SLOW = "search_too_slow"
    WHOSE_MISSING = "whose_missing"


def handle_errors(api: NinjaAPI) -> None:
    """ninja's types take an error's class for an error, too."""
    handlers: dict[type[Exception], Handler] = {
        Refused: lambda _request, error: error.response(),
        ChatError: _refuse,
        SessionsError: _refuse,
        ValidationError: _invalid,
        HttpError: _unreadable,
        Http404: lambda request, _error: not_offered(request),
        Exception: _failed,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _refuse(_request: HttpRequest, error: ChatError | SessionsError) -> HttpResponse:
    answer = told(error)
    status = HTTPStatus.CONFLICT if isinstance(error, SessionOver) else answer.status
    return JsonResponse(answer.body, status=status, headers=answer.headers)


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Only the first that is wrong is told."""
    first = error.errors[0]
    missing = first["type"] == "missing"
    code = FrameCode.MISSING_PARAMETER if missing else FrameCode.INVALID_EVENT
    param = _param(first["loc"])
    return _refuse(
        request, FrameError(f"{param or 'The body'}: {first['msg']}.", code=code, param=param or None)
    )


def _param(place: Sequence[Any]) -> str:
    """pydantic's place without where it was looked for, and without the name of the argument that takes a body."""
    return ".".join(map(str, place[2:] if place[0] == "body" else place[1:]))


def _unreadable(request: HttpRequest, _error: HttpError) -> HttpResponse:
    return _refuse(request, FrameError("The body is not JSON in UTF-8.", code=FrameCode.INVALID_JSON))


def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    """Raises what is no outage: that is a fault of ours."""
    if isinstance(error, TimeoutError) or verdict(error) is Verdict.AWAY:
        logger.warning("%s: the database is away: %s", request.path, " ".join(str(error).split()))
        return _refuse(request, DatabaseAway())
    raise error


def not_offered(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {
            "error": {
                "code": "not_found",
                "message": f"{request.method} {request.path[:200]} is not offered here. /api/docs lists what is.",
            }
        },
        status=HTTPStatus.NOT_FOUND,
    )


def in_our_shape(view: View) -> View:
    """What the view answers, for programs: nothing is kept by who passes it on; a method that is not there says so as all else
    does. HEAD is GET without its body."""

    @wraps(view)
    def answered(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        head = request.method == "HEAD"
        if head:
            request.method = "GET"
        response = view(request, **kwargs)
        if head:
            request.method = "HEAD"
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response = _not_allowed(request, response)
        add_never_cache_headers(response)
        patch_vary_headers(response, ["Cookie"])
        return response

    return answered


def _not_allowed(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    allowed = response["Allow"]
    message = f"{request.method} is not offered here, but {allowed}."
    details = {"code": Code.METHOD_NOT_ALLOWED, "message": message}
    return JsonResponse({"error": details}, status=response.status_code, headers={"Allow": allowed})
