"""Reads and rare writes from the event loop: a thread pool of its own, as wide as the connection pool.

Channels' `database_sync_to_async` puts all callers behind one shared thread by default; with a pool of threads the
same calls ran 20 to 50 times faster at 50 ms of round trip (see docs/decisions).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from channels.db import DatabaseSyncToAsync

from sessions_app.conf import conf
from sessions_app.errors import DatabaseAway
from sessions_app.outage import is_passing, outage

P = ParamSpec("P")
R = TypeVar("R")


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
