"""Reading a session's log in pages for people: bounded queries by seq, however long the session is.

The deltas of an answer that has its final text are never read. A page ends where no answer is under way, so that an
answer with its tools stands on one page.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from sessions_app.log import events as ev
from sessions_app.log.feedback import feedback_on
from sessions_app.log.replay import operator_now
from sessions_app.log.rows import COLUMNS, UNREADABLE, Row, decode_row
from sessions_app.log.state import SessionState
from sessions_app.models import Session, SessionEvent, SummaryState
from sessions_app.review.transcript import Answer, Entry, Notice, Said, Text, Tone, fold, partial_answers

PAGE_ROWS = 150
LEAD_ROWS = 40
DELTA_ROWS = 3_000
"""At most this much of an answer in flight is read: five minutes of it at one row in 100 ms."""
COUNTED_ROWS = 20_000
"""In a longer log connections are not counted: it would be read whole."""
SUMMARY_ROWS = 2_000
_OF_A_RESPONSE = ("assistant_message", "tool_call", "tool_approval_requested", "tool_result", "response_done")


@dataclass(frozen=True, kw_only=True)
class Page:
    """A stretch of a transcript. ``earlier`` and ``later`` are seqs to go on from, None where nothing is."""

    entries: list[Entry]
    earlier: int | None
    later: int | None
    first_seq: int = 0
    last_seq: int = 0
    """The stretch of the log that it shows."""


def read_page(session: Session, *, after: int = 0, before: int | None = None, rows: int = PAGE_ROWS) -> Page:
    """The page that begins after seq ``after``, or, when ``before`` is given, the one that ends before that seq."""
    found, more = _rows_after(session, after, rows) if before is None else _rows_before(session, before, rows)
    if not found:
        return Page(entries=[], earlier=None, later=None)
    last_seq = found[-1].seq
    later = more if before is None else before <= session.last_seq
    entries = _entries(found, operator=_operator_before(session, found))
    _add_deltas(session, entries, at_the_end=not later)
    _add_feedback(session, entries)
    return Page(
        entries=entries,
        earlier=found[0].first_seq if found[0].first_seq > 1 else None,
        later=last_seq if later else None,
        first_seq=found[0].first_seq,
        last_seq=last_seq,
    )


def page_with(session: Session, seq: int) -> Page:
    """The page with the event ``seq`` on it, and with some of what went before."""
    before = _without_deltas(session).filter(seq__lt=seq).order_by("-seq")
    lead = list(before.values_list("first_seq", "event_type")[:LEAD_ROWS])
    questions = [first for first, event_type in lead if event_type == ev.UserMessage.event_type]
    after = 0 if len(lead) < LEAD_ROWS else (questions[-1] if questions else seq) - 1
    page = read_page(session, after=after)
    return page if page.later is None or page.later >= seq else read_page(session, after=seq - 1)


def read_before(session: Session, *, first: int, until: int, rows: int = 2_000) -> list[ev.Record]:
    """The records from ``first`` to ``until`` but deltas; of a longer stretch the last ones. What cannot be read is left out."""
    found = _without_deltas(session).filter(seq__gte=first, seq__lte=until).order_by("-seq")
    newest = [_row(row) for row in found.values_list(*COLUMNS)[:rows]]
    return [record for record in decoded(reversed(newest)) if isinstance(record, ev.Record)]


def read_rows(session: Session, *, after: int = 0, page_rows: int = 500) -> Iterator[list[Row]]:
    """All rows of the session but deltas, in pages that break where no answer is under way."""
    more = True
    while more:
        found, more = _rows_after(session, after, page_rows)
        if found:
            yield found
            after = found[-1].seq


def read_entries(session: Session, *, as_far_as_it_came: bool = False) -> Iterator[list[Entry]]:
    """All entries of the session, a page of its log at a time. What was taken back, or tried again, says so also where that stands
    pages later. ``as_far_as_it_came``: with what there is of an answer that was cut off."""
    gone, tried_again = _taken_back(session)
    for rows in read_rows(session):
        entries = fold_rows(rows)
        if as_far_as_it_came:
            _add_deltas(session, entries, at_the_end=True)
        for entry in entries:
            match entry:
                case Said() if entry.seq < gone.get(entry.item_id, 0):
                    entry.removed, entry.withdrawn = not entry.whispered, entry.whispered
                case Answer():
                    entry.tried_again = entry.tried_again or entry.response_id in tried_again
                    for item in entry.items:
                        item.removed = item.removed or item.seq < gone.get(item.item_id, 0)
        yield entries


def _taken_back(session: Session) -> tuple[dict[str, int], set[str]]:
    """(where each item was taken back last, by its id, which may have been given to another one since; the responses of which another
    try follows)."""
    log = _log(session).order_by("seq")
    ends = log.filter(event_type__in=(ev.ItemDeleted.event_type, ev.WhisperWithdrawn.event_type))
    gone = {
        str(payload.get("item_id")): seq
        for seq, payload in ends.values_list("seq", "payload")
        if not payload.get("response")
    }
    retries = log.filter(event_type=ev.ResponseStarted.event_type, payload__has_key="retry_of")
    return gone, set(retries.values_list("payload__retry_of", flat=True))


def chosen_items(session: Session) -> set[str] | None:
    """The items of the conversation as it goes on now, where it has versions; None where it has one. Such a log is read whole."""
    log = _log(session)
    edited = log.filter(event_type=ev.UserMessage.event_type, payload__has_key="replaces")
    asked_again = log.filter(event_type=ev.VersionChosen.event_type)
    if not edited.exists() and not asked_again.exists():
        return None
    state = SessionState()
    for rows in read_rows(session):
        for record in decoded(rows):
            if isinstance(record, ev.Record) and not isinstance(record.event, ev.HistoryCompacted):
                state.apply(record)
    told = (*state.items.entries, *state.waiting.values())
    return {item_id for entry in told for item_id in entry.item_ids}


def fold_rows(rows: Sequence[Row]) -> list[Entry]:
    """The entries of these rows; a row that cannot be read is a notice that says so."""
    return _entries(rows)


def summary_event(session: Session) -> ev.SummaryWritten | ev.SummaryFailed | None:
    """The newest word on the summary, looked for where it must stand: after what it sums up, or near the log's end."""
    rows = _log(session).order_by("-seq")
    if session.summary_state == SummaryState.WRITTEN and session.summary_seq:
        rows = _log(session).filter(seq__gte=session.summary_seq).order_by("seq")
    wanted = (ev.SummaryWritten.event_type, ev.SummaryFailed.event_type)
    near = SessionEvent.objects.filter(pk__in=rows.values("pk")[:SUMMARY_ROWS], event_type__in=wanted)
    for record in decoded(map(_row, near.order_by("-seq").values_list(*COLUMNS)[:1])):
        if isinstance(record, ev.Record) and isinstance(record.event, ev.SummaryWritten | ev.SummaryFailed):
            return record.event
    return None


