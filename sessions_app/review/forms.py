"""Sessions as files, piece by piece: JSON, NDJSON, CSV, Markdown, and chats for evaluation.

Whatever the length of a session and the number of sessions, one page of one log is in memory.
"""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from sessions_app.log import events as ev
from sessions_app.log.rows import Row
from sessions_app.models import Session
from sessions_app.review.reader import chosen_items, read_entries, read_rows
from sessions_app.review.text import entry_text, head_text, visitor_name
from sessions_app.review.transcript import Answer, Entry, Said, Text, ToolRun
from sessions_app.selectors.reviewed import REVIEW_FIELDS, read_reviews

FIELDS = (
    "session_id",
    "user_id",
    "guest_id",
    "external_user_id",
    "status",
    "source",
    "start_time",
    "end_time",
    "duration_seconds",
    "model",
    "title",
    "summary",
    "intent",
    "topics",
    "outcome",
    "sentiment",
    "language",
    "quality",
    "feedback_up",
    "feedback_down",
    "user_messages",
    "assistant_messages",
    "tool_calls",
    "responses",
    "failed_responses",
    "input_tokens",
    "output_tokens",
    "cost_microusd",
    *REVIEW_FIELDS,
    "who",
    "cost_usd",
    "unpriced",
)
_ASKED_AT_ONCE = 100
_OF_AN_EVENT = ("seq", "created_at", "role", "event_type", "content")

Pieces = Iterator[str]


@dataclass(frozen=True)
class Form:
    """How sessions are written. ``many`` takes them as they come, ``one`` is for a file of a single session."""

    content_type: str
    title: str
    many: Callable[[Iterable[Session]], Pieces]
    one: Callable[[Session], Pieces]


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()


Reviewed = tuple[Session, Mapping[str, Any]]


def _reviewed(sessions: Iterable[Session]) -> Iterator[Reviewed]:
    """Each with what the desk knows of it: a query for many."""
    left = iter(sessions)
    while page := list(islice(left, _ASKED_AT_ONCE)):
        reviews = read_reviews(session.pk for session in page)
        yield from ((session, reviews[session.pk]) for session in page if session.pk in reviews)


def _head(reviewed: Reviewed) -> dict[str, Any]:
    session, review = reviewed
    unknown = session.unpriced and not session.cost_microusd  # that is not for nothing
    cost = None if unknown else session.cost_microusd / 1_000_000
    made = {**review, "who": visitor_name(session), "cost_usd": cost}
    return {name: made[name] if name in made else getattr(session, name) for name in FIELDS}


def _event(row: Row) -> dict[str, Any]:
    event = msgspec.structs.asdict(row)
    del event["session_id"], event["first_seq"]
    return event


# JSON, and a line of JSON each


def _json(session: Session) -> Pieces:
    for reviewed in _reviewed([session]):
        yield from _json_one(reviewed)


def _json_one(reviewed: Reviewed) -> Pieces:
    session, _ = reviewed
    yield f'{{"session": {_encoded(_head(reviewed))},\n"events": [\n'
    comma = ""
    for rows in read_rows(session):
        yield comma + ",\n".join(_encoded(_event(row)) for row in rows)
        comma = ",\n"
    yield "\n]}\n"


def _json_of_many(sessions: Iterable[Session]) -> Pieces:
    before = "["
    for reviewed in _reviewed(sessions):
        yield before
        yield from _json_one(reviewed)
        before = ","
    yield "[]\n" if before == "[" else "]\n"


def _ndjson(sessions: Iterable[Session]) -> Pieces:
    for reviewed in _reviewed(sessions):
        session, _ = reviewed
        yield _encoded({"type": "session", **_head(reviewed)}) + "\n"
        for rows in read_rows(session):
            yield "".join(
                _encoded({"type": "event", "session_id": session.pk, **_event(row)}) + "\n" for row in rows
            )


# CSV: the sessions of a list, a row each; of one session its events

_FOR_EXCEL = "\ufeff"
"""Without this mark Excel reads a CSV in the code page of its machine, and of "Rückgabe" and of Japanese it makes other letters."""


def _csv_of_many(sessions: Iterable[Session]) -> Pieces:
    yield _FOR_EXCEL + _csv_rows([FIELDS])
    for reviewed in _reviewed(sessions):
        yield _csv_rows([_head(reviewed).values()])


def _csv(session: Session) -> Pieces:
    yield _FOR_EXCEL + _csv_rows([_OF_AN_EVENT])
    for rows in read_rows(session):
        yield _csv_rows([[getattr(row, name) for name in _OF_AN_EVENT] for row in rows])


