"""One streamed answer through the openai SDK: opened, read event by event within bounds, closed for good.

The SDK's typed methods are passed by; why, is told in ``docs/decisions/0010-openai-through-two-apis.md``.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Protocol

import httpx2
import msgspec
from openai import APIConnectionError, AsyncOpenAI, AsyncStream, Omit, OpenAIError
from openai._types import RequestOptions

from chat.conf import conf
from chat.errors import ModelTimeout, ProviderError
from chat.llm.failures import error_in, failure, provider_error, told_in_stream
from chat.llm.http import SentEvent, events_in, new_http_client, opening_timeout
from chat.llm.provider import JSON, Completed, ModelEvent, ModelRequest, Provider, TextDelta, ToolCallRequest

# The openai SDK's clients: one for each event loop, without retries, and with nothing that our settings do
# not say.


OPENAI_URL = "https://api.openai.com/v1"


class OpenAIClients:
    """``base_url`` None: OpenAI itself, or what stands in for it, with OpenAI's own settings (organization, project, headers).

    Another vendor's gets none of them, and no Authorization header where there is no key.
    """

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        self._key = api_key
        self._base_url = base_url
        self._clients: dict[asyncio.AbstractEventLoop, AsyncOpenAI] = {}

    def client(self) -> AsyncOpenAI:
        """The running event loop's."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients = {one: client for one, client in self._clients.items() if not one.is_closed()}
            self._clients[loop] = self._new_client()
        return self._clients[loop]

    def options(self) -> RequestOptions:
        """For each request; the SDK wants to be told anew each time that it goes without a key."""
        return {"timeout": opening_timeout(), "headers": {} if self._key else {"Authorization": Omit()}}

    async def aclose(self) -> None:
        """Closes the running loop's connections; one can only be closed where it was opened."""
        if client := self._clients.pop(asyncio.get_running_loop(), None):
            await client.close()

    def _new_client(self) -> AsyncOpenAI:
        """The SDK reads a dozen variables where it is told nothing, an empty one as a value: so it is told everything."""
        ours = self._base_url is None
        client = AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._base_url or conf().openai_base_url or OPENAI_URL,
            max_retries=0,
            http_client=new_http_client(),
        )
        client.organization = conf().openai_org_id if ours else None
        client.project = conf().openai_project_id if ours else None
        client.admin_api_key = None
        # The SDK has no public way to leave OPENAI_CUSTOM_HEADERS out.
        client._custom_headers = dict(conf().openai_custom_headers) if ours else {}
        return client


TAIL_SECONDS = 5.0
"""What may still follow the end of an answer: its usage, the end of the HTTP answer."""

DONE_SECONDS = 1.0
"""What may still follow ``[DONE]``: the last bytes, which leave the connection to the next."""

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
        self._stream: AsyncStream[object] | None = None
        self._events: AsyncGenerator[SentEvent, None] | None = None

    async def open(self, path: str, body: JSON) -> None:
        """Returns with the head of the HTTP answer. Raises what the SDK raises."""
        self._stream = await self._clients.client().post(
            path,
            cast_to=object,
            body=body,
            options=self._clients.options(),
            stream=True,
            stream_cls=AsyncStream[object],
        )
        self._events = events_in(self._stream.response)

    async def next(self) -> JSON | None:
        """None at the end. Raises `ProviderError` for an error in the place of an event."""
        assert self._events is not None, "not open"
        async for sent in self._events:
            data = sent.data.strip()
            if data.startswith("[DONE]"):
                await self._drain(self._events)
                return None
            event = msgspec.json.decode(data) if data else None
            if event is not None:
                return _checked(msgspec.convert(event, JSON), sent.event)
        return None

    async def aclose(self) -> None:
        """Closing the SDK's generator would leave the connection to the garbage collector."""
        if self._stream is not None:
            await self._stream.response.aclose()

    async def _drain(self, events: AsyncIterator[SentEvent]) -> None:
        with suppress(Exception):
            async with asyncio.timeout(DONE_SECONDS):
                async for _ in events:
                    pass


def _checked(event: JSON, name: str) -> JSON:
    """With its type, which some give as the event's name alone. An error may come by type or in the place of a chunk."""
    if name == "error" or name.startswith("response."):
        event.setdefault("type", name)
    if event.get("type") == "error" or error_in(event):
        raise failure(told_in_stream(event))
    return event


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
            raise provider_error(error, APIConnectionError) from error

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
            raise provider_error(error, APIConnectionError) from error
