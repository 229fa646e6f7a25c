"""Every setting of the log, typed, with its default. Read as ``settings.SESSIONS_<NAME>``."""

from dataclasses import dataclass

from sessions_app.setting import FLAG, SESSIONS, STORES, number, reader, whole

MOST_FILE_BYTES = 14 * 1024 * 1024
"""As base64, and with a conversation around it, it still goes into one request to each of the vendors (Gemini's 20 MB)."""


@dataclass(frozen=True, kw_only=True)
class SessionsConf:
    grace_seconds: float = SESSIONS.field(
        10.0,
        number(0, 86_400),
        "How long a session stays open when its last socket is gone; `0` ends it at once.",
        variable="SESSION_GRACE_SECONDS",
    )
    lease_seconds: float = SESSIONS.field(
        9.0,
        number(1, 10),
        "How long a process that died still counts as the holder of its sessions.",
        variable="SESSION_LEASE_SECONDS",
    )
    lease_renew_seconds: float = 2.5
    flush_seconds: float = 0.08
    """How long an event that is not urgent may wait for the ones after it; the promise is 100 ms."""
    flush_bytes: int = 2048
    """What waits is written at once when it has this size: the characters of its texts, and 200 for each event."""
    fold_seconds: float = 60.0
    """So long after an answer's end its deltas are kept without their text, which its message holds."""
    batch_events: int = 1000
    """At most this many events go into one commit."""
    buffer_events: int = 50_000
    """Events in memory that are not committed; one more is refused with ``storage_unavailable``."""
    buffer_bytes: int = 64 * 1024 * 1024
    buffer_seconds: float = SESSIONS.field(
        60.0,
        number(1, 3600),
        "How long the database may be away before new messages are refused (with an error that invites a retry).",
        variable="SESSION_BUFFER_SECONDS",
    )
    retention_days: int | None = SESSIONS.field(
        None,
        whole(1, 36_500),
        "What was said is [erased](privacy.md) so many days after its session ended; tool data, title and summary with it.",
        default_told="kept for ever",
        example="90",
    )
    retention_tool_days: int | None = SESSIONS.field(
        None,
        whole(1, 36_500),
        "The same for what tools were given and gave, where that is to go sooner.",
        default_told="as `RETENTION_DAYS`",
        example="30",
    )
    retention_session_days: int | None = SESSIONS.field(
        None,
        whole(2, 36_500),
        "Sessions are deleted with all their figures so many days after they ended.",
        default_told="kept for ever",
        example="730",
    )
    takeover_skips: int = 200_000
    """Seqs that a takeover leaves out: more than a process can have shown and not stored (see ``buffer_events``)."""
    max_file_bytes: int = SESSIONS.field(
        10 * 1024 * 1024,
        whole(1024, MOST_FILE_BYTES),
        "A larger [picture or file](files.md) is refused.",
        variable="MAX_FILE_BYTES",
    )
    max_files_per_message: int = SESSIONS.field(
        5,
        whole(0, 20),
        "Pictures and files in one message; `0`: none are taken at all.",
        variable="MAX_FILES_PER_MESSAGE",
    )
    file_bytes_per_day: int = SESSIONS.field(
        200 * 1024 * 1024,
        whole(1, 10**12),
        "What one user, guest or key may send of files in a day, in bytes; all guests of one address together ten times as "
        "much.",
        variable="FILE_BYTES_PER_DAY",
    )
    all_file_bytes_per_day: int = SESSIONS.field(
        5 * 1024**3,
        whole(1, 10**15),
        "What all of them together may send of files in a day, in bytes.",
        variable="ALL_FILE_BYTES_PER_DAY",
    )
    unused_file_hours: float = 24.0
    """A file that nobody put into a message is erased after so long."""
    ring_records: int = 512
    """Committed records kept in memory per live session, so that a short drop replays without a query."""
    db_threads: int = 8
    """Threads (and at most as many pooled connections) for reads and rare writes."""
    insecure_database: bool = STORES.field(
        False,
        FLAG,
        "`1`: a database on another host may be reached without TLS. For private networks alone; without it such a "
        "connection is refused.",
    )
    embedded_database: bool = False
    """The database is the embedded server of a developer's machine, not one that somebody runs."""
    server_processes: int = 1
    """Server processes of this installation, on all its machines: what the check of the connection budget counts."""
    pooler_connections: int = 15
    """Connections that Supabase's session pooler allows (its pool size, in the dashboard)."""


conf = reader(SessionsConf, "SESSIONS_")
