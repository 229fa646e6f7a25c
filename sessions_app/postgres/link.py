"""A connection that does not wait for ever, and that knows whether it may write. Without Django: the settings name it."""

import time
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen

POOLED_PATIENCE_S = 20.0
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
            if error.sqlstate is not None or time.monotonic() < deadline:
                raise
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.patience_s:g} s") from error

    @property
    def read_only(self) -> bool:
        """As the server last said by itself (from PostgreSQL 14 on; before it, False until a write fails)."""
        return "on" in map(self.info.parameter_status, ("default_transaction_read_only", "in_hot_standby"))
