"""Claude through the Anthropic SDK. Why it is driven the way it is: ``docs/decisions/0011-claude-through-anthropic.md``."""

import re

import httpx2
from anthropic import APIConnectionError, AsyncAnthropic, BadRequestError

from chat.conf import conf
from chat.llm.anthropic.request import build_body
from chat.llm.anthropic.stream import AnthropicRound
from chat.llm.http import PerLoop, new_http_client, opening_timeout
from chat.llm.provider import JSON, ModelRequest
from chat.llm.streaming import StreamingProvider

ANTHROPIC_URL = "https://api.anthropic.com"

PINGS_SECONDS = 600.0
"""Without anything but pings; the vendor promises no request that takes longer."""

_THINKING = re.compile(
    r"`?signature`? in `?thinking`?|thinking`? blocks?\b.*cannot be modified|redacted_thinking"
)
"""Of a refusal that is about its own thinking."""


class AnthropicProvider(StreamingProvider):
    name = "anthropic"
    unreachable = (APIConnectionError,)

    def __init__(self, api_key: str) -> None:
        self._key = api_key
        self._clients: PerLoop[AsyncAnthropic] = PerLoop(self._new_client, AsyncAnthropic.close)

    def _round(self, request: ModelRequest) -> AnthropicRound:
        return AnthropicRound(model=request.model, pings_s=PINGS_SECONDS)

    async def _open(self, request: ModelRequest) -> httpx2.Response:
        """A second time without its own thinking where that is refused: signatures go stale (the key is another organization's
        now, the vendor changed its own), and a session must not die of it."""
        try:
            return await self._ask(build_body(request))
        except BadRequestError as error:
            if not _THINKING.search(error.message):
                raise
            return await self._ask(build_body(request, thinking=False))

    async def _ask(self, body: JSON) -> httpx2.Response:
        stream = await self._clients.get().messages.create(**body, stream=True, timeout=opening_timeout())
        return stream.response

    def _new_client(self) -> AsyncAnthropic:
        """The SDK reads variables where it is told nothing, an empty one as a value: so it is told everything."""
        client = AsyncAnthropic(
            api_key=self._key,
            base_url=conf().anthropic_base_url or ANTHROPIC_URL,
            max_retries=0,
            http_client=new_http_client(),
        )
        # The SDK has no public way to leave ANTHROPIC_CUSTOM_HEADERS out.
        client._custom_headers = dict(conf().anthropic_custom_headers)
        return client
