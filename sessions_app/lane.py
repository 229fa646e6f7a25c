"""A thread and a connection for one purpose, which nothing else can keep waiting: neither full pools nor full poolers."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg

from sessions_app.database import Own, connect_own
from sessions_app.errors import DatabaseAway
from sessions_app.outage import Verdict, is_passing, outage, verdict

P = ParamSpec("P")
R = TypeVar("R")


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
