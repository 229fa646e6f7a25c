"""The journal's own connection: Django's settings, without Django's thread rules."""

from typing import Any

import psycopg
from django.db import connection


def connect_journal() -> "psycopg.Connection[Any]":
    """A psycopg connection in autocommit, with server-side binding. Raises `psycopg.OperationalError`.

    Never prepares statements: a transaction pooler gives each one another server.
    """
    params = connection.get_connection_params()
    for name in ("cursor_factory", "context", "pool"):
        params.pop(name, None)
    params.setdefault("connect_timeout", 5)
    return psycopg.connect(**params, autocommit=True, application_name="realtime-ai journal")
