"""The one statement that appends to the log, and the one that finds out what became of it.

A single statement in autocommit costs one round trip. It moves the rows of those sessions in the batch whose lease epoch
is still the writer's and whose log ends exactly where the batch begins (PostgreSQL looks again at one that another
transaction has just changed), and inserts their events. A session that is not in the answer was written by somebody else
meanwhile, or by this very batch before its acknowledgement got lost.

The batch is one JSON text: as cheap for the server as an array a column, and for the writer's thread a single call.

A batch in which something happens that people are to hear of goes by `APPEND_WITH_NEWS`, which writes that in the same
statement; the others cost what they did before.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from sessions_app.log import events as ev
from sessions_app.log.attention import News, news_of
from sessions_app.log.rows import Row, encode_rows

APPEND = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(batch)s::json) AS w(
        session_id text, epoch bigint, after bigint, upto bigint, last_at timestamptz, rows json,
        user_messages int, assistant_messages int, tool_calls int, responses int, failed_responses int,
        input_tokens bigint, output_tokens bigint, cost_microusd bigint, unpriced int, feedback_up int, feedback_down int,
        first_words text, begins boolean)
    ORDER BY session_id
), moved AS (
    UPDATE sessions s SET
        last_seq = w.upto, last_event_at = greatest(s.last_event_at, w.last_at),
        user_messages = s.user_messages + coalesce(w.user_messages, 0),
        assistant_messages = s.assistant_messages + coalesce(w.assistant_messages, 0),
        tool_calls = s.tool_calls + coalesce(w.tool_calls, 0),
        responses = s.responses + coalesce(w.responses, 0),
        failed_responses = s.failed_responses + coalesce(w.failed_responses, 0),
        input_tokens = s.input_tokens + coalesce(w.input_tokens, 0),
        output_tokens = s.output_tokens + coalesce(w.output_tokens, 0),
        cost_microusd = s.cost_microusd + coalesce(w.cost_microusd, 0),
        unpriced = s.unpriced + coalesce(w.unpriced, 0),
        feedback_up = s.feedback_up + coalesce(w.feedback_up, 0),
        feedback_down = s.feedback_down + coalesce(w.feedback_down, 0),
        first_words = CASE WHEN w.begins OR s.first_words = '' THEN coalesce(w.first_words, '') ELSE s.first_words END
    FROM wanted w
    WHERE s.session_id = w.session_id AND s.lease_epoch = w.epoch AND s.last_seq = w.after
    RETURNING s.session_id, w.epoch, w.rows
), added AS (
    INSERT INTO session_events (session_id, first_seq, seq, role, event_type, content, payload, created_at)
    SELECT m.session_id, e.* FROM moved m, json_to_recordset(m.rows) AS e(
        first_seq bigint, seq bigint, role text, event_type text, content text, payload jsonb, created_at timestamptz)
)
SELECT session_id, epoch FROM moved
"""

# Webhooks go after summaries and mails, which wait for nobody else's server.
_NEWS = """
), news AS (
    SELECT m.session_id, n.* FROM moved m, json_to_recordset(m.news) AS n(
        seq bigint, at timestamptz, ref text, response_id text, waits_for text, opens text, settles text[], agrees text, tells text,
        tells_in_s int)
), opened AS (
    INSERT INTO inbox_items (session_id, kind, ref, response_id, waits_for, seq, at)
    SELECT session_id, opens, ref, coalesce(response_id, ''), coalesce(waits_for, ''), seq, at FROM news WHERE opens IS NOT NULL
    ON CONFLICT (session_id, kind, ref) DO UPDATE
        SET seq = CASE WHEN inbox_items.kind = 'customer' AND inbox_items.settled_at IS NULL
                THEN inbox_items.seq ELSE excluded.seq END,
            at = CASE WHEN inbox_items.kind = 'customer' AND inbox_items.settled_at IS NULL
                THEN inbox_items.at ELSE excluded.at END,  -- since the first of their messages
            waits_for = excluded.waits_for, response_id = excluded.response_id,
            settled_at = NULL, settled_how = '', settled_by = '', agreed = '{}'
), settled AS (
    UPDATE inbox_items i SET settled_at = n.at, settled_how = 'log',
        settled_by = CASE WHEN i.settled_at IS NULL THEN i.settled_by ELSE '' END  -- who has asked again, while it waited
    FROM news n
    WHERE i.session_id = n.session_id AND i.kind = ANY(n.settles) AND n.ref IN (i.ref, i.response_id)
        AND i.settled_how <> 'log'
        AND NOT EXISTS (  -- a row is changed once: what is opened by the same records waits, whose ever its last one was
            SELECT FROM news o WHERE o.session_id = i.session_id AND o.opens = i.kind AND o.ref = i.ref)
), agreed AS (
    UPDATE inbox_items i SET agreed = array_append(i.agreed, n.agrees) FROM news n
    WHERE i.session_id = n.session_id AND i.kind = 'approval' AND n.ref = i.ref AND n.agrees IS NOT NULL
), mailed AS (
    INSERT INTO mail_notices (subscription_id, session_id, topic, seq, at)
    SELECT s.id, n.session_id, n.tells, n.seq, n.at
    FROM news n JOIN mail_subscriptions s ON n.tells = ANY(s.topics)
), told AS (
    INSERT INTO webhook_deliveries (webhook_id, topic, session_id, seq, at, next_try_at)
    SELECT w.id, n.tells, n.session_id, n.seq, n.at, now() + make_interval(secs => n.tells_in_s)
    FROM news n JOIN webhooks w ON w.active AND n.tells = ANY(w.topics)
    RETURNING id, next_try_at
), queued AS (
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, scheduled_at)
    SELECT 'webhooks', 'deliver_webhook', -10, jsonb_build_object('delivery_id', id), next_try_at FROM told
)
SELECT session_id, epoch FROM moved
"""
APPEND_WITH_NEWS = (
    APPEND.replace(")\n    ORDER BY session_id", ", news json)\n    ORDER BY session_id")
    .replace("w.epoch, w.rows\n", "w.epoch, w.rows, w.news\n")
    .replace("\n)\nSELECT session_id, epoch FROM moved\n", _NEWS)
)

