"""The HTTP connections under the Gemini SDK: as any vendor's, closed when we say so, and read as the standard wants it."""

import json
import re
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx2

from chat.providers.failure_words import error_in, told_in_stream
from chat.providers.failures import failure
from chat.providers.http_client import LIMITS, opening_timeout, tls
from chat.providers.sse import events_in

_opened: ContextVar[list[httpx2.Response] | None] = ContextVar("gemini_responses", default=None)

_CODED = {"content-encoding", "content-length", "transfer-encoding"}
"""What a head says of a body as it was sent."""
_FRACTION = re.compile(r'("\w*TokenCount"\s*:\s*\d+)\.\d+')


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
        if response.status_code == 200 and kwargs.get("stream"):
            response = _plain(response)
        if (responses := _opened.get()) is not None:
            responses.append(response)
        return response


def _plain(response: httpx2.Response) -> httpx2.Response:
    """The same, its events in the one form that the SDK's parser reads."""
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in _CODED]
    return httpx2.Response(
        response.status_code,
        headers=headers,
        stream=_PlainEvents(response),
        request=response.request,
        extensions=response.extensions,
    )


class _PlainEvents(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for sent in events_in(self._response):
            lines = _for_sdk(sent.data).splitlines()
            if lines:
                yield b"".join(b"data: %s\n" % line for line in lines) + b"\n"

    async def aclose(self) -> None:
        await self._response.aclose()


def _for_sdk(data: str) -> bytes:
    """Raises `ProviderError` for an error in the place of a chunk. Empty for what is none.

    The SDK refuses a count with a fraction, and with it the answer.
    """
    if data.strip() in {"", "null"} or data.startswith("[DONE]"):
        return b""
    if '"error"' in data:
        _raise_error(data)
    return (_FRACTION.sub(r"\1", data) if "TokenCount" in data else data).encode()


def _raise_error(data: str) -> None:
    chunk = json.loads(data)
    if isinstance(chunk, dict) and error_in(chunk):
        raise failure(told_in_stream(chunk))
