"""Requests that make no sense are answered with 400, whichever page they were for.

A page's own checks come first; what is left is a character that PostgreSQL takes nowhere, and values that only the database finds
impossible (``?id__exact=99999999999999999999``, a year of 20 digits). Pages of others, the admin's above all, check neither.
"""

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest

logger = logging.getLogger(__name__)

_IMPOSSIBLE = (DataError, OverflowError)
"""Of the database, and of Python's dates on the way there."""
_NUL_IN_QUERY = "%00"
_NUL = "\x00"


class MalformedRequestMiddleware:
    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._answer(request)
        return _refused() if _has_nul(request) else self._get_response(request)

    async def _answer(self, request: HttpRequest) -> Any:
        return _refused() if _has_nul(request) else await self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, _IMPOSSIBLE):
            return None
        logger.warning("%s: a value that makes no sense: %s", request.path, str(error).strip())
        return _refused()


def _has_nul(request: HttpRequest) -> bool:
    """The API looks into its queries itself, and answers with codes of its own."""
    query = "" if request.path_info.startswith("/api/") else request.META.get("QUERY_STRING", "")
    return _NUL in request.path_info or _NUL_IN_QUERY in query or _NUL in query


def _refused() -> HttpResponse:
    return HttpResponseBadRequest("The request makes no sense.", content_type="text/plain")
