"""The headers of the chat's own pages: what a browser may load, run and tell others there."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from chat.conf import LOOPBACK, conf


def with_page_policy(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The response, closed to everything but this server's own files and sockets.

    The sockets are named beside ``'self'`` because older browsers do not count ``ws:`` and ``wss:`` as the same origin.
    HTML from a string is taken from DOMPurify alone (trusted types, where the browser has them).
    """
    rules = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",
        f"connect-src 'self'{_sockets_of(request.get_host())}",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types dompurify",
    )
    response["Content-Security-Policy"] = "; ".join(rules)
    response["Referrer-Policy"] = "same-origin"  # the address of a session can be the key to it
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


def _sockets_of(host: str) -> str:
    """In development the machine's other name as well, so that what says localhost works on 127.0.0.1."""
    if host.startswith("["):  # a policy cannot name an IPv6 address
        return ""
    name, colon, port = host.partition(":")
    names = LOOPBACK[:2] if conf().local_pages and name in LOOPBACK else (name,)
    return "".join(f" ws://{one}{colon}{port} wss://{one}{colon}{port}" for one in names)
