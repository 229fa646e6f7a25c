"""The HTTP connections under the Gemini SDK: bounded waits, no bound on streams, closed when we say so."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import httpx2

from chat.conf import conf

_opened: ContextVar[list[httpx2.Response] | None] = ContextVar("gemini_responses", default=None)


@contextmanager
def remembering(responses: list[httpx2.Response]) -> Generator[None]:
    """Collects every response that is opened inside, so that its stream can be closed from outside.

    The SDK cannot: closing its generator leaves inner ones that hold each other, and the connection stays open, and is
    paid for, until the garbage collector comes by (seen with google-genai 3.4).
    """
    token = _opened.set(responses)
    try:
        yield
    finally:
        _opened.reset(token)


@cache
def tls() -> ssl.SSLContext:
    """Reads the certificates: 20 to 40 ms, so once."""
    return httpx2.create_ssl_context()


class GeminiHttp(httpx2.AsyncClient):
    """A connection pool for one event loop.

    Redirects are not followed: they would carry the key (a header of Google's own) to another host. The pool is
    unbounded, because a stream holds its connection for as long as the answer takes; the default of 100 would make
    the 101st user wait in silence.
    """

    def __init__(self) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60.0)
        super().__init__(verify=tls(), limits=limits)

    async def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        """Bounds the connection here; the SDK knows one time-out for everything and would overwrite ours.

        The waits between two reads are bounded by the provider, which knows what an event is.
        """
        seconds = conf().model_connect_seconds
        timeout = httpx2.Timeout(None, connect=seconds, write=seconds, pool=seconds)
        request.extensions = {**request.extensions, "timeout": timeout.as_dict()}
        response = await super().send(request, **kwargs)
        if (responses := _opened.get()) is not None:
            responses.append(response)
        return response
