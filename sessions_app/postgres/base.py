"""Django's backend for PostgreSQL, with a pool that never gives out, or takes back, a connection that is of no use.

Django's own pool keeps whatever still answers: a connection that an outage left read-only would be handed out for as
long as it lives.
"""

import time
from types import TracebackType
from typing import Any

from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property

from sessions_app.postgres.address import pools_transactions
from sessions_app.postgres.link import Link
from sessions_app.postgres.outage import Verdict, verdict

_FRESH_S = 1.0
"""What was opened a moment ago needs no question. Opened since it was asked for, it is the best that there is: if it is
read-only, reading goes on. Read-only from before, it may be of an outage that is over."""
_ANSWER_S = 3.0
"""For a connection from the pool to say that it is there; a database that takes 2 s a query still does."""
_SPARE_TRIES = 2
_FORGOTTEN_MS = 15_000
"""So long PostgreSQL keeps a transaction in which nothing is asked. Longer than `POOLED_PATIENCE_S`: nobody waits for it any more."""


class DatabaseWrapper(base.DatabaseWrapper):
    ended = False
    """An error said that this connection is of no use any more."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self.ended = False
        asked_at = time.monotonic()
        link = super().get_new_connection(conn_params)
        if self.pool is None:
            return link
        for _ in range(self.pool.max_size + _SPARE_TRIES):
            if self._is_fit(link, asked_at):
                break
            link.close()
            self.pool.putconn(link)  # it puts a new one in the place of a closed one
            link = super().get_new_connection(conn_params)
        return link

    def _is_fit(self, link: Any, asked_at: float) -> bool:
        if not isinstance(link, Link):
            return True
        is_of_before = link.opened_at < asked_at and self._is_read_only(link)
        if time.monotonic() - link.opened_at < _FRESH_S and not link.was_hung_up and not is_of_before:
            return True
        if link.answers(within_s=_ANSWER_S):
            return not self._is_read_only(link)
        self.pool.drain()  # whatever took this one may have taken all that were there: not one wait for each of them
        return False

    def _is_read_only(self, link: Any) -> bool:
        """A transaction pooler tells what one of its servers said once: it is the statement that shows, there."""
        return isinstance(link, Link) and link.refuses_writes and not pools_transactions(self.settings_dict)

    def _set_autocommit(self, autocommit: bool) -> None:
        """Where a network swallowed the connection, the server hears of no end, and the rows stay locked for as long as it
        waits for more. The limit is the transaction's own, since behind a transaction pooler there is no session to set it for;
        it goes with the BEGIN that psycopg would send by itself, so that it costs no round trip."""
        if autocommit or not isinstance(self.connection, Link):
            super()._set_autocommit(autocommit)  # type: ignore[misc]
            return
        with self.wrap_database_errors:
            self.connection.execute(f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = {_FORGOTTEN_MS}")

    def is_usable(self) -> bool:
        return not self.ended and bool(super().is_usable())

    def _close(self) -> Any:
        if self.connection is not None and self.pool and (self.ended or self._is_read_only(self.connection)):
            self.connection.close()
        return super()._close()  # type: ignore[misc]  # the stubs do not know it

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        return _Listener(self)


class _Listener(DatabaseErrorWrapper):
    """Django's, which every error of a connection passes through."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_value is not None and verdict(exc_value) is Verdict.AWAY:
            self.wrapper.ended = True  # type: ignore[attr-defined]  # nor this one
        super().__exit__(exc_type, exc_value, traceback)
