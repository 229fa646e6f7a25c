"""Gemini through google-genai. Why it is driven the way it is: ``docs/decisions/0003-gemini-through-google-genai.md``."""

import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx2
from google import genai
from google.genai import types
from google.genai.client import DebugConfig

from chat.conf import conf
from chat.llm.failures import error_in, failure, told_in_stream
from chat.llm.gemini.request import PLACEHOLDER, build_config
from chat.llm.gemini.stream import GeminiRound
from chat.llm.http import LIMITS, PerLoop, events_in, opening_timeout, tls
from chat.llm.provider import ModelRequest
from chat.llm.streaming import StreamingProvider

logger = logging.getLogger(__name__)


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


GEMINI_URL = "https://generativelanguage.googleapis.com/"
DEFAULT_VERSION = "v1"
"""The SDK's own."""
_UNKNOWN_THERE = {404, 405, 501}
"""What a version of the API answers that does not have the model, or the method."""

_VERSIONS = {"beta": "v1beta"}
"""The SDK's other name, which it understands in its variable alone."""

_Chunk = types.GenerateContentResponse


class GeminiProvider(StreamingProvider[_Chunk]):
    name = "gemini"

    def __init__(self, api_key: str) -> None:
        self._key = api_key
        self._clients: PerLoop[tuple[genai.Client, GeminiHttp]] = PerLoop(
            self._new_client, lambda made: made[1].aclose()
        )
        self._beta_models: set[str] = set()
        """What lives below ``/v1beta`` alone; learned by asking."""

    def _round(self, request: ModelRequest) -> GeminiRound:
        return GeminiRound(model=request.model)

    async def _events(self, request: ModelRequest) -> AsyncGenerator[_Chunk, None]:
        responses: list[httpx2.Response] = []
        try:
            with remembering(responses):
                stream, chunk = await self._begin(request, responses)
            while chunk is not None:
                yield chunk
                chunk = await anext(stream, None)
        finally:
            for response in responses:
                await response.aclose()

    async def _begin(
        self, request: ModelRequest, responses: list[httpx2.Response]
    ) -> tuple[AsyncIterator[_Chunk], _Chunk | None]:
        """The stream and its first chunk; asked of ``/v1beta`` where ``/v1`` has no such model or method."""
        try:
            return await self._open(request)
        except Exception:
            if not self._may_be_beta(responses):
                raise
        self._beta_models.add(request.model)
        try:
            opened = await self._open(request)
        except Exception:
            if responses[-1].status_code in _UNKNOWN_THERE:
                self._beta_models.discard(request.model)
            raise
        logger.warning("gemini: /v1 does not serve %s, /v1beta does and is asked from now on", request.model)
        return opened

    def _may_be_beta(self, responses: list[httpx2.Response]) -> bool:
        last = responses[-1] if responses else None
        asked_v1 = last is not None and "/v1/" in last.request.url.path
        unknown = last is not None and last.status_code in _UNKNOWN_THERE
        return asked_v1 and unknown and conf().gemini_api_version is None

    async def _open(self, request: ModelRequest) -> tuple[AsyncIterator[_Chunk], _Chunk | None]:
        """Nothing is sent before the first chunk is asked for."""
        version = "v1beta" if request.model in self._beta_models else None
        client, _ = self._clients.get()
        stream = await client.aio.models.generate_content_stream(
            model=request.model, contents=PLACEHOLDER, config=build_config(request, api_version=version)
        )
        return stream, await anext(stream, None)

    def _new_client(self) -> tuple[genai.Client, GeminiHttp]:
        """The SDK reads variables where it is told nothing (another API, another version, a replay): it is told everything.

        One attempt: who is asked again, and when, is `chat.llm.route`'s business.
        """
        http = GeminiHttp()
        unused = httpx2.Client(verify=tls())  # else the SDK makes one, and reads all certificates for it
        asked = conf().gemini_api_version
        options = types.HttpOptions(
            base_url=conf().google_gemini_base_url or GEMINI_URL,
            api_version=_VERSIONS.get(asked, asked) if asked else DEFAULT_VERSION,
            httpx_async_client=http,
            httpx_client=unused,
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        live = DebugConfig(client_mode=None, replays_directory=None, replay_id=None)
        client = genai.Client(api_key=self._key, vertexai=False, http_options=options, debug_config=live)
        return client, http