MAX_VERSIONS = 20


def summaries_told(session: Session) -> list[ev.Record]:
    """Every summary that was written and every one that failed, newest first, at most `MAX_VERSIONS`; none of a session that was
    erased."""
    if session.erased_at or session.summary_state == SummaryState.NONE:
        return []
    wanted = (ev.SummaryWritten.event_type, ev.SummaryFailed.event_type)
    rows = _log(session).filter(event_type__in=wanted).order_by("-seq")
    found = decoded(map(_row, rows.values_list(*COLUMNS)[:MAX_VERSIONS]))
    return [one for one in found if isinstance(one, ev.Record)]


def count_connections(session: Session) -> int | None:
    """How many connections the session has had; None when its log has more than `COUNTED_ROWS`."""
    opened = Q(event_type=ev.ConnectionOpened.event_type)
    rows = _log(session).order_by()[: COUNTED_ROWS + 1]
    counts = rows.aggregate(rows=Count("pk"), opened=Count("pk", filter=opened))
    return counts["opened"] if counts["rows"] <= COUNTED_ROWS else None


def _log(session: Session) -> QuerySet[SessionEvent]:
    return SessionEvent.objects.filter(session_id=session.pk)


def _without_deltas(session: Session) -> QuerySet[SessionEvent]:
    return _log(session).exclude(event_type=ev.AssistantDelta.event_type)


def _rows_after(session: Session, after: int, limit: int) -> tuple[list[Row], bool]:
    rows = _without_deltas(session).filter(seq__gt=after).order_by("seq").values_list(*COLUMNS)
    found = [_row(row) for row in rows[: limit + 1]]
    if len(found) <= limit:
        return found, False
    return _up_to_a_break(found[:limit]), True


def _rows_before(session: Session, before: int, limit: int) -> tuple[list[Row], bool]:
    rows = _without_deltas(session).filter(seq__lt=before).order_by("-seq").values_list(*COLUMNS)
    found = [_row(row) for row in rows[: limit + 1]][::-1]
    if len(found) <= limit:
        return found, False
    return _from_a_break(found[1:]), True