def _csv_rows(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")


def _cell(value: Any) -> Any:
    """What a spreadsheet would take for a formula, or for the end of a cell, begins with an apostrophe: then it is a text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and 0 < value < 0.001:
        return f"{value:.6f}"  # no spreadsheet reads 3e-05 as the price that it is
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if not isinstance(value, str):
        return value
    risky = value.lstrip().startswith(_BEGINS_A_FORMULA) or value[:1] in ("\t", "\r", "\n")
    return f"'{value}" if risky else value


# Markdown


def _markdown(session: Session) -> Pieces:
    yield head_text(session, session.heading)
    for entries in read_entries(session, as_far_as_it_came=True):
        yield "".join(entry_text(entry, marks=True) for entry in entries)


# Chats, as OpenAI's tools for evaluation and fine-tuning read them: a line a session


def _chat(session: Session) -> Pieces:
    """What was said and done; without answers that another try took the place of, what the client or the staff took back, and
    versions that are not the chosen one."""
    chosen = chosen_items(session)
    yield '{"messages": ['
    comma = ""
    for entries in read_entries(session):
        for message in _messages(entries, chosen):
            yield comma + _encoded(message)
            comma = ", "
    about = ("model", "outcome", "sentiment", "quality", "feedback_up", "feedback_down")
    metadata = {"session_id": session.pk, **{name: _as_text(getattr(session, name)) for name in about}}
    yield f'], "metadata": {_encoded(metadata)}}}\n'


def _as_text(value: Any) -> str:
    """Metadata holds texts alone."""
    return "" if value is None else str(value)


def _messages(entries: Iterable[Entry], chosen: Collection[str] | None) -> Iterator[ev.JSON]:
    for entry in entries:
        match entry:
            case Said() if chosen is not None and entry.item_id not in chosen:
                pass
            case Answer() if chosen is not None:
                entry.items = [item for item in entry.items if item.item_id in chosen]
                yield from _of_an_answer(entry)
            case Said(removed=False, withdrawn=False):
                yield {"role": "system" if entry.author else "user", "content": _with_names(entry)}
            case Answer(tried_again=False):
                yield from _of_an_answer(entry)


def _with_names(said: Said) -> str:
    """What was sent along is named: the chats hold words alone."""
    return "\n".join([*filter(None, [said.text]), *(f"[Sent: {file.name}]" for file in said.files)])


def _of_an_answer(answer: Answer) -> Iterator[ev.JSON]:
    calls: list[ToolRun] = []
    for item in answer.items:
        if item.removed:
            continue
        if isinstance(item, ToolRun):
            calls.append(item)
            continue
        yield from _called(calls)
        calls = []
        if isinstance(item, Text) and item.text:
            yield {"role": "assistant", "content": item.text}
    yield from _called(calls)


def _called(runs: list[ToolRun]) -> Iterator[ev.JSON]:
    """Calls that came to nothing are left out: each has to be followed by its result."""
    answered = [run for run in runs if run.outcome != "pending"]
    if not answered:
        return
    calls = [
        {
            "id": run.call_id,
            "type": "function",
            "function": {"name": run.name, "arguments": run.arguments or "{}"},
        }
        for run in answered
    ]
    yield {"role": "assistant", "content": None, "tool_calls": calls}
    for run in answered:
        yield {"role": "tool", "tool_call_id": run.call_id, "content": run.output}


def _one(many: Callable[[Iterable[Session]], Pieces]) -> Callable[[Session], Pieces]:
    return lambda session: many([session])


def _each(one: Callable[[Session], Pieces]) -> Callable[[Iterable[Session]], Pieces]:
    return lambda sessions: (piece for session in sessions for piece in one(session))


FORMS: dict[str, Form] = {
    "md": Form("text/markdown; charset=utf-8", "Markdown, to read", _each(_markdown), _markdown),
    "json": Form("application/json; charset=utf-8", "JSON, every event", _json_of_many, _json),
    "ndjson": Form("application/x-ndjson; charset=utf-8", "NDJSON, a line each", _ndjson, _one(_ndjson)),
    "csv": Form("text/csv; charset=utf-8", "CSV, for a spreadsheet", _csv_of_many, _csv),
    "jsonl": Form("application/jsonl; charset=utf-8", "Chats for evaluation (OpenAI)", _each(_chat), _chat),
}
"""By the end of the file's name."""
