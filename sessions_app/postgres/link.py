"""Connections that do not wait for ever, and that know whether they may write. Without Django: the settings name them."""

import select
import time
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen

POOLED_PATIENCE_S = 10.0
"""For one answer; queries that may take long have shorter bounds of their own (`sessions_app.timelimit`)."""


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
