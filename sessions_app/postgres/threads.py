"""Reads and rare writes from the event loop: a thread pool of its own, as wide as the connection pool; and a bound on what
one query may take from the database that live sessions need.

Channels' `database_sync_to_async` puts all callers behind one shared thread by default; with a pool of threads the same
calls ran 20 to 50 times faster at 50 ms of round trip.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import ParamSpec, TypeVar

from channels.db import DatabaseSyncToAsync
from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from sessions_app.conf import conf
from sessions_app.errors import DatabaseAway
from sessions_app.postgres.outage import is_passing, outage

R = TypeVar("R")
P = ParamSpec("P")


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=conf().db_threads, thread_name_prefix="db")


async def in_db_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``function`` in a database thread; its connection goes back to the pool afterwards.

    Raises `DatabaseAway` when the database cannot be reached or written now, and what ``function`` raises.
    """
    call = DatabaseSyncToAsync(function, thread_sensitive=False, executor=_executor())
    try:
        result: R = await call(*args, **kwargs)
    except Exception as error:
        if not is_passing(error):
            raise
        outage.noticed(error)
        raise DatabaseAway from error
    return result


@contextmanager
def time_limit(*, limit_ms: int, memory: str = "") -> Iterator[None]:
    """Queries within that run for longer are cancelled and raise TimeoutError. ``memory`` ("64MB"): what a step of one may use.

    In a transaction, so that it works through a transaction pooler and leaves the connection as it was.
    """
    nested = connection.in_atomic_block
    try:
        with transaction.atomic():
            before = _set({"statement_timeout": str(limit_ms), **({"work_mem": memory} if memory else {})})
            yield
            if nested:  # a transaction's end does it by itself
                _set(before)
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TimeoutError(f"a query took longer than {limit_ms} ms") from error
        raise


def after_commit(call: Callable[[], object]) -> None:
    """Once the transaction that this thread is in has committed; never when it does not."""
    transaction.on_commit(call)


def _set(wanted: dict[str, str]) -> dict[str, str]:
    """Until the transaction ends; gives what they were. In one round trip."""
    each = ", ".join("current_setting(%s), set_config(%s, %s, true)" for _ in wanted)
    params = [param for name, value in wanted.items() for param in (name, name, value)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {each}", params)
        row = cursor.fetchone() or ()
    return dict(zip(wanted, row[::2], strict=True))
