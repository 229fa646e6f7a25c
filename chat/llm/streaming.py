"""What the vendors' adapters share: one streamed answer, opened, read event by event within bounds, closed for good."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from chat.conf import conf
from chat.errors import ModelTimeout, ProviderError
from chat.llm.failures import provider_error
from chat.llm.http import PerLoop
from chat.llm.provider import Completed, ModelEvent, ModelRequest, Provider, TextDelta, ToolCallRequest

Event = TypeVar("Event")
Event_contra = TypeVar("Event_contra", contravariant=True)


class Round(Protocol[Event_contra]):
    """One model round being read."""

    began: bool
    """Something for the reader has come: text, or a call."""

    @property
    def ended(self) -> bool:
        """The vendor has said how it ended."""

    def read(self, event: Event_contra, /) -> Iterator[TextDelta | ToolCallRequest]:
        """Raises `ProviderError`; `msgspec.MsgspecError` for what is not the vendor's wire."""

    def completed(self) -> Iterator[ToolCallRequest | Completed]:
        """What is left to say, `Completed` last. Raises `ProviderError`."""


class StreamingProvider(Provider, Generic[Event]):
    """Safe to use from several event loops. What goes wrong behind the end of an answer does not unmake it."""

    tail_s: ClassVar[float] = 1.0
    """For what may still follow the end of an answer: its usage, the end of the HTTP answer."""
    thinks_in_silence: ClassVar[bool] = False
    """Until its first word the vendor may be silent for as long as before its first event."""
    unreachable: ClassVar[tuple[type[Exception], ...]] = ()
    """The SDK's own names for a lost connection."""

    _clients: PerLoop[Any]
    """The SDK's."""

    async def aclose(self) -> None:
        await self._clients.aclose()

    @abstractmethod
    def _round(self, request: ModelRequest) -> Round[Any]: ...

    @abstractmethod
    def _events(self, request: ModelRequest) -> AsyncGenerator[Event, None]:
        """Opens the stream before the first event. Raises what the SDK raises; closing it closes the connection."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        round_ = self._round(request)
        try:
            self._clients.get()  # made before the clock runs: the first one takes its time
        except Exception as error:
            raise provider_error(error, *self.unreachable) from error
        loop, ends_at = asyncio.get_running_loop(), 0.0
        seconds = conf().model_first_event_seconds
        async with aclosing(self._events(request)) as events:
            while (event := await self._next(events, seconds, ended=bool(ends_at))) is not None:
                for one in self._read(round_, event, ended=bool(ends_at)):
                    yield one
                if round_.ended:
                    ends_at = ends_at or loop.time() + self.tail_s
                    seconds = ends_at - loop.time()
                elif round_.began or not self.thinks_in_silence:
                    seconds = conf().model_silence_seconds
        for last in round_.completed():
            yield last

    async def _next(
        self, events: AsyncGenerator[Event, None], seconds: float, *, ended: bool
    ) -> Event | None:
        """None at the end."""
        try:
            async with asyncio.timeout(seconds):
                return await anext(events, None)
        except Exception as error:
            if ended:
                return None
            if isinstance(error, TimeoutError):
                raise ModelTimeout(cause=f"no event for {seconds:g} s") from error
            raise provider_error(error, *self.unreachable) from error

    def _read(self, round_: Round[Event], event: Event, *, ended: bool) -> list[TextDelta | ToolCallRequest]:
        try:
            return list(round_.read(event))
        except (msgspec.MsgspecError, RecursionError, ProviderError) as error:
            if ended:
                return []
            raise provider_error(error) from error
