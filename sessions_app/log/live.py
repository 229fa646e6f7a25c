"""The log of one live session: gives each event its seq, keeps the newest in memory, lets any number of readers follow.

A reader holds nothing but its cursor, the last seq it has. It takes what comes after it from the ring in memory, or
from the database when the ring does not reach back so far, and waits when there is nothing. So a reader can never
miss or repeat an event at any cut point, and a slow one costs no memory.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

from sessions_app.conf import conf
from sessions_app.errors import JournalError, ReplayGap, SessionErased
from sessions_app.log.events import AssistantDelta, AssistantMessage, Event, Record
from sessions_app.log.folding import Answer
from sessions_app.log.journal import SessionWriter
from sessions_app.log.state import SessionState

_CLEAR_SECONDS = 1.0
"""After the last commit of an idle session: its readers have had their turn by then."""

ReadLog = Callable[[int], Awaitable[Sequence[Record]]]
"""Given a seq: the committed records after it (a page of them)."""


class LiveLog:
    """The one writer's log. Everything here runs on the event loop's thread and never waits for the database,
    but for `durable` and a reader that has fallen behind the ring.

    An event may be seen by readers once it is committed; an ``eager`` one (a delta) as soon as all before it may.
    ``state`` is what the log stands for, up to its last seq, seen or not.
    """

    def __init__(
        self,
        writer: SessionWriter,
        read_log: ReadLog,
        state: SessionState | None = None,
        *,
        on_finished: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        """``state`` is that of the log so far; it is this one's from here on. ``on_finished`` hears of texts that were
        streamed from their beginning to their end."""
        self.state = state or SessionState()
        self.session_id = writer.session_id
        self._writer = writer
        self._read_log = read_log
        self._ring: list[Record] = []
        self._visible_seq = writer.durable_seq
        self.state.seen(self._visible_seq)
        self._readers: list[asyncio.Future[None]] = []
        self._on_finished = on_finished
        self._began: dict[str, int] = {}
        """The first seq of each text that is being streamed, by its item."""
        self.closed = False
        self._clearing: asyncio.TimerHandle | None = None
        self.idle = False
        """Set by the owner while nothing goes on in the session."""
        writer.on_commit = self._committed

    @property
    def last_seq(self) -> int:
        return self._writer.next_seq - 1

    @property
    def stored(self) -> bool:
        """The session's row exists."""
        return self._writer.ready

    @property
    def settled(self) -> bool:
        """Everything is committed."""
        return self._writer.settled

    @property
    def epoch(self) -> int:
        return self._writer.epoch

    @property
    def visible_seq(self) -> int:
        return self._visible_seq

    @property
    def durable_seq(self) -> int:
        return self._writer.durable_seq

    @property
    def open_response_seq(self) -> int | None:
        """Where the response started in which the visible end of the log lies. One that has run to its end is open to
        readers until that end is committed."""
        return self.state.open_response_seq

    @property
    def failed(self) -> JournalError | None:
        return self._writer.failed

    def append(self, *events: Event, reserved: bool = False) -> Record:
        """Append events that commit together; returns the last one's record. Raises a `JournalError`."""
        now, first = datetime.now(UTC), self._writer.next_seq
        records = [Record(self.session_id, first + index, now, event) for index, event in enumerate(events)]
        self._writer.append(records, reserved=reserved)
        self._ring.extend(records)
        for record in records:
            self._note_texts(record)
            self.state.apply(record)
        self._show()
        return records[-1]

    def _note_texts(self, record: Record) -> None:
        match record.event:
            case AssistantDelta(offset=0, item_id=item_id):
                self._began[item_id] = record.seq
            case AssistantMessage(item_id=item_id, text=text) if began := self._began.pop(item_id, None):
                streamed = self.state.open.texts.get(item_id, []) if self.state.open else []
                if "".join(delta.text for delta in streamed) == text:
                    self._on_finished(Answer(self.session_id, item_id, began, record.seq))

    def check_room(self) -> None:
        """Raises `JournalFull` when a new event would be refused now."""
        self._writer.check_room()

    async def durable(self, seq: int | None = None) -> None:
        """Return once ``seq`` (default: everything so far) is committed. Raises a `JournalError`."""
        await self._writer.wait_durable(self.last_seq if seq is None else seq)

    async def follow(self, after: int) -> AsyncIterator[Sequence[Record]]:
        """The visible records after seq ``after``, as they come, until the log is closed. Raises a `JournalError`."""
        while True:
            records = await self._next(after)
            if records is None:
                return
            after = records[-1].seq
            yield records

    def fail(self, error: JournalError) -> None:
        """Nothing can be appended any more; readers are told why."""
        self._writer.fail(error)

    def close(self) -> None:
        """Readers get what is visible, then end."""
        self.closed = True
        self._writer.on_commit = None  # which holds this log, and this log it
        self._wake_readers()

    async def _next(self, after: int) -> Sequence[Record] | None:
        while True:
            if isinstance(self.failed, SessionErased):  # not a word of it any more
                raise self.failed.with_traceback(None)
            if after < self._visible_seq:
                return self._from_ring(after) or await self._from_log(after)
            if self.failed:
                raise self.failed.with_traceback(None)
            if self.closed:
                return None
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers.append(future)
            await future

    def _from_ring(self, after: int) -> Sequence[Record] | None:
        if not self._ring or self._ring[0].seq > after + 1:
            return None
        base = self._ring[0].seq
        return self._ring[after + 1 - base : self._visible_seq + 1 - base]

    async def _from_log(self, after: int) -> Sequence[Record]:
        records = await self._read_log(after)
        if not records:
            raise ReplayGap(f"Session {self.session_id}: nothing after seq {after} in the log.")
        return records

    def _committed(self) -> None:
        self._show()
        self._trim()
        if self.failed:
            self._wake_readers()

    def _show(self) -> None:
        """Move the watermark over all that may be seen now."""
        if not self._ring:
            return
        before, base = self._visible_seq, self._ring[0].seq
        durable = self._writer.durable_seq
        while self._visible_seq < self.last_seq:
            record = self._ring[self._visible_seq + 1 - base]
            if not (record.event.eager or record.seq <= durable):
                break
            self._visible_seq += 1
        if self._visible_seq > before:
            self.state.seen(self._visible_seq)
            self._wake_readers()

    def _trim(self) -> None:
        """Forget committed records once the ring is twice its size, or nothing goes on; readers find them in the log."""
        if self.idle and self._ring and self._clearing is None:
            self._clearing = asyncio.get_running_loop().call_later(_CLEAR_SECONDS, self._clear_if_idle)
        keep = conf().ring_records
        if len(self._ring) < 2 * keep:
            return
        base = self._ring[0].seq
        droppable = min(self._writer.durable_seq, self._visible_seq) + 1 - base
        del self._ring[: min(droppable, len(self._ring) - keep)]

    def _clear_if_idle(self) -> None:
        self._clearing = None
        if self.idle and self._writer.settled and self._visible_seq == self.last_seq:
            self._ring.clear()

    def _wake_readers(self) -> None:
        readers, self._readers = self._readers, []
        for future in readers:
            if not future.done():
                future.set_result(None)
