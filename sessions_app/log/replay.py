"""The replay reader: records of one session from the log, in order and without a gap."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Case, F, Func, IntegerField, Q, QuerySet, Sum, Value, When, Window
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from sessions_app.errors import ReplayGap, SessionElsewhere
from sessions_app.log.events import (
    AssistantDelta,
    HistoryCompacted,
    ItemDeleted,
    OperatorTookOver,
    Record,
    ResponseStarted,
    SessionEnded,
    SessionReopened,
    ToolResult,
)
from sessions_app.log.folding import with_texts
from sessions_app.log.rows import COLUMNS, Row, decode_row
from sessions_app.log.state import SessionState
from sessions_app.models import ITEM_EVENTS, STEPPED_EVENTS, Session, SessionEvent

_FOLDED = Q(event_type=AssistantDelta.event_type, content__isnull=True)
PAGE_BYTES = 256 * 1024
"""What a reader that does not read on may keep in memory, and one row more."""


def read_records(*, session_id: str, after: int, limit: int = 500) -> list[Record]:
    """The records after seq ``after``, oldest first: a page of at most ``limit`` rows (a row of deltas gives several), and
    of no more than the first that go beyond `PAGE_BYTES`.

    Raises `ReplayGap` where the log does not go on with the very next seq, and `SessionElsewhere` to a reader that has
    seen what a takeover found lost: it has to come again, to be told where the log agrees with it (`kept_until`).
    """
    records: list[Record] = []
    for record in _decoded(_page(session_id, after, limit).values_list(*COLUMNS)):
        if record.seq <= after:  # the cut lies within a run of deltas
            continue
        if record.first_seq <= after:
            raise SessionElsewhere
        if record.first_seq > after + 1:
            raise ReplayGap(f"Session {session_id}: the log goes from seq {after} to {record.seq}.")
        after = record.seq
        records.append(record)
    return records


def read_rows(*, session_id: str, after: int, limit: int = 500) -> list[Row]:
    """A page of the same rows, as `decode_row` takes them: for a reader who goes on where one of them cannot be read. Nothing is said of
    a gap, and the first may begin before ``after``."""
    return _with_texts(_page(session_id, after, limit).values_list(*COLUMNS))


def read_finished(*, session_id: str, after: int, until: int) -> list[Record]:
    """Of a part of the log that leaves no response open: its records but the deltas, whose text the messages hold."""
    rows = SessionEvent.objects.filter(session_id=session_id, seq__gt=after, seq__lte=until).order_by("seq")
    return list(_decoded(rows.exclude(event_type=AssistantDelta.event_type).values_list(*COLUMNS)))


def read_without_deltas(*, session_id: str, after: int, limit: int) -> list[Record]:
    """A page as `read_records` gives it, but for the pieces of answers: seqs are missing in it."""
    rows = SessionEvent.objects.filter(session_id=session_id, seq__gt=after)
    page = _cut(rows.exclude(event_type=AssistantDelta.event_type).order_by("seq")[:limit])
    return list(_decoded(page.values_list(*COLUMNS)))


def _page(session_id: str, after: int, limit: int) -> QuerySet[SessionEvent]:
    return _cut(SessionEvent.objects.filter(session_id=session_id, seq__gt=after).order_by("seq")[:limit])


def _cut(rows: QuerySet[SessionEvent]) -> QuerySet[SessionEvent]:
    """The rows before which there are less than `PAGE_BYTES`, so always the first; cut by the database, since a page that
    is cut here would have been in memory. ``octet_length`` reads no text that is stored out of line."""
    size = Func("content", function="octet_length", output_field=IntegerField())
    folded = Cast(KT("payload__length"), IntegerField())
    bytes_ = Coalesce(size, Case(When(_FOLDED, then=folded)), Value(0)) + Func(
        "payload", function="pg_column_size", output_field=IntegerField()
    )
    upto = Window(Sum(bytes_), order_by=F("seq").asc())
    sized = SessionEvent.objects.filter(pk__in=rows.values("pk")).annotate(bytes_before=upto - bytes_)
    return sized.filter(bytes_before__lt=PAGE_BYTES).order_by("seq")


def kept_until(*, session_id: str, seq: int) -> int:
    """Up to where the log agrees with a reader that has seen ``seq``: ``seq`` itself, or the last event before the
    takeover in which what that reader saw after it was lost."""
    rows = SessionEvent.objects.filter(session_id=session_id, seq__gte=seq).order_by("seq")
    row = rows.values_list("event_type", "first_seq", "seq").first()
    if row and row[0] == SessionReopened.event_type and row[1] <= seq < row[2]:
        return int(row[1]) - 1
    return seq


def is_stored(*, session_id: str, seq: int) -> bool:
    """Whether the log holds the very event that a reader saw under that seq; False where a takeover skipped it."""
    rows = SessionEvent.objects.filter(session_id=session_id, seq__gte=seq)
    return rows.exists() and kept_until(session_id=session_id, seq=seq) == seq


def stored_until(*, session_id: str) -> int:
    """The last seq of the log; 0 while the session's row is not there."""
    return Session.objects.filter(session_id=session_id).values_list("last_seq", flat=True).first() or 0


