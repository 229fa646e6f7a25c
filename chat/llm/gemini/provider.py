"""Gemini through google-genai. Why it is driven the way it is: ``docs/decisions/0003-gemini-through-google-genai.md``."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import httpx2
from google import genai
from google.genai import types
from google.genai.client import DebugConfig

from chat.conf import conf
from chat.errors import ModelTimeout, ProviderError
from chat.llm.failures import error_in, failure, provider_error, told_in_stream
from chat.llm.gemini.request import PLACEHOLDER, build_config
from chat.llm.gemini.stream import GeminiRound
from chat.llm.http import LIMITS, events_in, opening_timeout, tls
from chat.llm.provider import ModelEvent, ModelRequest, Provider

logger = logging.getLogger(__name__)


# The HTTP connections under the Gemini SDK: as any vendor's, closed when we say so, and read as the
# standard wants it.


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


REST_SECONDS = 1.0
"""For what follows the finish reason: a last count of tokens, the end of the HTTP answer."""

GEMINI_URL = "https://generativelanguage.googleapis.com/"
DEFAULT_VERSION = "v1"
"""The SDK's own."""
_UNKNOWN_THERE = {404, 405, 501}
"""What a version of the API answers that does not have the model, or the method."""

_VERSIONS = {"beta": "v1beta"}
"""The SDK's other name, which it understands in its variable alone."""

_Chunk = types.GenerateContentResponse


class GeminiProvider(Provider):
    """Safe to use from several event loops; each has a client, thus a connection pool, of its own."""

    name = "gemini"

    def __init__(self, api_key: str) -> None:
        self._key = api_key
        self._clients: dict[asyncio.AbstractEventLoop, tuple[genai.Client, GeminiHttp]] = {}
        self._beta_models: set[str] = set()
        """What lives below ``/v1beta`` alone; learned by asking."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        round_ = GeminiRound(model=request.model)
        async with aclosing(self._chunks(request)) as chunks:
            async for chunk in chunks:
                for event in round_.read(chunk):
                    yield event
        yield round_.completed()

    async def aclose(self) -> None:
        """Closes the running loop's connections; one can only be closed where it was opened."""
        if own := self._clients.pop(asyncio.get_running_loop(), None):
            await own[1].aclose()

    async def _chunks(self, request: ModelRequest) -> AsyncGenerator[_Chunk, None]:
        responses: list[httpx2.Response] = []
        try:
            with remembering(responses):
                stream, chunk = await self._begin(request, responses)
            loop, ends_at = asyncio.get_running_loop(), 0.0
            while chunk is not None:
                yield chunk
                if not ends_at and _finishes(chunk):
                    ends_at = loop.time() + REST_SECONDS
                chunk = await (
                    self._rest(stream, ends_at - loop.time())
                    if ends_at
                    else self._next(stream, conf().model_silence_seconds)
                )
        finally:
            for response in responses:
                await response.aclose()

    async def _begin(
        self, request: ModelRequest, responses: list[httpx2.Response]
    ) -> tuple[AsyncIterator[_Chunk], _Chunk | None]:
        """The stream and its first chunk; asked of ``/v1beta`` where ``/v1`` has no such model or method."""
        stream = await self._open(request)
        try:
            return stream, await self._next(stream, conf().model_first_event_seconds)
        except ProviderError:
            if not self._may_be_beta(responses):
                raise
        self._beta_models.add(request.model)
        try:
            stream = await self._open(request)
            chunk = await self._next(stream, conf().model_first_event_seconds)
        except ProviderError:
            if responses[-1].status_code in _UNKNOWN_THERE:
                self._beta_models.discard(request.model)
            raise
        logger.warning("gemini: /v1 does not serve %s, /v1beta does and is asked from now on", request.model)
        return stream, chunk

    def _may_be_beta(self, responses: list[httpx2.Response]) -> bool:
        last = responses[-1] if responses else None
        asked_v1 = last is not None and "/v1/" in last.request.url.path
        unknown = last is not None and last.status_code in _UNKNOWN_THERE
        return asked_v1 and unknown and conf().gemini_api_version is None

    async def _open(self, request: ModelRequest) -> AsyncIterator[_Chunk]:
        """Nothing is sent before the first chunk is asked for."""
        version = "v1beta" if request.model in self._beta_models else None
        return await self._client().aio.models.generate_content_stream(
            model=request.model, contents=PLACEHOLDER, config=build_config(request, api_version=version)
        )

    async def _next(self, stream: AsyncIterator[_Chunk], seconds: float) -> _Chunk | None:
        """None at the end. Raises `ProviderError` for whatever goes wrong."""
        try:
            async with asyncio.timeout(seconds):
                return await anext(stream, None)
        except TimeoutError as error:
            raise ModelTimeout(cause=f"no event for {seconds:g} s") from error
        except Exception as error:
            raise provider_error(error) from error

    async def _rest(self, stream: AsyncIterator[_Chunk], seconds: float) -> _Chunk | None:
        """What follows a finish reason. Whatever goes wrong there, the answer is whole."""
        with suppress(ProviderError):
            return await self._next(stream, seconds)
        return None

    def _client(self) -> genai.Client:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients = {one: client for one, client in self._clients.items() if not one.is_closed()}
            self._clients[loop] = self._new_client()
        return self._clients[loop][0]

    def _new_client(self) -> tuple[genai.Client, GeminiHttp]:
        """The SDK reads variables where it is told nothing (another API, another version, a replay): it is told everything.

        One attempt: who is asked again, and when, is `chat.llm.route`'s business.
        """
        http = GeminiHttp()
        unused = httpx2.Client(
            verify=tls()
        )  # else the SDK makes one of its own, and reads all certificates for it
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


def _finishes(chunk: _Chunk) -> bool:
    return bool(chunk.candidates and chunk.candidates[0].finish_reason)