def _up_to_a_break(rows: list[Row]) -> list[Row]:
    """Without the beginning of an answer that goes on after the rows; all of them when one answer fills them."""
    open_since: int | None = None
    for index, row in enumerate(rows):
        if row.event_type == ev.ResponseStarted.event_type:
            open_since = index if open_since is None else open_since
        elif row.event_type == ev.ResponseDone.event_type and not _never_began(row):
            open_since = None
    return rows[:open_since] if open_since else rows


def _from_a_break(rows: list[Row]) -> list[Row]:
    """Without the end of an answer that began before the rows; all of them when one answer fills them."""
    started: set[str] = set()
    cut = 0
    for index, row in enumerate(rows):
        response_id = str(row.payload.get("response_id", ""))
        if row.event_type == ev.ResponseStarted.event_type:
            started.add(response_id)
        elif row.event_type in _OF_A_RESPONSE and response_id and response_id not in started:
            cut = cut if _never_began(row) else index + 1
    return rows[cut:] or rows


def _never_began(row: Row) -> bool:
    """A turn that waited and leaves the queue: that ends no answer, and another one may be under way meanwhile."""
    return bool(row.payload.get("waited"))


def _operator_before(session: Session, rows: Sequence[Row]) -> str:
    """Looked up where it makes a difference."""
    asked = any(row.event_type == ev.ResponseQueued.event_type for row in rows)
    before = rows[0].first_seq - 1
    return operator_now(session_id=session.pk, until=before) if asked and before else ""


def _entries(rows: Iterable[Row], *, operator: str = "") -> list[Entry]:
    told = list(decoded(rows))
    unreadable = [notice for notice in told if isinstance(notice, Notice)]
    entries = fold((record for record in told if isinstance(record, ev.Record)), operator=operator)
    return sorted([*entries, *unreadable], key=lambda entry: entry.seq) if unreadable else entries


def decoded(rows: Iterable[Row]) -> Iterator[ev.Record | Notice]:
    """A row that cannot be read is a notice that says so."""
    for row in rows:
        try:
            yield from decode_row(row)
        except UNREADABLE:
            text = f"Event {row.seq} of type {row.event_type} cannot be read"
            yield Notice(seq=row.seq, at=row.created_at, text=text, tone=Tone.DANGER)


def _add_deltas(session: Session, entries: Sequence[Entry], *, at_the_end: bool) -> None:
    """Give unfinished answers the text that stands in their deltas so far; one query, or none."""
    answers = [answer for answer in partial_answers(entries) if answer.done or at_the_end]
    if not answers:
        return
    where = Q()
    for answer in answers:
        where |= Q(seq__gt=answer.seq, seq__lt=answer.done_seq) if answer.done_seq else Q(seq__gt=answer.seq)
    rows = (
        _log(session)
        .filter(where, event_type=ev.AssistantDelta.event_type, content__isnull=False)
        .order_by("seq")
    )
    by_response = {answer.response_id: answer for answer in answers}
    records = decoded(map(_row, rows.values_list(*COLUMNS)[:DELTA_ROWS]))
    for found in fold(record for record in records if isinstance(record, ev.Record)):
        if isinstance(found, Answer) and found.response_id in by_response:
            _merge(by_response[found.response_id], found)


def _add_feedback(session: Session, entries: Sequence[Entry]) -> None:
    """A user may rate an answer long after it: the word stands elsewhere in the log. One query, or none."""
    answers = [entry for entry in entries if isinstance(entry, Answer) and not entry.told]
    texts = {item.item_id: item for answer in answers for item in answer.items if isinstance(item, Text)}
    if not texts or not (session.feedback_up or session.feedback_down):
        return
    rows = map(_row, feedback_on(session.pk, list(texts)).values_list(*COLUMNS))
    for record in decoded(sorted(rows, key=lambda row: row.seq)):
        if isinstance(record, ev.Record) and isinstance(record.event, ev.FeedbackGiven):
            texts[record.event.item_id].rated(record.event)


def _merge(answer: Answer, from_deltas: Answer) -> None:
    have = {item.item_id for item in answer.items}
    answer.items.extend(
        item for item in from_deltas.items if isinstance(item, Text) and item.item_id not in have
    )
    answer.items.sort(key=lambda item: item.seq)


def _row(row: tuple[object, ...]) -> Row:
    return Row(*row)  # type: ignore[arg-type]  # COLUMNS stand in the order of Row's fields
