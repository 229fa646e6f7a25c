"""What every page of ours forbids its browser: Content-Security-Policy and Permissions-Policy.

A page of the chat or of the front door takes nothing but this server's own files and sockets, and HTML from a string from
DOMPurify alone (trusted types, where the browser has them). The admin's pages are django-unfold's: their styles are inline.
"""

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from chat.conf import LOOPBACK, conf
from realtime_ai.front.middleware import Middleware

_ALL = (
    "default-src 'none'",
    "script-src 'self'",
    "font-src 'self'",
    "img-src 'self' data:",
    "form-action 'self'",
    "base-uri 'none'",
)
_PAGE = (
    "style-src 'self'",
    "manifest-src 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify",
)
_ADMIN = ("style-src 'self' 'unsafe-inline'", "connect-src 'self'")

_DEVELOPERS_PAGES = (404, 500)
"""With DEBUG they are Django's own, with styles and scripts in them."""
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "autoplay",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)
"""What none of our pages asks for; passkeys and the clipboard are left to the page itself."""


def page_policy(host: str, *, ancestors: Sequence[str] = ()) -> str:
    """``ancestors``: the origins whose pages may show it in a frame."""
    return "; ".join((f"connect-src 'self'{_sockets_of(host)}", *_ALL, _framed_by(ancestors), *_PAGE))


def admin_policy() -> str:
    return "; ".join((*_ALL, _framed_by(()), *_ADMIN))


def _framed_by(ancestors: Sequence[str]) -> str:
    return "frame-ancestors " + (" ".join(ancestors) or "'none'")


def _sockets_of(host: str) -> str:
    """Named beside ``'self'`` because older browsers do not count ``ws:`` and ``wss:`` as the same origin. In development the
    machine's other name as well, so that what says localhost works on 127.0.0.1."""
    if host.startswith("["):  # a policy cannot name an IPv6 address
        return ""
    name, colon, port = host.partition(":")
    names = LOOPBACK[:2] if conf().local_pages and name in LOOPBACK else (name,)
    return "".join(f" ws://{one}{colon}{port} wss://{one}{colon}{port}" for one in names)


class PolicyMiddleware(Middleware):
    """A page that brings a policy of its own keeps it."""

    def finished(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return with_policies(request, response)


def with_policies(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    of_admin = request.path_info.startswith(reverse("admin:index"))
    if settings.DEBUG and response.status_code in _DEVELOPERS_PAGES:
        return response
    if not response.has_header("Content-Security-Policy"):
        ancestors = getattr(response, "frame_ancestors", ())
        response["Content-Security-Policy"] = (
            admin_policy()
            if of_admin and not _is_door(request)
            else page_policy(_host(request), ancestors=ancestors)
        )
    response.headers.setdefault("Permissions-Policy", PERMISSIONS)
    return response


def _is_door(request: HttpRequest) -> bool:
    """The admin's sign-in is a page of the front door."""
    return request.path_info == reverse("admin:login")


def _host(request: HttpRequest) -> str:
    try:
        return request.get_host()
    except DisallowedHost:  # answered with 400
        return ""
