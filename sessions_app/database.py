"""The journal's own connection: Django's settings, without Django's thread rules."""

from typing import Any

import psycopg
from django.db import connection

from sessions_app.errors import DatabaseAway


def connect_journal() -> "psycopg.Connection[Any]":
    """A psycopg connection in autocommit, with server-side binding. Raises `psycopg.OperationalError`.

    Never prepares statements: a transaction pooler gives each one another server.
    """
    params = connection.get_connection_params()
    for name in ("cursor_factory", "context", "pool"):
        params.pop(name, None)
    params.setdefault("connect_timeout", 5)
    return psycopg.connect(**params, autocommit=True, application_name="realtime-ai journal")


def check_jobs_database() -> None:
    """Raises `DatabaseAway` with the reason in one line: no connection, or no tables to take jobs from yet."""
    try:
        with connect_journal() as link:
            found = link.execute(
                "SELECT to_regclass('procrastinate_workers') IS NOT NULL AND to_regclass('server_processes') IS NOT NULL"
            ).fetchone()
    except psycopg.Error as error:
        raise DatabaseAway(" ".join(str(error).split())) from error
    if found != (True,):
        raise DatabaseAway("It is not migrated yet: run `manage.py migrate`.")
