"""What tutorials keep of conversations, read row by row: their tables in a PostgreSQL, or an export of the events as CSV.

Whatever the source, rows come session by session and in the order of time within one, and none of it is held in memory.
"""

import csv
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

SESSION = ("session_id", "session", "conversation_id", "chat_id")
EVENT_COLUMNS: dict[str, Sequence[str]] = {
    "kind": ("event_type", "type"),
    "role": ("role", "sender", "speaker"),
    "content": ("content", "message", "text", "payload", "data"),
    "at": ("timestamp", "created_at", "time"),
    "order": ("id", "event_id", "seq"),
}
SESSION_COLUMNS: dict[str, Sequence[str]] = {
    "user": ("user_id", "user", "username"),
    "start": ("start_time", "started_at", "created_at"),
    "end": ("end_time", "ended_at"),
    "title": ("title", "name"),
    "summary": ("summary",),
}
EVENT_TABLES = ("session_events", "events")
_FIELD_CHARS = 16 * 1024 * 1024
_PAGE_ROWS = 500


class SourceError(Exception):
    """It cannot be read; the message says what it would have to be."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One event as the source has it; of its session, what the source knows."""

    session: str
    kind: str
    role: str
    content: str
    at: datetime | None
    user: str = ""
    start: datetime | None = None
    end: datetime | None = None
    title: str = ""
    summary: str = ""


class Source(ABC):
    @abstractmethod
    def count(self) -> tuple[int, int]:
        """(sessions, events), for the progress."""

    @abstractmethod
    def rows(self) -> Iterator[SourceRow]:
        """Raises `SourceError`."""

    def sessions_without_events(self) -> int:
        return 0


def chosen(columns: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The first of ``wanted`` that there is."""
    by_name = {column.strip().lower(): column for column in columns}
    return next((by_name[name] for name in wanted if name in by_name), None)


def as_text(value: Any) -> str:
    """JSON's objects by their text, where they have one."""
    if isinstance(value, dict):
        inner = next((value[name] for name in ("text", "content", "message") if name in value), None)
        return inner if isinstance(inner, str) else _json(value)
    if isinstance(value, list):
        return _json(value)
    return "" if value is None else str(value)


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def as_time(value: Any) -> datetime | None:
    """Of a time, a date, ISO 8601 text, or seconds (or milliseconds) since 1970; without a zone it is UTC."""
    text = str(value or "").strip()
    try:
        if isinstance(value, datetime):
            return _in_utc(value)
        if text.replace(".", "", 1).isdigit():
            seconds = float(text)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError, OSError):
        return None


def _in_utc(at: datetime) -> datetime:
    """Raises OverflowError for the last hours of the year 9999, and the first of the year 1, in other zones."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


# Tables


class Tables(Source):
    """In a schema of a PostgreSQL; read only, in one transaction."""

    def __init__(self, link: "psycopg.Connection[Any]", *, schema: str, events_table: str | None) -> None:
        """Raises `SourceError`."""
        self._link = link
        self._schema = schema
        tables = [events_table] if events_table else EVENT_TABLES
        self._events, self._event_columns = self._table(tables)
        self._sessions, self._session_columns = "sessions", self._columns("sessions")
        if "first_seq" in self._event_columns or "lease_epoch" in self._session_columns:
            raise SourceError("These tables are this product's own, not a tutorial's.")
        self._key = self._needed(self._event_columns, SESSION, self._events)
        self._needed(self._event_columns, [*EVENT_COLUMNS["kind"], *EVENT_COLUMNS["role"]], self._events)
        self._needed(self._event_columns, EVENT_COLUMNS["content"], self._events)

    def _table(self, names: Sequence[str]) -> tuple[str, list[str]]:
        for name in names:
            if columns := self._columns(name):
                return name, columns
        raise SourceError(f"There is no table {' or '.join(names)} in the schema {self._schema}.")

    def _columns(self, table: str) -> list[str]:
        found = self._link.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            [self._schema, table],
        )
        return [name for (name,) in found]

    @staticmethod
    def _needed(columns: Sequence[str], wanted: Sequence[str], table: str) -> str:
        if found := chosen(columns, wanted):
            return found
        raise SourceError(f"The table {table} has none of the columns {', '.join(wanted)}.")

    def count(self) -> tuple[int, int]:
        query = sql.SQL("SELECT count(DISTINCT {}::text), count(*) FROM {}").format(
            sql.Identifier(self._key), self._named(self._events)
        )
        sessions, events = self._link.execute(query).fetchone() or (0, 0)
        return int(sessions), int(events)

    def sessions_without_events(self) -> int:
        own_key = chosen(self._session_columns, [*SESSION, "id"])
        if own_key is None:
            return 0
        query = sql.SQL(
            "SELECT count(*) FROM {sessions} s WHERE NOT EXISTS (SELECT FROM {events} e WHERE e.{key}::text = s.{own}::text)"
        ).format(
            sessions=self._named(self._sessions),
            events=self._named(self._events),
            key=sql.Identifier(self._key),
            own=sql.Identifier(own_key),
        )
        found = self._link.execute(query).fetchone()
        return int(found[0]) if found else 0

    def rows(self) -> Iterator[SourceRow]:
        with self._link.cursor(name="import_sessions") as cursor:
            cursor.itersize = _PAGE_ROWS
            cursor.execute(self._query())
            for session, kind, role, content, at, user, start, end, title, summary in cursor:
                yield SourceRow(
                    session=session or "",
                    kind=as_text(kind),
                    role=as_text(role),
                    content=as_text(content),
                    at=as_time(at),
                    user=as_text(user),
                    start=as_time(start),
                    end=as_time(end),
                    title=as_text(title),
                    summary=as_text(summary),
                )

    def _query(self) -> sql.Composed:
        own_key = chosen(self._session_columns, [*SESSION, "id"])
        columns = {
            name: self._column("e", self._event_columns, names) for name, names in EVENT_COLUMNS.items()
        }
        known = self._session_columns if own_key else []
        columns |= {name: self._column("s", known, names) for name, names in SESSION_COLUMNS.items()}
        join: sql.Composable = sql.SQL("")
        if own_key:
            join = sql.SQL(" LEFT JOIN {} s ON s.{}::text = e.{}::text").format(
                self._named(self._sessions), sql.Identifier(own_key), sql.Identifier(self._key)
            )
        return sql.SQL(
            "SELECT e.{key}::text, {kind}, {role}, {content}, {at}, {user}, {start}, {end}, {title}, {summary} "
            "FROM {events} e{join} ORDER BY e.{key}::text, {at} NULLS LAST, {order}"
        ).format(key=sql.Identifier(self._key), events=self._named(self._events), join=join, **columns)

    @staticmethod
    def _column(of: str, columns: Sequence[str], wanted: Sequence[str]) -> sql.Composable:
        name = chosen(columns, wanted)
        return sql.SQL("{}.{}").format(sql.SQL(of), sql.Identifier(name)) if name else sql.SQL("NULL::text")

    def _named(self, table: str) -> sql.Identifier:
        return sql.Identifier(self._schema, table)


_NO_URL = (
    "The URL cannot be read. It has to be postgresql://USER:PASSWORD@HOST:5432/DB, with a % in the password as %25, and in its "
    "query what libpq knows."
)


@contextmanager
def open_tables(url: str, *, schema: str, events_table: str | None = None) -> Iterator[Source]:
    """Raises `SourceError`."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # whose words repeat the URL, and with it the password
        raise SourceError(_NO_URL) from None
    try:
        with psycopg.connect(url, connect_timeout=10) as link:
            link.execute("SET TRANSACTION READ ONLY")
            link.execute("SET LOCAL statement_timeout = 0")
            yield Tables(link, schema=schema, events_table=events_table)
    except psycopg.Error as error:
        raise SourceError(f"It cannot be read: {' '.join(str(error).split())}") from error


