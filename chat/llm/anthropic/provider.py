"""Claude through the Anthropic SDK. Why it is driven the way it is: ``docs/decisions/0011-claude-through-anthropic.md``."""

import asyncio
from collections.abc import AsyncGenerator

from anthropic import APIConnectionError, AsyncAnthropic

from chat.conf import conf
from chat.errors import ModelTimeout
from chat.llm.anthropic.request import build_body
from chat.llm.anthropic.stream import EVENTS, AnthropicRound, events_of
from chat.llm.http import PerLoop, drain, new_http_client, opening_timeout
from chat.llm.provider import JSON, ModelRequest
from chat.llm.streaming import StreamingProvider

ANTHROPIC_URL = "https://api.anthropic.com"

PINGS_SECONDS = 600.0
"""Without anything but pings; the vendor promises no request that takes longer."""


class AnthropicProvider(StreamingProvider[tuple[str, JSON]]):
    name = "anthropic"
    unreachable = (APIConnectionError,)

    def __init__(self, api_key: str) -> None:
        self._key = api_key
        self._clients: PerLoop[AsyncAnthropic] = PerLoop(self._new_client, AsyncAnthropic.close)

    def _round(self, request: ModelRequest) -> AnthropicRound:
        return AnthropicRound(model=request.model)

    async def _events(self, request: ModelRequest) -> AsyncGenerator[tuple[str, JSON], None]:
        """Pings, too, for they end a silence, but only for `PINGS_SECONDS`."""
        loop = asyncio.get_running_loop()
        stream = await self._clients.get().messages.create(
            **build_body(request), stream=True, timeout=opening_timeout()
        )
        try:
            worked, events = loop.time(), events_of(stream.response)
            async for name, body in events:
                if name in EVENTS:
                    worked = loop.time()
                elif loop.time() - worked > PINGS_SECONDS:
                    raise ModelTimeout(cause=f"nothing but pings for {PINGS_SECONDS:g} s")
                yield name, body
                if name == "message_stop":
                    await drain(events)
                    return
        finally:
            await stream.close()

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
