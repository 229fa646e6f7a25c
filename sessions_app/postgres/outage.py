"""What an error of the database means, decided in one place by its SQLSTATE and severity; and one line an outage.

Everything that talks to the database asks here whether to wait for it, to try again, or to give up.
"""

import logging
import threading
import time
from enum import StrEnum

import psycopg
from django.db.utils import InterfaceError, OperationalError

logger = logging.getLogger(__name__)


class Verdict(StrEnum):
    AWAY = "away"
    """The connection is of no use: gone, about to go, read-only, out of room. A new one may do, sooner or later."""
    BUSY = "busy"
    """The connection is well; the same statement may succeed the next time (a time-out, a deadlock, a lock)."""
    REFUSED = "refused"
    """The database understood and said no; it will say no again."""


_AWAY = (
    "08",  # connection exceptions
    "25006",  # read-only: a full disk at some hosts, a standby after a failover
    "53",  # out of connections, memory, disk
    "57P",  # it shuts down, starts up, or ended this connection
    "58",  # the system under it: I/O, files
    "XX000",  # internal errors; a pooler says so of anything that it cannot do now
)
_BUSY = (
    "40",  # serialization failure, deadlock
    "55P03",  # a lock was not to be had in time
    "57014",  # cancelled, by statement_timeout as a rule
)
_FINAL_SEVERITIES = ("FATAL", "PANIC")
"""Whatever its state says: the server ends the connection with it."""


def verdict(error: BaseException) -> Verdict:
    """For an error of psycopg's, one of Django's or of the queue's that was raised from it, or any other (`REFUSED`)."""
    cause = _of_psycopg(error)
    if cause is None:
        return Verdict.AWAY if isinstance(error, OperationalError | InterfaceError) else Verdict.REFUSED
    state = cause.sqlstate
    if state is None:  # raised on our side: no answer came, or none that libpq understood
        gone = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
        return Verdict.AWAY if isinstance(cause, gone) else Verdict.REFUSED
    if cause.diag.severity_nonlocalized in _FINAL_SEVERITIES or state.startswith(_AWAY):
        return Verdict.AWAY
    return Verdict.BUSY if state.startswith(_BUSY) else Verdict.REFUSED


def is_passing(error: BaseException) -> bool:
    """Whether waiting for the database may help."""
    return verdict(error) is not Verdict.REFUSED


def is_away(error: BaseException) -> bool:
    """Whether the database is away, so that whatever comes next fails as well; one that was only busy with this may do the next."""
    return verdict(error) is Verdict.AWAY


def is_read_only(error: BaseException) -> bool:
    cause = _of_psycopg(error)
    return cause is not None and cause.sqlstate == "25006"


def _of_psycopg(error: BaseException | None) -> psycopg.Error | None:
    while error is not None and not isinstance(error, psycopg.Error):
        error = error.__cause__
    return error


_QUIET_S = 1.0
"""An outage is over with the first write after so long without another fault: parts of the process come back one by one."""


class Outage:
    """Of this process; told once when it begins and once when it is over, however many of its parts notice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._last_fault = 0.0

    def noticed(self, error: BaseException) -> None:
        now = time.monotonic()
        with self._lock:
            first, self._last_fault = self._since is None, now
            if first:
                self._since = now
        if first:
            reason = " ".join(str(_of_psycopg(error) or error).split())
            logger.warning("the database is away, trying again: %s", reason)

    def wrote(self) -> None:
        since = self._since
        if since is None:  # read without the lock: this is called for every commit
            return
        now = time.monotonic()
        with self._lock:
            if self._since is None or now - self._last_fault < _QUIET_S:
                return
            self._since = None
        logger.warning("the database is back after %.1f s", now - since)


outage = Outage()
