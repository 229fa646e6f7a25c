"""Requests that no page can answer: 400 for one that makes no sense, 503 while the database does not do its part.

A page's own checks come first. What is left of the first kind is a character that PostgreSQL takes nowhere, and values that
only the database finds impossible (``?id__exact=99999999999999999999``, a year of 20 digits). Pages of others, the admin's
above all, check neither, nor what it means that the database is gone, or takes no writes.
"""

import logging

from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from realtime_ai.front.middleware import Middleware
from sessions_app.errors import DatabaseAway
from sessions_app.postgres.outage import Verdict, is_read_only, verdict

logger = logging.getLogger(__name__)

_IMPOSSIBLE = (DataError, OverflowError)
"""Of the database, and of Python's dates on the way there."""
_NUL_IN_QUERY = "%00"
_NUL = "\x00"
_RETRY_AFTER_S = 5


class UnanswerableRequestMiddleware(Middleware):
    """A view with the attribute ``answers_any_query`` looks into its query itself, and answers with codes of its own."""

    def refused(self, request: HttpRequest) -> HttpResponse | None:
        return _malformed() if _has_nul(request) else None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, _IMPOSSIBLE):
            logger.warning("%s: a value that makes no sense: %s", request.path, str(error).strip())
            return _malformed()
        if isinstance(error, DatabaseAway) or verdict(error) is Verdict.AWAY:
            logger.warning("%s: the database is away: %s", request.path, " ".join(str(error).split()))
            return _unavailable(read_only=is_read_only(error))
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


def _malformed() -> HttpResponse:
    return HttpResponse("The request makes no sense.", status=400, content_type="text/plain")


def _unavailable(*, read_only: bool) -> HttpResponse:
    why = "takes no changes" if read_only else "cannot be reached"
    return HttpResponse(
        f"The database {why} right now. Nothing was changed; try again in a moment.",
        status=503,
        content_type="text/plain",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )
