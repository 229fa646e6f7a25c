"""A session that lives in another process, as the sockets of this one see it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from chat.session.commands import Command, Done, SessionInfo
from chat.session.context import Subscriber
from chat.session.relay_messages import Asked, Do, Reply
from sessions_app.errors import SessionErased
from sessions_app.log.events import Record, ResponseDone, ResponseStarted
from sessions_app.log.replay import read_records
from sessions_app.postgres.threads import in_db_thread

_POLL_DEAF_SECONDS = 0.25
"""How often a reader looks into the log while Redis is gone: the bound on its delay then."""
_POLL_ANSWERING_SECONDS = 1.0
"""And while Redis is there and an answer is under way: after so long a silence a hint may have got lost."""
_POLL_SECONDS = 10.0
"""And while nothing is."""
_RING_RECORDS = 256


class Link(Protocol):
    """The relay, as a remote session needs it."""

    hears: bool

    async def ask(self, owner: str, what: Asked) -> Reply: ...
    def detach(self, session: "RemoteSession", subscriber: Subscriber, close_code: int) -> None: ...


class RemoteSession:
    """A session of another process, to the sockets of this one: the same surface as `Session`.

    Each reader waits on a future of its own, so that none of them can take a hint away from another.
    """

    def __init__(self, relay: Link, owner: str, info: SessionInfo) -> None:
        self.session_id = info.session_id
        self.owner = owner
        self.subscribers: dict[str, Subscriber] = {}
        self._relay = relay
        self._info = info
        self._ring: list[Record] = []
        self._waiting: set[asyncio.Future[bool]] = set()
        self._end: Exception | None = None
        self._read_seq = 0
        """How far the reader has come that is furthest: up to there `answering` is known."""
        self.answering = False
        self.closed = False
        self.told(info)

    def info(self) -> SessionInfo:
        return self._info

    def told(self, info: SessionInfo) -> None:
        self._info = info
        if info.last_seq >= self._read_seq:
            self._read_seq, self.answering = info.last_seq, info.response_seq is not None

    async def check_lease(self) -> None:
        """It holds: the process that was asked is the one that the session's row named a moment ago."""

    async def do(self, command: Command) -> Done:
        reply = await self._relay.ask(self.owner, Do(session_id=self.session_id, command=command))
        done = reply.done or Done()
        if done.config is not None:
            self._info = msgspec.structs.replace(self._info, config=done.config)
        return done

    def detach(self, subscriber: Subscriber, close_code: int) -> None:
        self._relay.detach(self, subscriber, close_code)

    async def follow(self, after: int) -> AsyncIterator[Sequence[Record]]:
        """As `LiveLog.follow`; raises `SessionElsewhere` when the other process is gone.

        The log is read at the beginning, behind the ring, and when nothing was heard for a while; never for a hint that
        was heard.
        """
        look = True
        while not isinstance(self._end, SessionErased):  # not a word of it any more
            records = self._from_ring(after)
            if not records and (look or self._heard_beyond(after)):
                records = await self._from_log(after)
                look = bool(records)  # until it gives no more
                records = records or self._from_ring(after)  # it came while the log was read
            if not records and self.closed:
                records = await self._from_log(after)
                if not records:
                    break
            if records:
                self._note(records)
                after = records[-1].seq
                yield records
            else:
                look = not await self._news(within_s=self._patience(after))
        if self._end:
            raise self._end

    def _from_ring(self, after: int) -> Sequence[Record]:
        if not self._ring or self._ring[0].seq > after + 1:
            return ()
        return self._ring[after + 1 - self._ring[0].seq :]

    def _heard_beyond(self, after: int) -> bool:
        return bool(self._ring) and self._ring[-1].seq > after

    async def _from_log(self, after: int) -> Sequence[Record]:
        return await in_db_thread(read_records, session_id=self.session_id, after=after)

    def _note(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.seq <= self._read_seq:
                continue
            self._read_seq = record.seq
            match record.event:
                case ResponseStarted():
                    self.answering = True
                case ResponseDone(waited=False):
                    self.answering = False

    def _patience(self, after: int) -> float:
        # the latter: what was heard is not in the log yet
        if not self._relay.hears or self._heard_beyond(after):
            return _POLL_DEAF_SECONDS
        return _POLL_ANSWERING_SECONDS if self.answering else _POLL_SECONDS

    async def _news(self, *, within_s: float) -> bool:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        silence = loop.call_later(within_s, _answer, future, False)
        self._waiting.add(future)
        try:
            return await future
        finally:
            silence.cancel()
            self._waiting.discard(future)

    def feed(self, records: Sequence[Record]) -> None:
        """Take what the other process sent; after a gap the ring starts anew and readers go to the log."""
        if self._ring and records and records[0].seq != self._ring[-1].seq + 1:
            self._ring = []
        self._ring.extend(records)
        if len(self._ring) >= 2 * _RING_RECORDS:
            del self._ring[:-_RING_RECORDS]
        self.wake()

    def close(self, error: Exception | None = None) -> None:
        self._end, self.closed = error, True
        self.wake()

    def wake(self) -> None:
        """Let all readers look again, and for how long they may wait: it depends on whether hints get through."""
        for future in self._waiting:
            _answer(future, True)


def _answer(future: "asyncio.Future[bool]", heard: bool) -> None:
    if not future.done():
        future.set_result(heard)
