"""The group-commit journal: one writer thread per process commits the pending events of all its sessions together.

The event loop appends to memory and never waits for the database; the thread takes what is due, commits it in one
statement (`sessions_app.log.journal_sql`) and tells the loop. While a commit is under way the next batch gathers, so the
rate of events does not depend on the round trip. A batch that fails for want of a database is tried again until it
is in: it carries its own place in each log (epoch, first seq), so that a retry can never write twice.
"""

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple
from weakref import WeakSet

import psycopg

from sessions_app import metrics
from sessions_app.conf import conf
from sessions_app.errors import JournalError, JournalFenced, JournalFull, JournalRejected
from sessions_app.log.events import Record
from sessions_app.log.journal_sql import STATE, Append, append_statement
from sessions_app.postgres.outage import Verdict, is_passing, outage, verdict

logger = logging.getLogger(__name__)

Connect = Callable[[], "psycopg.Connection[Any]"]
RESTARTS = "This server process has to start again. Connect again."
_RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)
_TOGETHER = 0.5
"""Of the time that an event may wait: what has waited for the rest of it goes along with a commit that is due. With a
larger share there are fewer commits, and more rows with fewer deltas each."""
_PLANNED_FOR_S = 60.0
"""A prepared statement keeps its plan until the table is analysed; one that was made for a few rows is thrown away sooner."""
_STUCK_S = 5.0
"""With one batch for so long: new sessions had better begin elsewhere."""


_NOT_PREPARED = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
"""It was prepared on another server: behind a transaction pooler that is not known for one by its port."""


class SessionWriter:
    """One session's place in the journal. Made under a lease; lives on the event loop's thread.

    ``ready`` False holds its events back: the session's row is still being made.
    """

    __slots__ = (
        "__weakref__",
        "_journal",
        "_waiters",
        "due_at",
        "durable_seq",
        "epoch",
        "failed",
        "next_seq",
        "on_commit",
        "pending",
        "pending_bytes",
        "ready",
        "session_id",
    )

    def __init__(
        self, journal: "Journal", *, session_id: str, epoch: int, last_seq: int, ready: bool = True
    ) -> None:
        self._journal = journal
        self.session_id = session_id
        self.epoch = epoch
        self.next_seq = last_seq + 1
        self.durable_seq = last_seq
        self.failed: JournalError | None = None
        self.ready = ready
        self.on_commit: Callable[[], None] | None = None
        self.pending: list[Record] = []
        self.pending_bytes = 0
        self.due_at = 0.0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def settled(self) -> bool:
        """Nothing waits to be written."""
        return self.durable_seq == self.next_seq - 1

    def append(self, records: Sequence[Record], *, reserved: bool = False) -> None:
        """Give consecutive records to the journal; they carry ``next_seq`` onward.

        ``reserved`` records are taken beyond the buffer's bound: the few that settle a turn. Raises `JournalFull`,
        or the error that this writer failed with.
        """
        if self.failed:
            raise self.failed.with_traceback(None)
        self._journal.put(self, records, reserved=reserved)
        self.next_seq = records[-1].seq + 1

    def check_room(self) -> None:
        """Raises what `append` would raise now for a record that is not ``reserved``."""
        if self.failed:
            raise self.failed.with_traceback(None)
        self._journal.check_room()

    async def wait_durable(self, seq: int) -> None:
        """Return once ``seq`` is committed. Raises the `JournalError` that made it impossible."""
        if self.failed:
            raise self.failed.with_traceback(None)
        if self.durable_seq >= seq:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((seq, future))
        await future

    def open(self) -> None:
        """The session's row exists now: let its events through."""
        self.ready = True
        self._journal.wake()

    def committed(self, seq: int) -> None:
        self.durable_seq = seq
        self._wake(lambda wanted: wanted <= seq)
        if self.on_commit:
            self.on_commit()

    def fail(self, error: JournalError) -> None:
        self.failed = self.failed or error  # the first one says why
        self._journal.discard(self)
        self._wake(lambda _: True)
        if self.on_commit:
            self.on_commit()

    def _wake(self, reached: Callable[[int], bool]) -> None:
        waiting, self._waiters = self._waiters, []
        for seq, future in waiting:
            if not reached(seq):
                self._waiters.append((seq, future))
            elif not future.done():
                future.set_exception(self.failed) if self.failed else future.set_result(None)


class _Taken(NamedTuple):
    """What one session had pending when the thread came for it."""

    writer: SessionWriter
    records: list[Record]
    size: int


