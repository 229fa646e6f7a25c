"""Requests that no page can answer: 400 for one that makes no sense, 503 while the database does not do its part.

A page's own checks come first. What is left of the first kind is a character that PostgreSQL takes nowhere, and values that
only the database finds impossible (``?id__exact=99999999999999999999``, a year of 20 digits). Pages of others, the admin's
above all, check neither, nor what it means that the database is gone, or takes no writes.
"""

import logging

from django.db import DataError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, resolve

from chat.wire.codes import FrameCode
from realtime_ai.front.middleware import Middleware
from sessions_app.errors import DatabaseAway
from sessions_app.postgres.outage import Verdict, is_read_only, verdict

logger = logging.getLogger(__name__)

_IMPOSSIBLE = (DataError, OverflowError)
"""Of the database, and of Python's dates on the way there."""
_NUL_IN_QUERY = "%00"
_NUL = "\x00"
_RETRY_AFTER_S = 5
_FOR_PROGRAMS = "/api/"


class UnanswerableRequestMiddleware(Middleware):
    """A view with the attribute ``answers_any_query`` looks into its query itself, and answers with codes of its own."""

    def refused(self, request: HttpRequest) -> HttpResponse | None:
        return _malformed(request) if _has_nul(request) else None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, _IMPOSSIBLE):
            logger.warning("%s: a value that makes no sense: %s", request.path, str(error).strip())
            return _malformed(request)
        if isinstance(error, DatabaseAway) or verdict(error) is Verdict.AWAY:
            logger.warning("%s: the database is away: %s", request.path, " ".join(str(error).split()))
            return _unavailable(request, read_only=is_read_only(error))
        return None


def _has_nul(request: HttpRequest) -> bool:
    if _NUL in request.path_info:
        return True
    query = request.META.get("QUERY_STRING", "")
    return (_NUL_IN_QUERY in query or _NUL in query) and not _answers_any_query(request.path_info)


def _answers_any_query(path: str) -> bool:
    try:
        return bool(getattr(resolve(path).func, "answers_any_query", False))
    except Resolver404:
        return False


def _malformed(request: HttpRequest) -> HttpResponse:
    return _told(request, 400, FrameCode.INVALID_TEXT, "The request makes no sense.")


def _unavailable(request: HttpRequest, *, read_only: bool) -> HttpResponse:
    why = "takes no changes" if read_only else "cannot be reached"
    message = f"The database {why} right now. Nothing was changed; try again in a moment."
    response = _told(request, 503, DatabaseAway.code, message)
    response["Retry-After"] = str(_RETRY_AFTER_S)
    return response


def _told(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    """A person reads a sentence, a program what `/api` says of any error."""
    if request.path_info.startswith(_FOR_PROGRAMS):
        return JsonResponse({"error": {"code": code, "message": message}}, status=status)
    return HttpResponse(message, status=status, content_type="text/plain")
