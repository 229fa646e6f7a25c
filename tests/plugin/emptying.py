"""How tables are emptied after a test whose transactions were real: by row, under the same lock, where that is cheaper.

Django's ``flush`` gives every table new files, then sends ``post_migrate``, which finds or makes each content type and
permission: 0.1 s of CPU time, some hundred times a run. Here those two tables stay as they are, as long as they are
what a flush leaves; the first test of a process, and one that changed them or wrote much, is followed by a real flush.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase
from psycopg.errors import DeadlockDetected

_MADE_BY_FLUSH = ("django_content_type", "auth_permission")
_MUCH_BYTES = 4_000_000

Teardown = Callable[[TransactionTestCase], None]


class Emptying:
    def __init__(self, flush: Teardown) -> None:
        self._flush = flush
        self._left_by_flush = ""
        self._tables: list[str] = []

    def after(self, case: TransactionTestCase) -> None:
        if self._is_plain(case) and self._left_by_flush and self._looked_at() == (self._left_by_flush, True):
            self._delete()
            return
        self._flush(case)
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        quote = connection.ops.quote_name
        self._tables = [quote(name) for name in names if name not in _MADE_BY_FLUSH]
        self._left_by_flush, _ = self._looked_at()

    def _is_plain(self, case: Any) -> bool:
        return (
            case.available_apps is None
            and not case.serialized_rollback
            and case._databases_names(include_mirrors=False) == [connection.alias]
        )

    def _looked_at(self) -> tuple[str, bool]:
        """What the flush has made, as it is now; and whether the others are small."""
        made = " || ".join(
            f"(SELECT coalesce(string_agg(one::text, ' ' ORDER BY id), '') FROM {name} AS one)"
            for name in _MADE_BY_FLUSH
        )
        size = " + ".join(f"pg_table_size('{table}')" for table in self._tables)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT md5({made}), {size} < {_MUCH_BYTES}")
            digest, small = cursor.fetchone()
        return str(digest), bool(small)

    def _delete(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {', '.join(self._tables)} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(";".join(f"DELETE FROM {table}" for table in self._tables))


def again_after_deadlock(empty: Teardown, case: TransactionTestCase) -> None:
    """A server of the module may still write what its clients said last: it and the lock of all tables can wait for
    each other, and PostgreSQL then ends one of the two."""
    for last in (False, False, False, False, True):
        try:
            empty(case)
            return
        except (OperationalError, CommandError) as error:
            cause: BaseException | None = error
            while cause and not isinstance(cause, DeadlockDetected):
                cause = cause.__cause__
            if last or not cause:
                raise


def pytest_configure(config: pytest.Config) -> None:
    flush: Teardown = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
    emptying = Emptying(flush)

    def teardown(case: TransactionTestCase) -> None:
        again_after_deadlock(emptying.after, case)

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]
    config.add_cleanup(lambda: setattr(TransactionTestCase, "_fixture_teardown", flush))
