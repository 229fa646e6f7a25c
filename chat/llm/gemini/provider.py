"""Gemini through google-genai. Why it is driven the way it is: ``docs/decisions/0003-gemini-through-google-genai.md``."""

import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types
from google.genai.client import DebugConfig

from chat.conf import conf
from chat.llm.gemini.request import PLACEHOLDER, build_config
from chat.llm.gemini.stream import GeminiRound
from chat.llm.http import PerLoop, client_options, opening_timeout, tls
from chat.llm.provider import ModelRequest
from chat.llm.streaming import StreamingProvider

logger = logging.getLogger(__name__)


_opened: ContextVar[list[httpx2.Response] | None] = ContextVar("gemini_responses", default=None)


@contextmanager
def remembering(responses: list[httpx2.Response]) -> Generator[None]:
    """Collects every response that is opened inside. The SDK gives none away, and its own reader of their bodies costs more
    than all else that a chunk does here (docs/decisions/0054)."""
    token = _opened.set(responses)
    try:
        yield
    finally:
        _opened.reset(token)


class GeminiHttp(httpx2.AsyncClient):
    """A connection pool for one event loop. The key is a header of Google's own: no redirect may carry it elsewhere."""

    def __init__(self) -> None:
        super().__init__(**client_options())

    async def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        """Bounds the connection here; the SDK knows one time-out for everything and would overwrite ours. It is told of the
        head alone: the body of a stream is read by us."""
        request.extensions = {**request.extensions, "timeout": opening_timeout().as_dict()}
        response = await super().send(request, **kwargs)
        if (responses := _opened.get()) is not None:
            responses.append(response)
        if response.status_code == 200 and kwargs.get("stream"):
            return httpx2.Response(200, request=request)
        return response


GEMINI_URL = "https://generativelanguage.googleapis.com/"
DEFAULT_VERSION = "v1"
"""The SDK's own."""
_UNKNOWN_THERE = {404, 405, 501}
"""What a version of the API answers that does not have the model, or the method."""

_SIGNATURE = re.compile("thought.?signature", re.IGNORECASE)

_VERSIONS = {"beta": "v1beta"}
"""The SDK's other name, which it understands in its variable alone."""


class GeminiProvider(StreamingProvider):
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

    async def _open(self, request: ModelRequest) -> httpx2.Response:
        """Asked of ``/v1beta`` where ``/v1`` has no such model or method."""
        responses: list[httpx2.Response] = []
        try:
            with remembering(responses):
                await self._ask_a_version(request, responses)
        except BaseException:
            await _close(responses)
            raise
        *refused, response = responses
        await _close(refused)
        return response

    async def _ask_a_version(self, request: ModelRequest, responses: list[httpx2.Response]) -> None:
        try:
            await self._ask(request)
            return
        except Exception:
            if not self._may_be_beta(responses):
                raise
        self._beta_models.add(request.model)
        try:
            await self._ask(request)
        except Exception:
            if responses[-1].status_code in _UNKNOWN_THERE:
                self._beta_models.discard(request.model)
            raise
        logger.warning("gemini: /v1 does not serve %s, /v1beta does and is asked from now on", request.model)

    def _may_be_beta(self, responses: list[httpx2.Response]) -> bool:
        last = responses[-1] if responses else None
        asked_v1 = last is not None and "/v1/" in last.request.url.path
        unknown = last is not None and last.status_code in _UNKNOWN_THERE
        return asked_v1 and unknown and conf().gemini_api_version is None

    async def _ask(self, request: ModelRequest) -> None:
        """A second time without its own signatures where they are refused: they go stale (the key is another project's now,
        the vendor changed its own), and a session must not die of it."""
        try:
            await self._send(request)
        except errors.ClientError as error:
            if error.code != 400 or not _SIGNATURE.search(str(error)):
                raise
            await self._send(request, signed=False)

    async def _send(self, request: ModelRequest, *, signed: bool = True) -> None:
        """Nothing is sent before the first chunk is asked for."""
        version = "v1beta" if request.model in self._beta_models else None
        client, _ = self._clients.get()
        stream = await client.aio.models.generate_content_stream(
            model=request.model,
            contents=PLACEHOLDER,
            config=build_config(request, api_version=version, signed=signed),
        )
        await anext(stream, None)

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
            async_client_args={"ssl": tls()},  # for the Live API: else they are read once more
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        live = DebugConfig(client_mode=None, replays_directory=None, replay_id=None)
        client = genai.Client(api_key=self._key, vertexai=False, http_options=options, debug_config=live)
        return client, http


async def _close(responses: list[httpx2.Response]) -> None:
    for response in responses:
        await response.aclose()
