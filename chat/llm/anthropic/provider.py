"""Claude through the Anthropic SDK. Why it is driven the way it is: ``docs/decisions/0011-claude-through-anthropic.md``."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

from anthropic import APIConnectionError, AsyncAnthropic, AsyncStream
from anthropic.types import RawMessageStreamEvent

from chat.conf import conf
from chat.errors import ModelTimeout
from chat.llm.anthropic.request import build_body
from chat.llm.anthropic.stream import AnthropicRound, ErrorEvent, Event, frames_in, read_event
from chat.llm.failures import failure, provider_error, told_in_stream
from chat.llm.http import new_http_client, opening_timeout
from chat.llm.provider import ModelEvent, ModelRequest, Provider

DRAIN_SECONDS = 1.0
"""For the last bytes of an HTTP answer whose message is over; read in time, they leave the connection to the next."""

ANTHROPIC_URL = "https://api.anthropic.com"

PINGS_SECONDS = 600.0
"""Without anything but pings; the vendor promises no request that takes longer."""

_Stream = AsyncStream[RawMessageStreamEvent]


class AnthropicProvider(Provider):
    """Safe to use from several event loops; each has a client, thus a connection pool, of its own."""

    name = "anthropic"

    def __init__(self, api_key: str) -> None:
        self._key = api_key
        self._clients: dict[asyncio.AbstractEventLoop, AsyncAnthropic] = {}

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        round_ = AnthropicRound(model=request.model)
        async with aclosing(self._events(request, round_)) as events:
            async for event in events:
                for delta in round_.read(event):
                    yield delta
        for last in round_.ending():
            yield last

    async def aclose(self) -> None:
        """Closes the running loop's connections; one can only be closed where it was opened."""
        if own := self._clients.pop(asyncio.get_running_loop(), None):
            await own.close()

    async def _events(self, request: ModelRequest, round_: AnthropicRound) -> AsyncGenerator[Event, None]:
        """A ping ends a silence, too, but only for `PINGS_SECONDS`."""
        loop = asyncio.get_running_loop()
        worked = loop.time()
        async with aclosing(self._frames(request, round_)) as frames:
            async for name, data in frames:
                event = self._read(name, data)
                if event is not None:
                    worked = loop.time()
                    yield event
                elif loop.time() - worked > PINGS_SECONDS:
                    raise ModelTimeout(cause=f"nothing but pings for {PINGS_SECONDS:g} s")

    async def _frames(
        self, request: ModelRequest, round_: AnthropicRound
    ) -> AsyncGenerator[tuple[str, str], None]:
        """The name and the data of each server-sent event, until ``round_`` has been told how it ends.

        What follows that has nothing to say: whatever goes wrong there, the answer is whole.
        """
        stream: _Stream | None = None
        try:
            async with self._bounded(conf().model_first_event_seconds):
                stream = await self._open(request)
                frames = frames_in(stream.response)
                frame = await anext(frames, None)
            while frame is not None:
                yield frame.event or "", frame.data
                if round_.ended or frame.event == "message_stop":
                    await _drain(frames)
                    return
                async with self._bounded(conf().model_silence_seconds):
                    frame = await anext(frames, None)
        finally:
            if stream is not None:
                await stream.close()

    async def _open(self, request: ModelRequest) -> _Stream:
        stream: _Stream = await self._client().messages.create(
            **build_body(request), stream=True, timeout=opening_timeout()
        )
        return stream

    def _read(self, name: str, data: str) -> Event | None:
        try:
            event = read_event(name, data)
        except Exception as error:
            raise provider_error(error, APIConnectionError) from error
        if isinstance(event, ErrorEvent):
            raise failure(told_in_stream(event.error))
        return event

    @asynccontextmanager
    async def _bounded(self, seconds: float) -> AsyncGenerator[None, None]:
        """Raises `ProviderError` for whatever goes wrong inside."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise ModelTimeout(cause=f"no event for {seconds:g} s") from error
        except Exception as error:
            raise provider_error(error, APIConnectionError) from error

    def _client(self) -> AsyncAnthropic:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients = {one: client for one, client in self._clients.items() if not one.is_closed()}
            self._clients[loop] = self._new_client()
        return self._clients[loop]

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


async def _drain(frames: AsyncIterator[object]) -> None:
    with suppress(Exception):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in frames:
                pass
