"""One streamed answer through the openai SDK: opened, read event by event within bounds, closed for good.

The SDK's typed methods are passed by; why, is told in ``docs/decisions/0010-openai-through-two-apis.md``.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

import httpx2
import msgspec
from openai import AsyncStream, OpenAIError
from openai._streaming import ServerSentEvent

from chat.conf import conf
from chat.errors import ModelTimeout, ProviderError
from chat.messages import JSON, Completed, ModelEvent, ModelRequest, TextDelta, ToolCallRequest
from chat.providers.base import Provider
from chat.providers.openai_errors import provider_error
from chat.providers.openai_http import OpenAIClients

TAIL_SECONDS = 5.0
"""What may still follow the end of an answer: its usage, the end of the HTTP answer."""

_WIRE_ERRORS = (
    OpenAIError,
    httpx2.HTTPError,
    httpx2.StreamError,
    msgspec.MsgspecError,
    ValueError,
    RecursionError,
)
"""The last three for what cannot be decoded."""


class Round(Protocol):
    """One model round being read."""

    @property
    def began(self) -> bool:
        """Something for the reader has come: text, or a call."""

    @property
    def ended(self) -> bool:
        """The vendor has said how it ended."""

    def read(self, event: JSON) -> Iterator[TextDelta | ToolCallRequest]:
        """Raises `ProviderError`; `msgspec.ValidationError` for what is not the vendor's wire."""

    def completed(self) -> Iterator[ToolCallRequest | Completed]:
        """What is left to say, `Completed` last. Raises `ProviderError`."""


class Answer:
    """The stream of one request. Closing it closes the connection, unless all of it was read."""

    def __init__(self, clients: OpenAIClients) -> None:
        self._clients = clients
        self._stream: _Stream | None = None

    async def open(self, path: str, body: JSON) -> None:
        """Returns with the head of the HTTP answer. Raises what the SDK raises."""
        self._stream = await self._clients.client().post(
            path,
            cast_to=object,
            body=body,
            options=self._clients.options(),
            stream=True,
            stream_cls=_Stream,
        )

    async def next(self) -> JSON | None:
        """None at the end."""
        assert self._stream is not None, "not open"
        event = await anext(self._stream, None)
        return None if event is None else msgspec.convert(event, JSON)

    async def aclose(self) -> None:
        """Closing the SDK's generator would leave the connection to the garbage collector."""
        if self._stream is not None:
            await self._stream.response.aclose()


class StreamingProvider(Provider):
    """The loop that both of the SDK's APIs share. Safe to use from several event loops."""

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        self._clients = OpenAIClients(api_key=api_key, base_url=base_url)

    @abstractmethod
    def _round(self, request: ModelRequest) -> Round: ...

    @abstractmethod
    async def _ask(self, answer: Answer, request: ModelRequest) -> None:
        """Opens it. Raises what the SDK raises."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        round_ = self._round(request)
        async with aclosing(Answer(self._clients)) as answer:
            async with self._bounded(conf().model_first_event_seconds):
                await self._ask(answer, request)
                event = await answer.next()
            loop, ends_at = asyncio.get_running_loop(), 0.0
            while event is not None:
                for one in self._read(round_, event, ended=bool(ends_at)):
                    yield one
                if not ends_at and round_.ended:
                    ends_at = loop.time() + TAIL_SECONDS
                event = await self._next(answer, round_, ends_at and ends_at - loop.time())
            for last in round_.completed():
                yield last

    async def aclose(self) -> None:
        await self._clients.aclose()

    def _read(self, round_: Round, event: JSON, *, ended: bool) -> list[TextDelta | ToolCallRequest]:
        """What goes wrong behind the end of an answer does not unmake it."""
        try:
            return list(round_.read(event))
        except (msgspec.ValidationError, ProviderError) as error:
            if ended:
                return []
            if isinstance(error, ProviderError):
                raise
            raise provider_error(error) from error

    async def _next(self, answer: Answer, round_: Round, tail_s: float) -> JSON | None:
        """A model may think for long before it speaks, so until then a wait is one for the first event.

        Behind the end of the answer, ``tail_s`` is what is left for all that may follow.
        """
        if round_.ended:
            try:
                async with self._bounded(tail_s):
                    return await answer.next()
            except ProviderError:
                return None
        async with self._bounded(
            conf().model_silence_seconds if round_.began else conf().model_first_event_seconds
        ):
            return await answer.next()

    @asynccontextmanager
    async def _bounded(self, seconds: float) -> AsyncIterator[None]:
        """Raises `ProviderError` for what goes wrong on the wire; a bug is left to be one."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise ModelTimeout(cause=f"no event for {seconds:g} s") from error
        except _WIRE_ERRORS as error:
            raise provider_error(error) from error


class _Stream(AsyncStream[object]):
    """Passes over events without data, by which some servers keep a connection alive; the SDK fails on them."""

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        async for event in super()._iter_events():
            if event.data.strip():
                yield event