def fold_start(*, session_id: str, seq: int) -> int:
    """After which seq a reader begins who comes in at ``seq``: before the response in which that lies, so that it knows the
    response's items; before the first one, as `before_event`."""
    starts = SessionEvent.objects.filter(
        session_id=session_id, seq__lte=seq, event_type=ResponseStarted.event_type
    )
    start = starts.order_by("-seq").values_list("seq", flat=True).first()
    return before_event(session_id=session_id, seq=seq) if start is None else start - 1


def before_event(*, session_id: str, seq: int) -> int:
    """The seq after which a reader is given the event at ``seq`` first. It need not be ``seq - 1``, which lies within the event where that
    stands for what a takeover found lost."""
    rows = SessionEvent.objects.filter(session_id=session_id, seq__gte=seq).order_by("seq")
    first = rows.values_list("first_seq", flat=True).first()
    return min(first or seq, seq) - 1


def find_item(*, session_id: str, item_id: str) -> tuple[Record | None, Record | None]:
    """The record that made an item, and, for a tool call, the one of its result; a deleted item is not found."""
    rows = (
        *_of_item(session_id, item_id).values_list(*COLUMNS),
        *_stepped(session_id, item_id).values_list(*COLUMNS),
        *_results(session_id, item_id).values_list(*COLUMNS),
    )
    records = sorted(_decoded(rows), key=lambda record: record.seq)
    if not records or any(isinstance(record.event, ItemDeleted) for record in records):
        return None, None
    return records[0], records[1] if len(records) > 1 else None


def _of_item(session_id: str, item_id: str) -> QuerySet[SessionEvent]:
    """The few rows that made an item or took it away, in no order: asked for in the order of seqs, the planner walks the
    session instead of looking into `session_events_by_item`."""
    rows = SessionEvent.objects.filter(session_id=session_id, event_type__in=ITEM_EVENTS)
    return rows.annotate(item=KT("payload__item_id")).filter(item=item_id).order_by()


def _stepped(session_id: str, item_id: str) -> QuerySet[SessionEvent]:
    rows = SessionEvent.objects.filter(session_id=session_id, event_type__in=STEPPED_EVENTS)
    return rows.annotate(item=KT("payload__item_id")).filter(item=item_id).order_by()


def operator_now(*, session_id: str, until: int | None = None) -> str:
    """The member of staff who has taken the session over, by now or by that seq; empty: nobody. (Its end ends that.)"""
    log = SessionEvent.objects.filter(session_id=session_id)
    log = log if until is None else log.filter(seq__lte=until)
    rows = log.filter(event_type__in=STEPPED_EVENTS)
    last = rows.order_by("-seq").values_list("seq", "event_type", "payload__author").first()
    if last is None or last[1] != OperatorTookOver.event_type:
        return ""
    ended = log.filter(seq__gt=last[0], event_type=SessionEnded.event_type)
    return "" if ended.exists() else str(last[2])


def _results(session_id: str, item_id: str) -> QuerySet[SessionEvent]:
    rows = SessionEvent.objects.filter(session_id=session_id, event_type=ToolResult.event_type)
    return rows.annotate(item=KT("payload__item_id")).filter(item=item_id).order_by()


