"""Connections that do not wait for ever, and that know whether they may write; and those of one's own beside Django's,
with its settings, without its pool and its thread rules."""

import select
import time
from enum import StrEnum
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from psycopg.abc import RV, PQGen

from sessions_app.conf import conf
from sessions_app.errors import DatabaseAway
from sessions_app.postgres.address import pools_transactions

POOLED_PATIENCE_S = 10.0
"""For one answer; queries that may take long have shorter bounds of their own (`sessions_app.postgres.threads`)."""


class Link(psycopg.Connection[Any]):
    """A network that swallows packets answers neither yes nor no, and where a proxy stands between, not even TCP notices:
    what is not answered in ``patience_s`` ends the connection, as a reset would."""

    patience_s = POOLED_PATIENCE_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.opened_at = time.monotonic()

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        deadline = time.monotonic() + self.patience_s
        try:
            return super().wait(gen, interval, self.patience_s)
        except psycopg.OperationalError as error:
            if not _ran_out(error, deadline):
                raise
            self.close()
            raise _no_answer(self.patience_s) from error

    def answers(self, *, within_s: float) -> bool:
        """One round trip, in which the server also tells what has changed about the connection."""
        patience_s, self.patience_s = self.patience_s, within_s
        try:
            self.execute("")
        except psycopg.Error:
            return False
        finally:
            self.patience_s = patience_s
        return True

    @property
    def was_hung_up(self) -> bool:
        """Whether the other side has closed or reset it, or said something unasked; costs no round trip."""
        try:
            look = select.poll()
            look.register(self.fileno(), select.POLLIN)
            return bool(look.poll(0))
        except psycopg.Error:  # closed here already
            return True

    @property
    def refuses_writes(self) -> bool:
        """As the server last said by itself (from PostgreSQL 14 on; before it, False until a write fails)."""
        return "on" in map(self.info.parameter_status, ("default_transaction_read_only", "in_hot_standby"))


class AsyncLink(psycopg.AsyncConnection[Any]):
    """The same for the queue of jobs; not for one that listens, whose silence means nothing."""

    patience_s = 5.0

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        deadline = time.monotonic() + self.patience_s
        try:
            return await super().wait(gen, interval, self.patience_s)
        except psycopg.OperationalError as error:
            if not _ran_out(error, deadline):
                raise
            await self.close()
            raise _no_answer(self.patience_s) from error


def _ran_out(error: psycopg.OperationalError, deadline: float) -> bool:
    """psycopg's own error for it is private."""
    return error.sqlstate is None and time.monotonic() >= deadline


def _no_answer(patience_s: float) -> psycopg.OperationalError:
    return psycopg.OperationalError(f"no answer within {patience_s:g} s")


_PREPARED_AFTER = 5
_JOURNAL_PATIENCE_S = 5.0
"""A batch that is in after all is found to be in when it is sent again."""
_LEAST_LEASE_PATIENCE_S = 2.5


class Own(StrEnum):
    """Who has a connection of their own; each counts in `sessions_app.supabase.checks`."""

    JOURNAL = "journal"
    LEASE = "lease"


def connect_own(own: Own) -> Link:
    """A connection in autocommit, with server-side binding. Raises `psycopg.OperationalError`."""
    params = _params()
    link = Link.connect(**params, autocommit=True, application_name=f"realtime-ai {own.value}")
    link.patience_s = _JOURNAL_PATIENCE_S
    if own is Own.LEASE:
        link.patience_s = max(_LEAST_LEASE_PATIENCE_S, conf().lease_seconds / 3)
    return link


def connect_journal() -> "psycopg.Connection[Any]":
    """Its statement, the same again and again, is parsed and planned once where the connection keeps its server: that spares two fifths of what a
    batch costs the server. A transaction pooler gives each statement another one. Raises `psycopg.OperationalError`."""
    link = connect_own(Own.JOURNAL)
    if not pools_transactions(settings.DATABASES["default"]):
        link.prepare_threshold = _PREPARED_AFTER
    return link


def _params() -> dict[str, Any]:
    params = connection.get_connection_params()
    for name in ("cursor_factory", "context", "pool"):
        params.pop(name, None)
    params.setdefault("connect_timeout", 5)
    return params


def check_jobs_database() -> None:
    """Raises `DatabaseAway` with the reason in one line: no connection, nothing may be written, or no tables to take
    jobs from yet."""
    try:
        with psycopg.connect(**_params(), autocommit=True) as link:
            found = link.execute(
                "SELECT to_regclass('procrastinate_workers') IS NOT NULL AND to_regclass('server_processes') IS NOT NULL,"
                " current_setting('transaction_read_only') = 'on'"
            ).fetchone()
    except psycopg.Error as error:
        raise DatabaseAway(" ".join(str(error).split())) from error
    migrated, read_only = found or (False, False)
    if not migrated:
        raise DatabaseAway("It is not migrated yet: run `manage.py migrate`.")
    if read_only:
        raise DatabaseAway("It is read-only.")
