"""A finished answer's deltas without their text, which its message holds: their lengths and times, as few rows.

While an answer streams its deltas have to be in the log within 100 ms, so there are many rows of few deltas each. Once its
message is committed the text stands there twice. `fold` takes those rows out and puts rows in for the same seqs that give
back the same records, in one transaction: a reader sees the one or the other. It locks the session against being erased
meanwhile, and not against what appends to it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence

import msgspec
from django.db import connection

from sessions_app.conf import conf
from sessions_app.errors import DatabaseAway
from sessions_app.log.rows import Row, folded_span, with_text
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

PART_BYTES = 16 * 1024
"""What one folded row may come to in memory, about: a reader's page is cut between rows."""

_MOST_WAITING = 100_000
_AT_ONCE = 50
"""Answers in one statement: some thousand rows."""
_ROUND_SECONDS = 5.0

FOLD = """
WITH asked AS MATERIALIZED (
    SELECT a.* FROM json_to_recordset(%(answers)s::json) AS a(session_id text, item_id text, first_seq bigint, seq bigint)
    JOIN sessions s ON s.session_id = a.session_id AND s.erased_at IS NULL
    JOIN session_events m ON m.session_id = a.session_id AND m.seq = a.seq AND m.event_type = 'assistant_message'
    FOR KEY SHARE OF s
), gone AS (
    DELETE FROM session_events e USING asked a
    WHERE e.session_id = a.session_id AND e.seq >= a.first_seq AND e.seq < a.seq
        AND e.event_type = 'assistant_delta' AND e.content IS NOT NULL AND e.payload ->> 'item_id' = a.item_id
    RETURNING e.*, char_length(e.content) AS length, e.seq - e.first_seq + 1 AS deltas
), placed AS (
    SELECT *, payload ->> 'item_id' AS item_id, first_value(created_at) OVER item AS began_at,
        seq - sum(deltas) OVER item AS run,
        sum(length + 200 * deltas) OVER item::bigint / %(part_bytes)s AS part
    FROM gone WINDOW item AS (PARTITION BY session_id, payload ->> 'item_id' ORDER BY seq)
)
INSERT INTO session_events (session_id, first_seq, seq, role, event_type, content, payload, created_at)
SELECT session_id, min(first_seq), max(seq), min(role), min(event_type), NULL,
    (array_agg(payload ORDER BY seq))[1] - 'lengths' || jsonb_build_object(
        'length', sum(length),
        'runs', string_agg(
            concat((extract(epoch FROM created_at - began_at) * 1000000)::bigint, ':', translate(payload ->> 'lengths', '[] ', '')),
            ' ' ORDER BY seq)),
    min(began_at)
FROM placed GROUP BY session_id, item_id, run, part
"""

TEXTS = """
SELECT a.seq, substr(m.content, a.start + 1, a.length)
FROM json_to_recordset(%(spans)s::json) AS a(
    session_id text, seq bigint, item_id text, response_id text, start int, length int)
JOIN session_events m ON m.session_id = a.session_id AND m.event_type = 'assistant_message'
    AND m.payload ->> 'item_id' = a.item_id AND m.payload ->> 'response_id' = a.response_id
"""
"""By the response as well: a client may delete an item and give its id to another message."""


class Answer(msgspec.Struct, frozen=True):
    """A text that is finished: from its first delta's seq to before its message's."""

    session_id: str
    item_id: str
    first_seq: int
    seq: int


class Folding:
    """What the sessions of this process have finished, until it is folded. What a process that ends leaves stays as it is."""

    def __init__(self) -> None:
        self._finished: deque[tuple[float, Answer]] = deque(maxlen=_MOST_WAITING)

    def note(self, answer: Answer) -> None:
        self._finished.append((time.monotonic(), answer))

    async def run(self) -> None:
        """Fold each answer once it is ``fold_seconds`` old; for ever."""
        while True:
            await asyncio.sleep(min(_ROUND_SECONDS, conf().fold_seconds))
            while due := self._due():
                try:
                    await in_db_thread(fold, [answer for _, answer in due])
                except DatabaseAway:
                    self._finished.extendleft(reversed(due))
                    break
                except Exception:  # they are as good as they were
                    logger.exception("log: %s answers are not folded", len(due))

    def _due(self) -> list[tuple[float, Answer]]:
        upto, due = time.monotonic() - conf().fold_seconds, list[tuple[float, Answer]]()
        while self._finished and self._finished[0][0] <= upto and len(due) < _AT_ONCE:
            due.append(self._finished.popleft())
        return due


def fold(answers: Sequence[Answer]) -> None:
    """Does nothing to what is folded already."""
    params: dict[str, str | int] = {
        "answers": msgspec.json.encode(answers).decode(),
        "part_bytes": PART_BYTES,
    }
    with connection.cursor() as cursor:
        cursor.execute(FOLD, params)


def with_texts(rows: Sequence[Row]) -> list[Row]:
    """Rows as `decode_row` takes them: folded ones get back the text that the messages hold; one query, or none."""
    spans = [span for row in rows if (span := folded_span(row))]
    if not spans:
        return list(rows)
    with connection.cursor() as cursor:
        cursor.execute(TEXTS, {"spans": msgspec.json.encode(spans).decode()})
        texts = dict(cursor.fetchall())
    # one whose message is gone was erased since the row was read
    return [with_text(row, texts.get(row.seq) or "") if folded_span(row) else row for row in rows]
