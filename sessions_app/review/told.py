"""The log as those whose session it is may read it: its events as JSON, without what is for staff or for the model alone."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from sessions_app.log import events as ev
from sessions_app.log.replay import kept_until, read_records, read_without_deltas, stored_until

UNTOLD: frozenset[type[ev.Event]] = frozenset(
    {
        ev.OperatorWhispered,
        ev.WhisperWithdrawn,
        ev.ModelAttemptFailed,
        ev.HistoryCompacted,
        ev.SummaryFailed,
        ev.ConnectionOpened,
        ev.ConnectionClosed,
    }
)
"""The types that nobody but staff is told of: their seqs are missing."""
FOR_STAFF = frozenset(
    {
        "author",
        "cause",
        "context_bytes",
        "context_tokens",
        "extra",
        "parts",
        "quality",
        "quality_reason",
        "request_key",
        "sentiment",
        "stopped_by",
        "waits_for",
    }
)
"""The fields that are left out, whatever the event; but for the cause of a `SessionReopened`, which is one word of ours."""
CLIENT, STAFF = "client", "staff"


class ToldPage(NamedTuple):
    events: list[ev.JSON]
    after: int
    """Where to go on."""
    more: bool


def told(record: ev.Record) -> ev.JSON | None:
    """None: nobody is told of it."""
    event = record.event
    if type(event) in UNTOLD:
        return None
    about: ev.JSON = {"seq": record.seq, "type": event.event_type}
    if not isinstance(event, ev.AssistantDelta):  # a run of them shares one row, and its time
        about["at"] = record.at
    if record.first_seq != record.seq:
        about["first_seq"] = record.first_seq
    fields = {name: value for name, value in _fields(event).items() if name not in FOR_STAFF}
    match event:
        case ev.SessionReopened():
            fields["cause"] = event.cause
        case ev.ToolApproval():
            fields["by"] = CLIENT if event.by == CLIENT else STAFF
    return about | fields


def _fields(event: ev.Event) -> ev.JSON:
    fields: ev.JSON = msgspec.to_builtins(event)
    return fields


def all_told(records: Iterable[ev.Record]) -> list[ev.JSON]:
    return [about for record in records if (about := told(record)) is not None]


def read_told(*, session_id: str, after: int, limit: int, deltas: bool) -> ToldPage:
    """The events behind seq ``after``, a page of them. Who has seen what a takeover found lost is given the event that says so.

    ``deltas`` False: not the pieces of the answers, whose texts stand in their messages.
    """
    last = stored_until(session_id=session_id)
    after = kept_until(session_id=session_id, seq=min(after, last))
    read = read_records if deltas else read_without_deltas
    records: Sequence[ev.Record] = read(session_id=session_id, after=after, limit=limit)
    end = records[-1].seq if records else last
    return ToldPage(all_told(records), end, end < last)


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)