def read_history(*, session_id: str) -> list[Record]:
    """What a `SessionState` is made from: all records but deltas, and the deltas of a response that was never finished.

    Of a session whose history was compacted, only what the last `HistoryCompacted` left: the records that it kept, and
    those after the turns that it stands for. The log of a finished item holds its text in `AssistantMessage`, so its
    deltas are not read.
    """
    rows = SessionEvent.objects.filter(session_id=session_id).order_by("seq")
    kept: list[Record] = []
    if checkpoint := _last_compaction(session_id):
        through_seq, kept_seqs = checkpoint
        if kept_seqs:
            kept = list(_decoded(rows.filter(seq__in=kept_seqs).values_list(*COLUMNS)))
        rows = rows.filter(seq__gt=through_seq)
    recent = _decoded(rows.exclude(event_type=AssistantDelta.event_type).values_list(*COLUMNS))
    records = [*kept, *recent]
    response = SessionState(records).open
    if response is None:
        return records
    deltas = rows.filter(event_type=AssistantDelta.event_type, seq__gt=response.start).exclude(_FOLDED)
    return sorted([*records, *_decoded(deltas.values_list(*COLUMNS))], key=lambda record: record.seq)


def _last_compaction(session_id: str) -> tuple[int, list[int]] | None:
    """(through_seq, kept_seqs) of the session's last one."""
    payload = _compactions(session_id).values_list("payload", flat=True).first()
    return None if payload is None else (payload["through_seq"], payload.get("kept_seqs", []))


def _compactions(session_id: str) -> QuerySet[SessionEvent]:
    """Newest first."""
    return SessionEvent.objects.filter(
        session_id=session_id, event_type=HistoryCompacted.event_type
    ).order_by("-seq")


def summary_before(*, session_id: str, item_id: str, seq: int) -> str:
    """The newest summary of the history that cannot hold the item, which was made at ``seq``; empty when there is none."""
    rows = _compactions(session_id)
    with_item = rows.filter(payload__gone_item_ids__contains=[item_id]).order_by("seq")
    rows = rows.filter(payload__through_seq__lt=seq)
    if (first := with_item.values_list("seq", flat=True).first()) is not None:
        rows = rows.filter(seq__lt=first)
    return rows.values_list("content", flat=True).first() or ""


@dataclass(frozen=True, kw_only=True)
class EarlierIds:
    """Seqs by id; an id that stands nowhere is missing, and so is an item that was deleted."""

    items: dict[str, int]
    client_events: dict[str, int]


def find_ids(
    *, session_id: str, through_seq: int, item_ids: Sequence[str], client_event_id: str | None
) -> EarlierIds:
    """Where in the log up to ``through_seq`` the ids were used: by index, whatever the session's length."""
    items: dict[str, int] = {}
    for item_id in item_ids:
        found = [
            one
            for rows in (_of_item(session_id, item_id), _stepped(session_id, item_id))
            for one in rows.filter(seq__lte=through_seq).values_list("seq", "event_type")
        ]
        seq, event_type = max(found, default=(0, ItemDeleted.event_type))
        if event_type != ItemDeleted.event_type:
            items[item_id] = seq
    events: dict[str, int] = {}
    if client_event_id:
        asked = SessionEvent.objects.filter(session_id=session_id, payload__has_key="client_event_id")
        asked = asked.annotate(client=KT("payload__client_event_id")).filter(client=client_event_id)
        seqs = asked.filter(seq__lte=through_seq).order_by().values_list("seq", flat=True)
        if (last := max(seqs, default=None)) is not None:
            events[client_event_id] = last
    return EarlierIds(items=items, client_events=events)


def _decoded(rows: Iterable[tuple[object, ...]]) -> Iterator[Record]:
    for row in _with_texts(rows):
        yield from decode_row(row)


def _with_texts(rows: Iterable[tuple[object, ...]]) -> list[Row]:
    return with_texts([Row(*row) for row in rows])  # type: ignore[arg-type]  # COLUMNS stand in the order of Row's fields
