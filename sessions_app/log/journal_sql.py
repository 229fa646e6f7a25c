"""The one statement that appends to the log, and the one that finds out what became of it.

A single statement in autocommit costs one round trip. It locks the rows of the sessions in the batch (in the order
of their ids, so that two processes cannot deadlock), keeps only those whose lease epoch is still the writer's and
whose log ends exactly where the batch begins, inserts their events and moves their counters. A session that is not
in the answer was written by somebody else meanwhile, or by this very batch before its acknowledgement got lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from sessions_app.log import events as ev
from sessions_app.log.rows import Row, encode_rows

APPEND = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(
        %(session_ids)s::text[], %(epochs)s::bigint[], %(after)s::bigint[], %(upto)s::bigint[],
        %(last_at)s::timestamptz[], %(user_messages)s::int[], %(assistant_messages)s::int[], %(tool_calls)s::int[],
        %(responses)s::int[], %(failed_responses)s::int[], %(input_tokens)s::bigint[], %(output_tokens)s::bigint[],
        %(cost_microusd)s::bigint[], %(unpriced)s::int[]
    ) AS w(session_id, epoch, after, upto, last_at, user_messages, assistant_messages, tool_calls,
           responses, failed_responses, input_tokens, output_tokens, cost_microusd, unpriced)
), held AS MATERIALIZED (
    SELECT s.session_id, w.epoch FROM sessions s JOIN wanted w USING (session_id)
    WHERE s.lease_epoch = w.epoch AND s.last_seq = w.after
    ORDER BY s.session_id
    FOR NO KEY UPDATE OF s
), moved AS (
    UPDATE sessions s SET
        last_seq = w.upto, last_event_at = greatest(s.last_event_at, w.last_at),
        user_messages = s.user_messages + w.user_messages,
        assistant_messages = s.assistant_messages + w.assistant_messages,
        tool_calls = s.tool_calls + w.tool_calls,
        responses = s.responses + w.responses, failed_responses = s.failed_responses + w.failed_responses,
        input_tokens = s.input_tokens + w.input_tokens, output_tokens = s.output_tokens + w.output_tokens,
        cost_microusd = s.cost_microusd + w.cost_microusd, unpriced = s.unpriced + w.unpriced
    FROM wanted w JOIN held h USING (session_id, epoch)
    WHERE s.session_id = w.session_id
    RETURNING s.session_id, w.epoch
), added AS (
    INSERT INTO session_events
        (session_id, first_seq, seq, role, event_type, content, payload, created_at)
    SELECT e.session_id, e.first_seq, e.seq, e.role, e.event_type, e.content, e.payload::jsonb, e.created_at
    FROM unnest(
        %(row_session_ids)s::text[], %(row_epochs)s::bigint[], %(row_first_seqs)s::bigint[], %(row_seqs)s::bigint[], %(row_roles)s::text[],
        %(row_types)s::text[], %(row_contents)s::text[], %(row_payloads)s::text[], %(row_times)s::timestamptz[]
    ) AS e(session_id, epoch, first_seq, seq, role, event_type, content, payload, created_at)
    JOIN moved m USING (session_id, epoch)
)
SELECT session_id, epoch FROM moved
"""

STATE = (
    "SELECT session_id, lease_epoch, last_seq FROM sessions WHERE session_id = ANY(%(session_ids)s::text[])"
)


@dataclass(slots=True)
class Counters:
    """What a batch adds to its session's row; derived from the events, so that the two cannot disagree."""

    user_messages: int = 0
    assistant_messages: int = 0
    tool_calls: int = 0
    responses: int = 0
    failed_responses: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    unpriced: int = 0
    """Model calls whose cost is not known."""

    @classmethod
    def of(cls, records: Sequence[ev.Record]) -> "Counters":
        counters = cls()
        for record in records:
            counters._count(record.event)
        return counters

    def _count(self, event: ev.Event) -> None:
        if event.counter:
            setattr(self, event.counter, getattr(self, event.counter) + 1)
        if isinstance(event, ev.ResponseDone):
            if event.waited:
                return
            self.responses += 1
            self.failed_responses += event.status == ev.ResponseStatus.FAILED
            self.input_tokens += event.usage.input_tokens
            self.output_tokens += event.usage.output_tokens
        cost_microusd = getattr(event, "cost_microusd", 0)
        self.unpriced += cost_microusd is None
        self.cost_microusd += cost_microusd or 0


@dataclass(slots=True)
class Append:
    """The consecutive records of one session in a batch, written under ``epoch``."""

    session_id: str
    epoch: int
    records: Sequence[ev.Record]
    rows: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = encode_rows(self.records)

    @property
    def key(self) -> tuple[str, int]:
        """Of one session, a batch may hold the appends of two holders, one of which is not it any more."""
        return self.session_id, self.epoch

    @property
    def after(self) -> int:
        return self.records[0].first_seq - 1

    @property
    def upto(self) -> int:
        return self.records[-1].seq


def append_params(appends: Sequence[Append]) -> dict[str, object]:
    """The parameters of `APPEND`: one array a column."""
    counters = [Counters.of(append.records) for append in appends]
    rows = [row for append in appends for row in append.rows]
    return {
        "session_ids": [append.session_id for append in appends],
        "epochs": [append.epoch for append in appends],
        "after": [append.after for append in appends],
        "upto": [append.upto for append in appends],
        "last_at": [append.records[-1].at for append in appends],
        **{name: [getattr(counter, name) for counter in counters] for name in Counters.__slots__},
        "row_session_ids": [row.session_id for row in rows],
        "row_epochs": [append.epoch for append in appends for _ in append.rows],
        "row_first_seqs": [row.first_seq for row in rows],
        "row_seqs": [row.seq for row in rows],
        "row_roles": [row.role for row in rows],
        "row_types": [row.event_type for row in rows],
        "row_contents": [row.content for row in rows],
        "row_payloads": [msgspec.json.encode(row.payload).decode() for row in rows],
        "row_times": [row.created_at for row in rows],
    }