FIRST_WORDS_CHARS = 120

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
    feedback_up: int = 0
    """Answers that are rated so, more or fewer than before."""
    feedback_down: int = 0

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
        if isinstance(event, ev.FeedbackGiven):
            self.feedback_up += (event.rating == ev.Rating.UP) - (event.replaces == ev.Rating.UP)
            self.feedback_down += (event.rating == ev.Rating.DOWN) - (event.replaces == ev.Rating.DOWN)
        cost_microusd = getattr(event, "cost_microusd", 0)
        self.unpriced += cost_microusd is None
        self.cost_microusd += cost_microusd or 0


def first_words(records: Sequence[ev.Record]) -> str:
    """What of a session's row tells what it is about while it has no title; empty: no message of a user's is among them."""
    event = _first_message(records)
    return _words_of(event) if event else ""


def _first_message(records: Sequence[ev.Record]) -> ev.UserMessage | None:
    """Or what the user put in its place last."""
    said = None
    for record in records:
        if isinstance(record.event, ev.UserMessage) and (said is None or record.event.begins):
            said = record.event
    return said


def _called(records: Sequence[ev.Record]) -> dict[str, object]:
    event = _first_message(records)
    if event is None:
        return {}
    return {"first_words": _words_of(event), **({"begins": True} if event.begins else {})}


def beginning_of(text: str) -> str:
    beginning = text[: 8 * FIRST_WORDS_CHARS]
    words = textwrap.shorten(beginning, FIRST_WORDS_CHARS, placeholder="…")
    return words if words not in ("", "…") else beginning.strip()[:FIRST_WORDS_CHARS] or "…"


def _words_of(event: ev.UserMessage) -> str:
    """A message without a word is called by its files."""
    return beginning_of(event.text or ", ".join(file.name for file in event.files))


@dataclass(slots=True)
class Append:
    """The consecutive records of one session in a batch, written under ``epoch``. Raises what encoding raises."""

    session_id: str
    epoch: int
    records: Sequence[ev.Record]
    rows: list[Row] = field(init=False)
    news: list[News] = field(init=False)
    encoded: bytes = field(init=False)
    """As an object of the statement's batch; made once, however often the batch is sent."""

    def __post_init__(self) -> None:
        self.rows = encode_rows(self.records)
        self.news = news_of(self.records)
        counters = Counters.of(self.records)
        counted = {name: count for name in Counters.__slots__ if (count := getattr(counters, name))}
        self.encoded = msgspec.json.encode(
            {
                "session_id": self.session_id,
                "epoch": self.epoch,
                "after": self.after,
                "upto": self.upto,
                "last_at": self.records[-1].at,
                "rows": self.rows,
                **counted,
                **_called(self.records),
                **({"news": self.news} if self.news else {}),
            }
        )

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


def append_statement(appends: Sequence[Append]) -> tuple[str, dict[str, str]]:
    """What appends them, and its one parameter."""
    statement = APPEND_WITH_NEWS if any(append.news for append in appends) else APPEND
    return statement, {"batch": (b"[" + b",".join(append.encoded for append in appends) + b"]").decode()}
