"""What the database holds of one session, read past the application: rows, counters, writers, jobs."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import connection

from chat.wire.realtime.projector import RealtimeProjector
from chat.wire.realtime.server import encode
from sessions_app.log.events import Record
from sessions_app.log.folding import with_texts
from sessions_app.log.rows import COLUMNS, Row, decode_row
from tests.chaos.view import Frame

_SESSION = (
    "session_id",
    "status",
    "end_time",
    "duration_seconds",
    "summary_state",
    "summary_seq",
    "last_seq",
    "user_messages",
    "assistant_messages",
    "tool_calls",
    "responses",
)


@dataclass(frozen=True)
class Written:
    """One row, as the witness in the database saw it written."""

    first_seq: int
    seq: int
    epoch: int
    writer: str


@dataclass
class LoggedSession:
    session_id: str
    columns: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    writers: list[Written] = field(default_factory=list)
    jobs: int = 0
    """Summary jobs that are still to be done."""

    @cached_property
    def records(self) -> list[Record]:
        return [record for row in self.rows for record in decode_row(row)]

    @cached_property
    def frames(self) -> list[Frame]:
        """What the log says that a client is shown."""
        projector = RealtimeProjector(self.session_id)
        return [json.loads(encode(frame)) for record in self.records for frame in projector.frames(record)]


def read_sessions() -> dict[str, LoggedSession]:
    sessions = {
        row[0]: LoggedSession(row[0], dict(zip(_SESSION, row, strict=True)))
        for row in _all(f"SELECT {', '.join(_SESSION)} FROM sessions ORDER BY session_id")
    }
    for row in _all(f"SELECT {', '.join(COLUMNS)} FROM session_events ORDER BY session_id, seq"):
        sessions[row[0]].rows.append(_row(row))
    for session in sessions.values():
        session.rows = with_texts(session.rows)
    for session_id, *written in _all(
        "SELECT session_id, first_seq, seq, epoch, writer FROM chaos_writers ORDER BY session_id, seq"
    ):
        sessions[session_id].writers.append(Written(*written))
    for session_id, jobs in _open_jobs().items():
        sessions[session_id].jobs = jobs
    return sessions


def unsettled() -> list[str]:
    """Sessions that still have something to come: an end, or the summary of one."""
    return [
        f"{session_id}: {status}, summary {summary}"
        for session_id, status, summary in _all(
            "SELECT session_id, status, summary_state FROM sessions"
            " WHERE status <> 'ended' OR summary_state IN ('none', 'pending')"
        )
    ]


def stand_of(session_id: str) -> list[str]:
    """Who holds a session, who is alive, and what its log ends with: for whoever has to find out why it does not settle."""
    held = _all(
        "SELECT status, lease_owner, lease_epoch, last_seq, last_event_at FROM sessions WHERE session_id = %s",
        session_id,
    )
    processes = _all("SELECT process_id, pid, expires_at - now() FROM server_processes ORDER BY started_at")
    rows = _all(
        "SELECT e.first_seq, e.seq, e.event_type, e.created_at, w.epoch, w.writer FROM session_events e"
        " LEFT JOIN chaos_writers w ON w.session_id = e.session_id AND w.seq = e.seq"
        " WHERE e.session_id = %s AND e.event_type NOT LIKE 'connection_%%' ORDER BY e.seq DESC LIMIT 60",
        session_id,
    )
    return [" ".join(map(str, row)) for row in (*held, *processes, *reversed(rows))]


def _open_jobs() -> dict[str, int]:
    jobs: dict[str, int] = defaultdict(int)
    for (session_id,) in _all(
        "SELECT args->>'session_id' FROM procrastinate_jobs"
        " WHERE task_name = 'summarise_session' AND status IN ('todo', 'doing')"
    ):
        jobs[session_id] += 1
    return jobs


def _all(query: str, *params: str) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, params or None)
        return list(cursor.fetchall())


def _row(row: tuple[Any, ...]) -> Row:
    values = dict(zip(COLUMNS, row, strict=True))
    if isinstance(values["payload"], str):  # jsonb comes as text past Django's own field
        values["payload"] = json.loads(values["payload"])
    return Row(**values)
