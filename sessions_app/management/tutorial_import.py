"""Writing what a tutorial kept as ended sessions of this log: each in one transaction, under an id that is the same every time."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice

from django.contrib.auth import get_user_model
from django.db import transaction

from sessions_app.errors import InvalidSessionId
from sessions_app.ids import check_session_id
from sessions_app.log import events as ev
from sessions_app.log.journal_sql import Counters, first_words
from sessions_app.log.rows import encode_rows, storable
from sessions_app.management.tutorial_events import Events, Left
from sessions_app.management.tutorial_source import Source, SourceRow
from sessions_app.models import EraseScope, Erasure, Session, SessionEvent, SessionStatus, SummaryState

SOURCE = "import"
"""What an imported session says it came from."""
_NAMESPACE = uuid.UUID("6f0f8a52-5b0f-4c6d-9d0a-0d7c3a6a4c11")
_CHUNK = 500
NOT_OURS = "an id that a session of this product has"
ERASED = "it was erased here"
NOTHING_LEFT = "nothing in it could be taken"
NO_ID = "no session id"


@dataclass(kw_only=True)
class Report:
    sessions: int = 0
    events: int = 0
    already: int = 0
    """Sessions that an earlier run brought."""
    left_sessions: Left = field(default_factory=Left)
    left_events: Left = field(default_factory=Left)


def session_id_for(source_id: str) -> str:
    """The source's own where it is a valid one, so that old links hold; else one made of it."""
    try:
        return check_session_id(source_id)
    except InvalidSessionId:
        return str(uuid.uuid5(_NAMESPACE, source_id))


class Importer:
    """``owner``: whose all sessions are to be; without, each is its source's user's where a user here has that very name."""

    def __init__(self, *, owner_id: int | None = None, model: str = "", dry_run: bool = False) -> None:
        self.report = Report()
        self._owner_id, self._model, self._dry_run = owner_id, model, dry_run
        self._owners: dict[str, int | None] = {}

    def run(self, source: Source) -> Iterator[int]:
        """One session after the other; gives how many events were read each time. Raises `SourceError`."""
        if alone := source.sessions_without_events():
            self.report.left_sessions.out("no events", "sessions", alone)
        for source_id, rows in groupby(source.rows(), key=lambda row: row.session):
            counted = _Counted(rows)
            if source_id:
                self._session(source_id, counted)
            else:
                self.report.left_sessions.out(NO_ID, "rows without an id")
            yield counted.drained()

    def _session(self, source_id: str, rows: "_Counted") -> None:
        session_id = session_id_for(source_id)
        if Erasure.objects.filter(session_id=session_id).exclude(scope=EraseScope.TOOL_DATA).exists():
            self.report.left_sessions.out(ERASED, source_id)  # also where its row is gone by now
            return
        there = Session.objects.filter(pk=session_id).values_list("source", flat=True).first()
        if there is not None:
            if there == SOURCE:
                self.report.already += 1
            else:
                self.report.left_sessions.out(NOT_OURS, source_id)
            return
        with transaction.atomic():
            events = self._write(session_id, source_id, rows)
            if self._dry_run or not events:
                transaction.set_rollback(True)
        if events:
            self.report.sessions += 1
            self.report.events += events
        else:
            self.report.left_sessions.out(NOTHING_LEFT, source_id)

    def _write(self, session_id: str, source_id: str, rows: "_Counted") -> int:
        """How many events were said in it; the frame around them is not counted."""
        first = rows.peek()
        said = Events(session_id, source_id, self.report.left_events)
        timed = said.of(rows, start=first.start)
        opening = next(timed, None)
        if opening is None:
            return 0
        start = min(first.start, opening[0]) if first.start else opening[0]
        session = self._row(session_id, first, start)
        session.save(force_insert=True)
        log = _Log(session)
        log.add([(start, ev.SessionStarted(model=self._model, source=SOURCE)), opening])
        while chunk := list(islice(timed, _CHUNK)):
            log.add(chunk)
        last_at = said.last_at or start
        events = log.last_seq - 1
        log.end(last_at=last_at, end=max(first.end or last_at, last_at))
        return events

    def _row(self, session_id: str, first: SourceRow, start: datetime) -> Session:
        owner_id = self._owner_id or self._owner(first.user)
        return Session(
            session_id=session_id,
            user_id=owner_id,
            status=SessionStatus.ENDED,
            source=SOURCE,
            model=self._model,
            start_time=start,
            created_at=start,
            title=storable(first.title)[:200],
            summary=storable(first.summary),
        )

    def _owner(self, name: str) -> int | None:
        """By name, exactly; never by an e-mail address, which somebody else may have used."""
        if not name:
            return None
        if name not in self._owners:
            users = get_user_model()
            found = users.objects.filter(**{users.USERNAME_FIELD: name.replace("\x00", "")})
            self._owners[name] = found.values_list("pk", flat=True).first()
        return self._owners[name]


class _Counted:
    """The rows of one session, counted; what is not read is passed over."""

    def __init__(self, rows: Iterable[SourceRow]) -> None:
        self._rows = iter(rows)
        self._first: SourceRow | None = None
        self._count = 0

    def __iter__(self) -> Iterator[SourceRow]:
        return self

    def __next__(self) -> SourceRow:
        first, self._first = self._first, None
        if first is not None:
            return first
        row = next(self._rows)
        self._count += 1
        return row

    def peek(self) -> SourceRow:
        """The next one, which stays the next one. There is one: a group has a row at least."""
        self._first = next(self)
        return self._first

    def drained(self) -> int:
        for _ in self:
            pass
        return self._count


class _Log:
    """The rows of one session's log, and the counters that follow from them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._counters = Counters()
        self.last_seq = 0

    def add(self, timed: Iterable[tuple[datetime, ev.Event]]) -> None:
        records = [
            ev.Record(self._session.pk, self.last_seq + place, at, event)
            for place, (at, event) in enumerate(timed, 1)
        ]
        self.last_seq = records[-1].seq
        more = Counters.of(records)
        for name in Counters.__slots__:
            setattr(self._counters, name, getattr(self._counters, name) + getattr(more, name))
        self._session.first_words = self._session.first_words or first_words(records)
        SessionEvent.objects.bulk_create(map(SessionEvent.of, encode_rows(records)))

    def end(self, *, last_at: datetime, end: datetime) -> None:
        session = self._session
        self.add([(end, ev.SessionEnded(reason=ev.EndReason.CLOSED))])
        session.end_reason, session.summary_state = ev.EndReason.CLOSED, SummaryState.SKIPPED
        if session.summary:
            session.summary_state, session.summary_seq = SummaryState.WRITTEN, self.last_seq
            written = ev.SummaryWritten(
                summary=session.summary, title=session.title, model=SOURCE, cost_microusd=0
            )
            self.add([(end, written)])
        session.end_time, session.last_event_at, session.last_seq = end, last_at, self.last_seq
        session.duration_seconds = (end - session.start_time).total_seconds()
        for name in Counters.__slots__:
            setattr(session, name, getattr(self._counters, name))
        session.save()
