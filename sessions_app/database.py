"""Connections of one's own beside Django's: its settings, without its pool and its thread rules."""

from enum import StrEnum
from typing import Any

import psycopg
from django.db import connection

from sessions_app.conf import conf
from sessions_app.errors import DatabaseAway
from sessions_app.postgres.link import Link

_JOURNAL_PATIENCE_S = 5.0
"""A batch that is in after all is found to be in when it is sent again."""
_LEAST_LEASE_PATIENCE_S = 2.5


class Own(StrEnum):
    """Who has a connection of their own; each counts in `sessions_app.checks`."""

    JOURNAL = "journal"
    LEASE = "lease"


def connect_own(own: Own) -> Link:
    """A connection in autocommit, with server-side binding. Raises `psycopg.OperationalError`.

    Never prepares statements: a transaction pooler gives each one another server.
    """
    params = _params()
    link = Link.connect(**params, autocommit=True, application_name=f"realtime-ai {own.value}")
    link.patience_s = _JOURNAL_PATIENCE_S
    if own is Own.LEASE:
        link.patience_s = max(_LEAST_LEASE_PATIENCE_S, conf().lease_seconds / 3)
    return link


def connect_journal() -> "psycopg.Connection[Any]":
    """Raises `psycopg.OperationalError`."""
    return connect_own(Own.JOURNAL)


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
