"""A session with one word in every place where words can be, and a look for it in all that the database holds."""

from enum import EnumType
from typing import Any

import msgspec
from django.db import connection

from sessions_app.log import events as ev
from sessions_app.models import Sentiment, Session, SessionOutcome, SessionStatus, SummaryState
from sessions_app.privacy.redact import OUR_NAMES, is_figure
from tests.admin.rows import NOON, write_session

MARK = "xylophonica"
FIGURES: dict[str, Any] = {
    "usage": ev.Usage(input_tokens=7, output_tokens=3),
    "timings": ev.Timings(total_ms=12.5, first_token_ms=3.0),
    "cost_microusd": 41,
    "respond": True,
    "duration_ms": 7.25,
    "round": 0,
    "output_index": 0,
    "offset": 0,
}


OF_A_TYPE: dict[type[ev.Event], dict[str, Any]] = {
    ev.ResponseDone: {"reason": ev.Reason.CLIENT_CANCELLED},
    ev.ToolCall: {"location": ev.Location.CLIENT},
    ev.ToolApprovalRequested: {"name": "lamps", "server_label": "house"},
    ev.ToolResult: {"response_id": None},
}
"""What is no word of a person's there."""


def full_of(word: str, cls: type[ev.Event]) -> ev.Event:
    """An event of that type with ``word`` in each field that can hold one."""
    given = {field.name: _value(word, field) for field in msgspec.structs.fields(cls)}
    given |= OF_A_TYPE.get(cls, {})
    return cls(**{name: value for name, value in given.items() if value is not msgspec.UNSET})


def _value(word: str, field: msgspec.structs.FieldInfo) -> Any:
    if field.name in FIGURES:
        return FIGURES[field.name]
    if is_figure(field.type):
        if not field.required:
            return msgspec.UNSET
        if isinstance(field.type, EnumType):
            return next(iter(field.type))
        return True if field.type is bool else 1
    if field.name in OUR_NAMES:
        return "demo"
    if field.type == list[ev.Part]:
        return [ev.Part(4, {"thought": word})]
    if field.type == list[str]:
        return [f"{word}_1", f"{word}_2"]
    if field.type in (ev.JSON, ev.JSON | None):
        return {"conversation": "none", word: [word]}
    return f"{word} {field.name}"


def session_full_of(word: str, session_id: str = "s1", **fields: Any) -> Session:
    events = [full_of(word, cls) for cls in ev.EVENT_TYPES.values() if cls is not ev.SessionReopened]
    given: dict[str, Any] = {
        "title": f"About {word}",
        "summary": f"All of {word}",
        "topics": [f"{word} topic"],
        "intent": f"To know of {word}",
        "language": word,
        "outcome": SessionOutcome.UNRESOLVED,
        "sentiment": Sentiment.NEGATIVE,
        "quality": 2,
        "summary_state": SummaryState.WRITTEN,
        "status": SessionStatus.ENDED,
        "end_time": NOON,
        "last_event_at": NOON,
        "model": "demo",
    }
    return write_session(events, session_id=session_id, **(given | fields))


def rows_with(word: str) -> list[str]:
    """Every row of every table that holds it, as a dump would; names of tables."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} t WHERE t::text ILIKE %s", [f"%{word}%"])
            found += [f"{table}: {row}" for (row,) in cursor.fetchall()]
    return found
