"""Who is alive: a process holds its sessions as long as its one row in ``server_processes`` is renewed.

A session names its process (``lease_owner``) and counts its holders (``lease_epoch``). The epoch fences every append, so
that a lease which ran out unnoticed can do no harm; the time only says when another process may take over. One row a
process makes the renewal one small write, however many sessions the process holds.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Now

from sessions_app.conf import conf
from sessions_app.errors import DatabaseAway, SessionNotFound
from sessions_app.models import EraseScope, Erasure, ServerProcess, Session, SessionStatus
from sessions_app.postgres.link import Own, connect_own
from sessions_app.postgres.outage import Verdict, is_passing, outage, verdict

R = TypeVar("R")

_RENEW = """
UPDATE server_processes SET expires_at = now() + %(lease_s)s * interval '1 second'
WHERE process_id = %(process_id)s AND expires_at > now()
"""
_REGISTER = """
INSERT INTO server_processes (process_id, host, pid, channel, started_at, expires_at)
VALUES (%(process_id)s, %(host)s, %(pid)s, %(channel)s, now(), now() + %(lease_s)s * interval '1 second')
ON CONFLICT (process_id) DO UPDATE SET expires_at = excluded.expires_at
"""


def renew_process(
    link: "psycopg.Connection[Any] | None" = None, *, process_id: str, channel: str = ""
) -> bool:
    """Say that the process lives (the database's clock counts); the first call makes its row. On ``link``, in autocommit;
    without one, on Django's connection.

    True when the lease had not run out: nobody can have taken a session of the process meanwhile.
    """
    params: dict[str, Any] = {
        "process_id": process_id,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "channel": channel,
        "lease_s": conf().lease_seconds,
    }
    with (link or connection).cursor() as cursor:
        cursor.execute(_RENEW, params)
        if held := cursor.rowcount > 0:
            return held
        cursor.execute(_REGISTER, params)
    return False


def check_writable(link: "psycopg.Connection[Any]") -> None:
    """Raises what a write would raise now; writes nothing. A read-only database refuses it before it looks for a row."""
    link.execute("UPDATE server_processes SET expires_at = expires_at WHERE process_id = ''")


def lost_leases(*, epochs: dict[str, int]) -> set[str]:
    """Of the sessions with the epochs under which this process holds them: those that it does not hold any more."""
    stand = Session.objects.filter(session_id__in=epochs).values_list("session_id", "lease_epoch")
    held = {session_id for session_id, epoch in stand if epoch == epochs[session_id]}
    return set(epochs) - held


_ERASING_TAKES = timedelta(minutes=15)
"""At most, from its record to its commit, and a look or two more."""


def erased_of(*, session_ids: Iterable[str]) -> set[str]:
    """Of these sessions, those that somebody has erased lately. While nobody erases anything that is one small query."""
    if not Erasure.objects.filter(at__gt=Now() - _ERASING_TAKES).exists():
        return set()
    held = set(session_ids)
    there = Session.objects.filter(session_id__in=held)
    gone = Erasure.objects.filter(session_id__in=held, scope=EraseScope.SESSION)
    erased = there.filter(erased_at__isnull=False)
    return {*erased.values_list("session_id", flat=True), *gone.values_list("session_id", flat=True)}


def unheld_sessions(*, limit: int = 10_000) -> dict[str, int]:
    """The active sessions that no living process holds, with their epochs; at most so many."""
    held = ServerProcess.objects.filter(expires_at__gt=Now()).values("process_id")
    unheld = Session.objects.filter(status=SessionStatus.ACTIVE).exclude(lease_owner__in=held)
    return dict(unheld.values_list("session_id", "lease_epoch")[:limit])


def any_alive(*, within_s: float) -> bool:
    """Whether a server process lives, or did at some time within the last so many seconds."""
    return ServerProcess.objects.filter(expires_at__gt=Now() - timedelta(seconds=within_s)).exists()


def strays(*, process_id: str) -> dict[str, int]:
    """The active sessions that stand under the process's name, with their epochs."""
    mine = Session.objects.filter(lease_owner=process_id, status=SessionStatus.ACTIVE)
    return dict(mine.values_list("session_id", "lease_epoch"))


_HAND_BACK = """
UPDATE sessions SET lease_owner = ''
FROM unnest(%(session_ids)s::text[], %(epochs)s::bigint[]) AS held (session_id, epoch)
WHERE sessions.session_id = held.session_id AND lease_epoch = held.epoch AND lease_owner = %(process_id)s
"""


def hand_back(*, process_id: str, epochs: dict[str, int]) -> int:
    """Give up sessions that the process holds by name only, so that the sweep ends them; returns how many. One statement,
    however many they are."""
    params: dict[str, Any] = {
        "process_id": process_id,
        "session_ids": list(epochs),
        "epochs": list(epochs.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(_HAND_BACK, params)
        return int(cursor.rowcount)


_RELEASE = (
    "UPDATE server_processes SET expires_at = now() WHERE process_id = %(process_id)s AND expires_at > now()"
)


def release_process(link: "psycopg.Connection[Any] | None" = None, *, process_id: str) -> None:
    """Hand all leases of the process back at once: any other may take its sessions from now on."""
    with (link or connection).cursor() as cursor:
        cursor.execute(_RELEASE, {"process_id": process_id})


def reach_of(*, process_id: str) -> tuple[str, float]:
    """The channel that a living process listens on (empty: it cannot be reached), and the seconds that its lease has left.

    ("", 0.0) when it is not alive.
    """
    alive = ServerProcess.objects.filter(process_id=process_id, expires_at__gt=Now())
    found = alive.annotate(now=Now()).values_list("channel", "expires_at", "now").first()
    return (found[0], (found[1] - found[2]).total_seconds()) if found else ("", 0.0)


def holder_of(*, session_id: str) -> str | None:
    """The process whose session it is (empty: nobody's); None: it has ended. Raises `SessionNotFound`, also for an erased one."""
    row = Session.objects.filter(pk=session_id, erased_at__isnull=True).values_list("status", "lease_owner")
    if (found := row.first()) is None:
        raise SessionNotFound
    return None if found[0] == SessionStatus.ENDED else str(found[1])


def is_alive(*, process_id: str) -> bool:
    return ServerProcess.objects.filter(process_id=process_id, expires_at__gt=Now()).exists()


def living_channels() -> set[str]:
    """The channels of all processes that are alive."""
    return set(ServerProcess.objects.filter(expires_at__gt=Now()).values_list("channel", flat=True))


def forget_dead_processes(*, older_than: timedelta) -> int:
    """Delete the rows of processes that ended long ago, by the database's clock; returns how many."""
    deleted, _ = ServerProcess.objects.filter(expires_at__lt=Now() - Value(older_than)).delete()
    return deleted


P = ParamSpec("P")


class Lane:
    """One at a time, in order. The connection is made with the first call and kept."""

    def __init__(self, own: Own) -> None:
        self._own = own
        self._link: psycopg.Connection[Any] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=own.value)

    async def run(
        self,
        function: Callable[Concatenate[psycopg.Connection[Any], P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Call ``function`` with the lane's connection, in its thread.

        Raises `DatabaseAway` when the database cannot be reached or written now, and what ``function`` raises.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: self._call(function, *args, **kwargs))

    def _call(
        self,
        function: Callable[Concatenate[psycopg.Connection[Any], P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        try:
            if self._link is None or self._link.closed:
                self._link = connect_own(self._own)
            return function(self._link, *args, **kwargs)
        except Exception as error:
            if verdict(error) is Verdict.AWAY:
                self._drop()
            if not is_passing(error):
                raise
            outage.noticed(error)
            raise DatabaseAway from error

    def close(self) -> None:
        """Gives the connection back to the server; the next call makes a new one."""
        self._thread.submit(self._drop)

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link:
            with contextlib.suppress(psycopg.Error):
                link.close()


lease_lane = Lane(Own.LEASE)
"""The lease's, and whoever has to know in time whether this process can write."""
