"""Every setting of the log, typed, with its default. Read as ``settings.SESSIONS_<NAME>``."""

from dataclasses import dataclass, fields
from functools import cache

from django.conf import settings
from django.core.signals import setting_changed


@dataclass(frozen=True, kw_only=True)
class SessionsConf:
    grace_seconds: float = 10.0
    """How long a session without a subscriber stays open."""
    lease_seconds: float = 9.0
    """How long a process that stopped renewing still counts as alive."""
    lease_renew_seconds: float = 2.5
    flush_seconds: float = 0.08
    """How long a delta may wait to be joined with the ones after it; the promise is 100 ms."""
    flush_bytes: int = 2048
    """A run of deltas of this size (UTF-8 bytes) is written at once."""
    batch_events: int = 1000
    """At most this many events go into one commit."""
    buffer_events: int = 50_000
    """Events in memory that are not committed; one more is refused with ``storage_unavailable``."""
    buffer_bytes: int = 64 * 1024 * 1024
    buffer_seconds: float = 60.0
    """When the oldest uncommitted event is older than this, new ones are refused."""
    takeover_skips: int = 200_000
    """Seqs that a takeover leaves out: more than a process can have shown and not stored (see ``buffer_events``)."""
    ring_records: int = 512
    """Committed records kept in memory per live session, so that a short drop replays without a query."""
    db_threads: int = 8
    """Threads (and at most as many pooled connections) for reads and rare writes."""
    insecure_database: bool = False
    """The network to a database on another host is trusted: TLS is not demanded."""
    embedded_database: bool = False
    """The database is the embedded server of a developer's machine, not one that somebody runs."""
    server_processes: int = 1
    """Server processes of this installation, on all its machines: what the check of the connection budget counts."""
    pooler_connections: int = 15
    """Connections that Supabase's session pooler allows (its pool size, in the dashboard)."""


@cache
def conf() -> SessionsConf:
    """The settings as they stand; read anew after Django's ``setting_changed``."""
    given = {
        field.name: getattr(settings, f"SESSIONS_{field.name.upper()}")
        for field in fields(SessionsConf)
        if hasattr(settings, f"SESSIONS_{field.name.upper()}")
    }
    return SessionsConf(**given)


def _forget(*, setting: str, **_: object) -> None:
    if setting.startswith("SESSIONS_"):
        conf.cache_clear()


setting_changed.connect(_forget, dispatch_uid="sessions_app.conf")
