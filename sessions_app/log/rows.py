"""Records as rows of ``session_events``, and back.

One record is one row, but for `AssistantDelta`: a run of deltas of one item is stored as one row that remembers the
length of each, so that a replay gives back the same deltas with the same ``seq``. Once the item is finished many such rows
become one that holds no text (`sessions_app.log.folding`): ``runs`` tells of each of them when its deltas came, in
microseconds after the first one's, and their lengths.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from sessions_app.log.events import EVENT_TYPES, JSON, AssistantDelta, Record


def storable(value: Any) -> Any:
    """A text, or JSON's lists and objects around it, as the log can hold it; the same type.

    PostgreSQL takes no NUL in a text or in JSON, UTF-8 no lone surrogate. One such character in an event would cost the
    whole session, not the event.
    """
    match value:
        case str():
            return value.replace("\x00", "").encode(errors="replace").decode()
        case list():
            return [storable(one) for one in value]
        case dict():
            return {storable(key): storable(one) for key, one in value.items()}
        case _:
            return value


class Row(msgspec.Struct, frozen=True):
    """A record, or a run of deltas, as one row of ``session_events`` stores it."""

    session_id: str
    first_seq: int
    seq: int
    role: str
    event_type: str
    content: str | None
    payload: JSON
    created_at: datetime


COLUMNS = ("session_id", "first_seq", "seq", "role", "event_type", "content", "payload", "created_at")
"""The columns of a `Row`, in the order of its fields."""


def encode_rows(records: Sequence[Record]) -> list[Row]:
    """The rows for consecutive records of one session; neighbouring deltas of one item share a row."""
    rows: list[Row] = []
    run: list[Record] = []
    for record in records:
        if run and not _joins(run[-1], record):
            rows.append(_delta_row(run))
            run = []
        if isinstance(record.event, AssistantDelta):
            run.append(record)
        else:
            rows.append(_row(record))
    if run:
        rows.append(_delta_row(run))
    return rows


UNREADABLE = (msgspec.ValidationError, KeyError, TypeError)
"""What decoding raises for an event of a newer build, or one that was damaged."""


def decode_row(row: Row) -> list[Record]:
    """The records of a row, as they were before `encode_rows`.

    Raises `msgspec.ValidationError` for a payload that does not fit its event type, KeyError for an unknown type.
    """
    if row.event_type == AssistantDelta.event_type:
        return list(_deltas(row))
    cls = EVENT_TYPES[row.event_type]
    fields = dict(row.payload)
    if cls.text_field:
        fields[cls.text_field] = row.content or ""
    return [Record(row.session_id, row.seq, row.created_at, msgspec.convert(fields, cls))]


def _joins(last: Record, record: Record) -> bool:
    return (
        isinstance(record.event, AssistantDelta)
        and isinstance(last.event, AssistantDelta)
        and last.event.item_id == record.event.item_id
    )


def _row(record: Record) -> Row:
    event = record.event
    payload: JSON = msgspec.to_builtins(event)
    content = payload.pop(event.text_field, "") if event.text_field else None
    return Row(
        record.session_id,
        record.first_seq,
        record.seq,
        event.role.value,
        event.event_type,
        content,
        payload,
        record.at,
    )


def _delta_row(run: Sequence[Record]) -> Row:
    events = [record.event for record in run if isinstance(record.event, AssistantDelta)]
    first = events[0]
    return Row(
        run[0].session_id,
        run[0].seq,
        run[-1].seq,
        first.role.value,
        first.event_type,
        "".join(event.text for event in events),
        {
            "response_id": first.response_id,
            "item_id": first.item_id,
            "output_index": first.output_index,
            "offset": first.offset,
            "lengths": [len(event.text) for event in events],
        },
        run[0].at,
    )


class FoldedSpan(msgspec.Struct, frozen=True):
    """Where the text of a folded row stands in the message of its item, in characters."""

    session_id: str
    seq: int
    item_id: str
    response_id: str
    start: int
    length: int


def folded_span(row: Row) -> FoldedSpan | None:
    """None: the row has its text, or needs none."""
    if row.event_type != AssistantDelta.event_type or row.content is not None:
        return None
    payload = row.payload
    return FoldedSpan(
        row.session_id,
        row.seq,
        payload["item_id"],
        payload["response_id"],
        payload["offset"],
        payload["length"],
    )


def with_text(row: Row, text: str) -> Row:
    return msgspec.structs.replace(row, content=text)


def _deltas(row: Row) -> Iterator[Record]:
    """Raises KeyError for a folded row without its text."""
    content, start, payload, seq = row.content, 0, row.payload, row.first_seq
    if content is None:
        raise KeyError("the text of a folded row")
    for at, lengths in _runs(row):
        for length in lengths:
            event = AssistantDelta(
                response_id=payload["response_id"],
                item_id=payload["item_id"],
                output_index=payload["output_index"],
                offset=payload["offset"] + start,
                text=content[start : start + length],
            )
            yield Record(row.session_id, seq, at, event)
            start, seq = start + length, seq + 1


def _runs(row: Row) -> Iterator[tuple[datetime, list[int]]]:
    """When the deltas of each row that there was came, and their lengths."""
    if "lengths" in row.payload:
        yield row.created_at, row.payload["lengths"]
        return
    for run in row.payload["runs"].split():
        after_us, _, lengths = run.partition(":")
        yield row.created_at + timedelta(microseconds=int(after_us)), [int(one) for one in lengths.split(",")]
