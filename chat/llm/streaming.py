"""What the vendors' adapters share: one streamed answer, opened, read event by event within bounds, closed for good."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator
from itertools import groupby
from typing import Any, ClassVar, Protocol

import httpx2
import msgspec

from chat.conf import conf
from chat.errors import ModelTimeout, ProviderError
from chat.llm.failures import provider_error
from chat.llm.http import PerLoop, drain
from chat.llm.provider import Completed, ModelEvent, ModelRequest, Provider, TextDelta, ToolCallRequest
from chat.llm.sse import EventReader, SentEvent
from chat.llm.watchdog import Watchdog

Given = TextDelta | ToolCallRequest

MOST_DELTAS = 8
"""Of one read. What brings more is ahead of its readers, who would get a frame for every few characters; a model that is
read as it speaks brings one at a time."""


class Round(Protocol):
    """One model round being read."""

    began: bool
    """Something for the reader has come: text, or a call."""

    @property
    def ended(self) -> bool:
        """The vendor has said how it ended."""

    @property
    def closed(self) -> bool:
        """The vendor has said that nothing follows."""

    def read(self, sent: SentEvent, /) -> Iterable[Given]:
        """Raises `ProviderError`; `msgspec.MsgspecError`, ValueError for what is not the vendor's wire."""

    def completed(self) -> Iterator[ToolCallRequest | Completed]:
        """What is left to say, `Completed` last. Raises `ProviderError`."""


class StreamingProvider(Provider):
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
    def _round(self, request: ModelRequest) -> Round: ...

    @abstractmethod
    async def _open(self, request: ModelRequest) -> httpx2.Response:
        """The answer, its body unread. Raises what the SDK raises."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        round_ = self._round(request)
        try:
            self._clients.get()  # made before the clock runs: the first one takes its time
        except Exception as error:
            raise provider_error(error, *self.unreachable) from error
        reading = _Reading(self, round_)
        try:
            response = await reading.opened(self._open(request))
            try:
                events = EventReader(response)
                while not round_.closed and (sent := await reading.next(events)) is not None:
                    given, wrong = reading.take(sent)
                    for one in given:
                        yield one
                    if wrong is not None:
                        raise wrong
                if round_.closed:
                    await drain(events)
            finally:
                await response.aclose()
        finally:
            reading.close()
        for last in round_.completed():
            yield last


class _Reading:
    """The waits of one answer, and what is made of what they bring."""

    def __init__(self, provider: StreamingProvider, round_: Round) -> None:
        self._provider = provider
        self._round = round_
        self._watchdog = Watchdog()
        self._now = asyncio.get_running_loop().time
        self._seconds = conf().model_first_event_seconds
        self._until = self._now() + self._seconds
        self._heard = False
        """Since the last wait began: the next has its whole time."""
        self._ends_at = 0.0

    def close(self) -> None:
        self._watchdog.close()

    async def opened(self, opening: Awaitable[httpx2.Response]) -> httpx2.Response:
        """Raises `ProviderError`."""
        try:
            return await self._watchdog.wait(opening, self._until)
        except Exception as error:
            raise self._told(error) from error

    async def next(self, events: EventReader) -> Iterator[SentEvent] | None:
        """None at the end. Raises `ProviderError`."""
        if self._heard:
            self._until = self._ends_at or self._now() + self._seconds
            self._heard = False
        try:
            return await self._watchdog.wait(events.read(), self._until)
        except Exception as error:
            if self._round.ended:
                return None
            raise self._told(error) from error

    def take(self, sent: Iterator[SentEvent]) -> tuple[list[Given], ProviderError | None]:
        """What one read brought for the reader, and what went wrong behind it."""
        given: list[Given] = []
        error: ProviderError | None = None
        ended, round_ = self._round.ended, self._round
        try:
            for one in sent:
                self._heard = True
                given += list(round_.read(one))
                if round_.closed:
                    break
                ended = round_.ended
        except (msgspec.MsgspecError, ValueError, RecursionError, ProviderError) as raised:
            error = None if ended else provider_error(raised)
        if round_.ended:
            if given or not self._ends_at:  # some say with every piece that it is the last
                self._ends_at = self._now() + self._provider.tail_s
        elif self._heard and (round_.began or not self._provider.thinks_in_silence):
            self._seconds = conf().model_silence_seconds
        return few(given), error

    def _told(self, error: Exception) -> ProviderError:
        if isinstance(error, TimeoutError):
            return ModelTimeout(cause=f"no event for {self._seconds:g} s")
        return provider_error(error, *self._provider.unreachable)


def few(given: list[Given]) -> list[Given]:
    """The same words in about `MOST_DELTAS` pieces; what is more than text stays as it is."""
    if len(given) <= MOST_DELTAS:
        return given
    size = -(-len(given) // MOST_DELTAS)
    joined: list[Given] = []
    for plain, run in groupby(given, key=lambda one: isinstance(one, TextDelta) and one.extra is None):
        pieces = list(run)
        if plain:
            texts = [one.text for one in pieces if isinstance(one, TextDelta)]
            pieces = [TextDelta("".join(texts[at : at + size])) for at in range(0, len(texts), size)]
        joined += pieces
    return joined