# A file


class Csv(Source):
    """An export of the events, in any order: it is sorted in a file of its own, which goes with the source."""

    def __init__(self, path: Path, store: sqlite3.Connection) -> None:
        """Raises `SourceError`."""
        self._store = store
        store.execute(
            "CREATE TABLE event (line INTEGER PRIMARY KEY, session, kind, role, content, at, user, number INTEGER)"
        )
        csv.field_size_limit(_FIELD_CHARS)
        try:
            with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                self._fill(csv.reader(file))
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
        except csv.Error as error:
            raise SourceError(f"{path} is no CSV: {error}.") from error
        store.execute("CREATE INDEX by_session ON event (session, at IS NULL, at, number, line)")

    def _fill(self, lines: Iterator[list[str]]) -> None:
        head = next(lines, [])
        wanted = {**EVENT_COLUMNS, "session": SESSION, "user": SESSION_COLUMNS["user"]}
        places = {
            name: head.index(column) for name, names in wanted.items() if (column := chosen(head, names))
        }
        if not {"session", "content"} <= places.keys() or not {"kind", "role"} & places.keys():
            raise SourceError(
                "The first line has to name the columns: session_id, role or event_type, content, and timestamp or created_at."
            )
        self._store.executemany(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self._row(line, places, number) for number, line in enumerate(lines, 2) if line),
        )

    @staticmethod
    def _row(line: list[str], places: dict[str, int], number: int) -> tuple[Any, ...]:
        """A short line lacks what stands behind its end."""
        texts = {name: line[place] if place < len(line) else "" for name, place in places.items()}
        at = as_time(texts.get("at"))
        return (
            number,
            texts["session"].strip(),
            texts.get("kind", ""),
            texts.get("role", ""),
            texts["content"].encode(errors="replace").decode(),
            at.timestamp() if at else None,
            texts.get("user", ""),
            _as_number(texts.get("order", "")),
        )

    def count(self) -> tuple[int, int]:
        found = self._store.execute("SELECT count(DISTINCT session), count(*) FROM event").fetchone()
        return int(found[0]), int(found[1])

    def rows(self) -> Iterator[SourceRow]:
        ordered = self._store.execute(
            "SELECT session, kind, role, content, at, user FROM event ORDER BY session, at IS NULL, at, number, line"
        )
        for session, kind, role, content, at, user in ordered:
            when = None if at is None else datetime.fromtimestamp(at, UTC)
            yield SourceRow(session=session, kind=kind, role=role, content=content, at=when, user=user)


def _as_number(text: str) -> int | None:
    """Of what counts the rows; a uuid says nothing of their order."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@contextmanager
def open_csv(path: Path) -> Iterator[Source]:
    """Raises `SourceError`."""
    with tempfile.TemporaryDirectory(prefix="import-sessions-") as folder:
        store = sqlite3.connect(Path(folder) / "rows")
        try:
            yield Csv(path, store)
        finally:
            store.close()
