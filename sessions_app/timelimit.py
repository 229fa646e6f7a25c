"""A bound on what one query may take from the database that live sessions need."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled


@contextmanager
def time_limit(*, limit_ms: int) -> Iterator[None]:
    """Queries within that run for longer are cancelled and raise TimeoutError.

    In a transaction, so that it works through a transaction pooler and leaves the connection as it was.
    """
    try:
        with transaction.atomic():
            before = _set("SELECT current_setting('statement_timeout')")
            _set("SELECT set_config('statement_timeout', %s, true)", str(limit_ms))
            yield
            _set("SELECT set_config('statement_timeout', %s, true)", before)
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TimeoutError(f"a query took longer than {limit_ms} ms") from error
        raise


def _set(sql: str, *params: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        row = cursor.fetchone()
    return str(row[0]) if row else ""
