"""The HTTP connections under the Gemini SDK: as any vendor's, and closed when we say so."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx2

from chat.providers.http_client import LIMITS, opening_timeout, tls

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


class GeminiHttp(httpx2.AsyncClient):
    """A connection pool for one event loop. The key is a header of Google's own: no redirect may carry it elsewhere."""

    def __init__(self) -> None:
        super().__init__(verify=tls(), limits=LIMITS, follow_redirects=False)

    async def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        """Bounds the connection here; the SDK knows one time-out for everything and would overwrite ours."""
        request.extensions = {**request.extensions, "timeout": opening_timeout().as_dict()}
        response = await super().send(request, **kwargs)
        if (responses := _opened.get()) is not None:
            responses.append(response)
        return response
