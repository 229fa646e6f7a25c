"""A session that lives in another process, as the sockets of this one see it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from chat.engine.commands import Command, Done, SessionInfo
from chat.engine.conversation import Subscriber
from chat.engine.relay_messages import Asked, Do, Reply
from sessions_app.events import Record
from sessions_app.replay import read_records
from sessions_app.threads import in_db_thread

_POLL_DEAF_SECONDS = 0.25
"""How often a reader looks into the log while Redis is gone: the bound on its delay then."""
_POLL_SECONDS = 10.0
"""And while Redis is there, for the hint that got lost."""
_RING_RECORDS = 256


class Link(Protocol):
    """The relay, as a remote conversation needs it."""

    hears: bool

    async def ask(self, owner: str, what: Asked) -> Reply: ...
    def detach(self, conversation: "RemoteConversation", subscriber: Subscriber, close_code: int) -> None: ...


class RemoteConversation:
    """A session of another process, to a socket of this one: the same surface as `Conversation`."""

    def __init__(self, relay: Link, owner: str, info: SessionInfo) -> None:
        self.session_id = info.session_id
        self.owner = owner
        self.subscribers: dict[str, Subscriber] = {}
        self._relay = relay
        self._info = info
        self._ring: list[Record] = []
        self._news = asyncio.Event()
        self._end: Exception | None = None
        self.closed = False

    answering = False

    def info(self) -> SessionInfo:
        return self._info

    def told(self, info: SessionInfo) -> None:
        self._info = info

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
        """As `LiveLog.follow`; raises `SessionElsewhere` when the other process is gone."""
        while (records := await self._next(after)) is not None:
            after = records[-1].seq
            yield records

    async def _next(self, after: int) -> Sequence[Record] | None:
        while True:
            if records := self._from_ring(after):
                return records
            known_newer = bool(self._ring) and self._ring[-1].seq > after
            if (known_newer or not self._news.is_set()) and (records := await self._from_log(after)):
                return records
            if self.closed:
                return await self._rest(after)
            if self._from_ring(after):  # it came while the log was read
                continue
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS if self._relay.hears else _POLL_DEAF_SECONDS):
                    await self._news.wait()
                continue
            self._news.clear()

    def _from_ring(self, after: int) -> Sequence[Record]:
        if not self._ring or self._ring[0].seq > after + 1:
            return ()
        return self._ring[after + 1 - self._ring[0].seq :]

    async def _from_log(self, after: int) -> Sequence[Record]:
        return await in_db_thread(read_records, session_id=self.session_id, after=after)

    async def _rest(self, after: int) -> Sequence[Record] | None:
        """What the log still has; then the end, or the error that was it."""
        records = await self._from_log(after)
        if not records and self._end:
            raise self._end
        return records or None

    def feed(self, records: Sequence[Record]) -> None:
        """Take what the other process sent; after a gap the ring starts anew and readers go to the log."""
        if self._ring and records and records[0].seq != self._ring[-1].seq + 1:
            self._ring = []
        self._ring = [*self._ring, *records][-_RING_RECORDS:]
        self._news.set()

    def close(self, error: Exception | None = None) -> None:
        self._end, self.closed = error, True
        self._news.set()
