"""Calls that pages of other origins make with a key or a token: those that may open sockets here (``ALLOWED_ORIGINS``)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from chat.errors import OriginRefused
from chat.wire.auth import check_origin

View = Callable[..., HttpResponseBase]


def from_other_origins(view: View) -> View:
    """The view, with what a browser asks for before and wants to read after; to others it is as ever, which a page of theirs
    cannot read. Cookies do not come along: `Allow-Credentials` is never said."""

    @wraps(view)
    def asked(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        is_welcome = _is_welcome(request)
        answer = _preflight() if is_welcome and request.method == "OPTIONS" else view(request, **kwargs)
        if is_welcome:
            answer["Access-Control-Allow-Origin"] = request.headers["Origin"]
        patch_vary_headers(answer, ["Origin"])
        return answer

    return asked


def _is_welcome(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    try:
        check_origin({"origin": origin, "host": request.get_host()})
    except OriginRefused:
        return False
    return True


def _preflight() -> HttpResponse:
    return HttpResponse(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, DELETE",
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": "600",
        },
    )
