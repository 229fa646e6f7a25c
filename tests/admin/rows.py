"""Sessions for the admin's tests, written as the rows that the journal writes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sessions_app.ids import uuid7
from sessions_app.log import events as ev
from sessions_app.log.journal_sql import Counters, first_words
from sessions_app.log.rows import encode_rows
from sessions_app.models import Session, SessionEvent

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def records_of(session_id: str, events: Sequence[ev.Event], *, at: datetime = NOON) -> list[ev.Record]:
    """One second apart, from seq 1."""
    records, seq = [], 0
    for index, event in enumerate(events):
        seq += 1 + (event.skipped if isinstance(event, ev.SessionReopened) else 0)
        records.append(ev.Record(session_id, seq, at + timedelta(seconds=index), event))
    return records


def write_session(
    events: Sequence[ev.Event] = (), *, at: datetime = NOON, session_id: str = "", **fields: Any
) -> Session:
    """A session with the log ``events`` and the counters that follow from them; ``fields`` are laid over."""
    session_id = session_id or uuid7()
    records = records_of(session_id, events, at=at)
    counters = Counters.of(records)
    session = Session.objects.create(
        session_id=session_id,
        **{
            "start_time": at,
            "last_seq": records[-1].seq if records else 0,
            "first_words": first_words(records),
            **{name: getattr(counters, name) for name in Counters.__slots__},
            **fields,
        },
    )
    SessionEvent.objects.bulk_create(map(SessionEvent.of, encode_rows(records)))
    return session


def user_says(text: str, item_id: str = "item_u") -> ev.Event:
    return ev.UserMessage(item_id=item_id, text=text)


def started(response_id: str = "resp_1") -> ev.ResponseStarted:
    return ev.ResponseStarted(response_id=response_id, provider="gemini", model="flash")


def deltas(*texts: str, response_id: str = "resp_1", item_id: str = "item_a") -> list[ev.AssistantDelta]:
    found, offset = [], 0
    for text in texts:
        found.append(
            ev.AssistantDelta(
                response_id=response_id, item_id=item_id, output_index=0, offset=offset, text=text
            )
        )
        offset += len(text)
    return found


def message(
    text: str, response_id: str = "resp_1", item_id: str = "item_a", status: str = "completed"
) -> ev.AssistantMessage:
    return ev.AssistantMessage(
        response_id=response_id, item_id=item_id, output_index=0, text=text, status=ev.TextStatus(status)
    )


def done(response_id: str = "resp_1", status: str = "completed", **fields: Any) -> ev.Event:
    return ev.ResponseDone(response_id=response_id, status=ev.ResponseStatus(status), **fields)


def call(call_id: str = "call_1", response_id: str = "resp_1", **fields: Any) -> ev.ToolCall:
    given = {"name": "get_time", "arguments": '{"zone": "Asia/Tokyo"}', "output_index": 0, **fields}
    return ev.ToolCall(response_id=response_id, item_id=f"item_{call_id}", call_id=call_id, **given)


def result(call_id: str = "call_1", output: str = '{"time": "21:14"}', **fields: Any) -> ev.ToolResult:
    given = {"name": "get_time", "duration_ms": 12.0, "response_id": "resp_1", **fields}
    return ev.ToolResult(item_id=f"item_{call_id}", call_id=call_id, output=output, **given)


def turn(number: int, *, words: str = "") -> list[ev.Event]:
    """A question, its answer in two deltas and a tool call between: seven events."""
    response_id, item_id, call_id = f"resp_{number}", f"item_{number}", f"call_{number}"
    text = f"answer {number} {words}"
    return [
        user_says(f"question {number} {words}", f"item_u{number}"),
        started(response_id),
        call(call_id, response_id),
        result(call_id, response_id=response_id),
        *deltas(text[:5], text[5:], response_id=response_id, item_id=item_id),
        message(text, response_id, item_id),
        done(
            response_id,
            usage=ev.Usage(input_tokens=300, output_tokens=40),
            timings=ev.Timings(first_token_ms=420.0, total_ms=1800.0),
        ),
    ]