class Journal:
    """The writer thread and its buffer. One per process and event loop.

    The thread outlives whatever an event or the database does to it. Should it die all the same, of a fault of ours, every
    writer fails, nothing is taken any more, and ``on_death`` is called on the loop.
    """

    def __init__(
        self,
        connect: Connect,
        loop: asyncio.AbstractEventLoop,
        *,
        on_death: Callable[[], None] | None = None,
    ) -> None:
        self._connect = connect
        self._loop = loop
        self._condition = threading.Condition()
        self._dirty: dict[SessionWriter, None] = {}
        self._buffered_events = 0
        self._buffered_bytes = 0
        self._wakes_at = 0.0
        """When the thread looks again by itself; 0 while it is at work, and will look when it is done."""
        self._busy_since: float | None = None
        self._stopping = False
        self._connection: psycopg.Connection[Any] | None = None
        self._prepares = True
        """As far as the connection does."""
        self._planned_until = 0.0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._writers: WeakSet[SessionWriter] = WeakSet()
        self._on_death = on_death
        self.dead = False

    def start(self) -> None:
        self._thread.start()

    async def stop(self, *, timeout_s: float) -> bool:
        """Write what is pending and end the thread; False when the database did not let it in time."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        await asyncio.to_thread(self._thread.join, timeout_s)
        return not self._thread.is_alive()

    def writer(self, *, session_id: str, epoch: int, last_seq: int, ready: bool = True) -> SessionWriter:
        writer = SessionWriter(self, session_id=session_id, epoch=epoch, last_seq=last_seq, ready=ready)
        self._writers.add(writer)
        return writer

    def stalled_seconds(self) -> float:
        """For how long the writer has been trying to commit one batch; 0.0 when it is not."""
        since = self._busy_since
        return time.monotonic() - since if since is not None else 0.0

    def health(self) -> str | None:
        """Why this process must not get new sessions, in one sentence; None when the writer is well."""
        if self.dead:
            return "the journal's thread has died; the process ends"
        stalled_s = self.stalled_seconds()
        if stalled_s > _STUCK_S:
            return f"the journal has been trying to commit for {stalled_s:.0f} s"
        return None

    def check_room(self) -> None:
        """Raises `JournalFull` when a new event would be refused now."""
        limits = conf()
        if (
            self._buffered_events >= limits.buffer_events
            or self._buffered_bytes >= limits.buffer_bytes
            or self.stalled_seconds() >= limits.buffer_seconds
        ):
            metrics.journal_refused.inc()
            raise JournalFull

    def put(self, writer: SessionWriter, records: Sequence[Record], *, reserved: bool) -> None:
        if self.dead:
            raise JournalFenced(RESTARTS)
        if not reserved:
            self.check_room()
        size = sum(_size(record) for record in records)
        urgent = any(record.event.urgent for record in records)
        with self._condition:
            self._buffered_events += len(records)
            self._buffered_bytes += size
            first = not writer.pending
            if first:
                writer.due_at = time.monotonic() + conf().flush_seconds
            writer.pending.extend(records)
            writer.pending_bytes += size
            if urgent or writer.pending_bytes >= conf().flush_bytes:
                writer.due_at = 0.0
            self._dirty[writer] = None
            if writer.due_at < self._wakes_at:
                self._condition.notify()

    def discard(self, writer: SessionWriter) -> None:
        """Forget what a failed writer has pending: nobody may write it any more."""
        with self._condition:
            if writer not in self._dirty:
                return
            del self._dirty[writer]
            self._buffered_events -= len(writer.pending)
            self._buffered_bytes -= writer.pending_bytes
            writer.pending, writer.pending_bytes = [], 0

    def wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def _bury(self) -> None:
        """Nobody may wait for what is not going to be written."""
        self.dead = True
        _tell([(writer, 0, JournalFenced(RESTARTS)) for writer in list(self._writers) if not writer.failed])
        if self._on_death:
            self._on_death()

    # Below: the writer's thread.

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._busy_since = time.monotonic()
                try:
                    self._write(batch)
                finally:
                    self._busy_since = None
                    del batch  # which nobody needs while this waits for the next
        except BaseException:
            logger.critical("journal: its thread died, nothing can be stored any more", exc_info=True)
            self._call(self._bury)
        self._disconnect()

    def _next_batch(self) -> list[_Taken]:
        """What is due, at most ``batch_events``; waits for it. Empty: stopping, and nothing is left."""
        with self._condition:
            while True:
                now = time.monotonic()
                ready = [writer for writer in self._dirty if writer.ready]
                next_due = min((writer.due_at for writer in ready), default=math.inf)
                if ready and (self._stopping or next_due <= now):
                    return [self._take(writer) for writer in self._within_bounds(self._due(ready, now))]
                if self._stopping:
                    return []
                self._wakes_at = next_due
                self._condition.wait(None if next_due == math.inf else next_due - now)
                self._wakes_at = 0.0

    def _due(self, ready: list[SessionWriter], now: float) -> list[SessionWriter]:
        """Those that are, first of all, and those that will be soon: a commit costs as much as eight rows."""
        upto = math.inf if self._stopping else now + conf().flush_seconds * _TOGETHER
        return sorted((one for one in ready if one.due_at <= upto), key=attrgetter("due_at"))

    def _within_bounds(self, due: list[SessionWriter]) -> list[SessionWriter]:
        chosen, events = [], 0
        for writer in due:
            chosen.append(writer)
            events += len(writer.pending)
            if events >= conf().batch_events:
                break
        return chosen

    def _take(self, writer: SessionWriter) -> _Taken:
        """Quick: the event loop may want the lock. The rows are encoded without it."""
        taken = _Taken(writer, writer.pending, writer.pending_bytes)
        writer.pending, writer.pending_bytes = [], 0
        del self._dirty[writer]
        return taken

    def _write(self, batch: list[_Taken]) -> None:
        """Commit the batch, however long it takes, and tell the loop what became of each session."""
        started = time.monotonic()
        appends, outcome = _encoded(batch)
        if appends:
            outcome |= self._commit(appends)
        metrics.journal_commit_seconds.observe(time.monotonic() - started)
        metrics.journal_events.inc(sum(len(taken.records) for taken in batch))
        with self._condition:
            self._buffered_events -= sum(len(taken.records) for taken in batch)
            self._buffered_bytes -= sum(taken.size for taken in batch)
        told = [
            (writer, records[-1].seq, outcome.get((writer.session_id, writer.epoch)))
            for writer, records, _ in batch
        ]
        self._call(_tell, told)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        """On the event loop's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to be told
            self._loop.call_soon_threadsafe(function, *args)

    def _commit(self, appends: list[Append]) -> dict[tuple[str, int], JournalError]:
        """The appends that failed for good, by their key; all others are in."""
        failures = 0
        while True:
            try:
                failed = self._commit_once(appends)
            except _NOT_PREPARED as error:
                logger.warning(
                    "journal: %s: a pooler stands between; no statement is prepared any more", error
                )
                self._prepares = False
                self._disconnect()
                continue
            except Exception as error:
                if is_passing(error):
                    if self._stopping and failures >= len(_RETRY_S):
                        return {append.key: JournalFull() for append in appends}
                    self._wait_out(error, failures)
                    failures += 1
                    continue
                if len(appends) > 1:  # one bad event must not hold up the others: find whose it is
                    failed = {}
                    for append in appends:
                        failed.update(self._commit([append]))
                    return failed
                logger.exception("journal: session %s: the database refuses an event", appends[0].session_id)
                self._disconnect()
                return {appends[0].key: JournalRejected(f"The database refused an event: {error}")}
            outage.wrote()
            return failed

    def _wait_out(self, error: Exception, failures: int) -> None:
        outage.noticed(error)
        if verdict(error) is Verdict.AWAY:
            self._disconnect()
        time.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])

    def _commit_once(self, appends: list[Append]) -> dict[tuple[str, int], JournalError]:
        connection = self._connected()
        if connection.prepare_threshold is not None and time.monotonic() > self._planned_until:
            connection.execute("DISCARD PLANS")
            self._planned_until = time.monotonic() + _PLANNED_FOR_S
        written = {(row[0], row[1]) for row in connection.execute(*append_statement(appends))}
        missing = [append for append in appends if append.key not in written]
        return self._resolve(connection, missing) if missing else {}

    def _resolve(
        self, connection: "psycopg.Connection[Any]", missing: list[Append]
    ) -> dict[tuple[str, int], JournalError]:
        """Tell a commit whose acknowledgement was lost from a lost lease."""
        cursor = connection.execute(STATE, {"session_ids": [append.session_id for append in missing]})
        states = {row[0]: (row[1], row[2]) for row in cursor}
        failed: dict[tuple[str, int], JournalError] = {}
        for append in missing:
            epoch, last_seq = states.get(append.session_id, (None, 0))
            if epoch != append.epoch or last_seq < append.upto:
                logger.warning("journal: session %s: fenced at seq %s", append.session_id, append.after)
                metrics.journal_fenced.inc()
                failed[append.key] = JournalFenced()
        return failed

    def _connected(self) -> "psycopg.Connection[Any]":
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
            if not self._prepares:
                self._connection.prepare_threshold = None
        return self._connection

    def _disconnect(self) -> None:
        if self._connection:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = None


def _encoded(batch: Sequence[_Taken]) -> tuple[list[Append], dict[tuple[str, int], JournalError]]:
    """The batch as it is written, and the errors of the sessions whose events cannot be, by their key."""
    appends: list[Append] = []
    failed: dict[tuple[str, int], JournalError] = {}
    for writer, records, _ in batch:
        try:
            appends.append(Append(writer.session_id, writer.epoch, records))
        except Exception as error:
            logger.exception("journal: session %s: an event cannot be encoded", writer.session_id)
            key = writer.session_id, writer.epoch
            failed[key] = JournalRejected(f"An event cannot be stored: {type(error).__name__}")
    return appends, failed


def _tell(told: list[tuple[SessionWriter, int, JournalError | None]]) -> None:
    for writer, seq, error in told:
        try:
            writer.fail(error) if error else writer.committed(seq)
        except Exception:  # one session's fault must not keep the others waiting
            logger.exception(
                "journal: session %s cannot take in what became of seq %s", writer.session_id, seq
            )


def _size(record: Record) -> int:
    field = record.event.text_field
    return 200 + (len(getattr(record.event, field)) if field else 0)
