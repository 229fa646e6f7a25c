"""Django's cache in PostgreSQL, for what libraries count and remember across processes: failed codes, used codes, resets.

Django's own database cache stores pickles, which are code for whoever can write a row; these values are JSON. `add` is one
statement, so of two processes one gets a lock; `incr` is one as well, and leaves a count its life, which Django's begins anew.
"""

import json
import random
from typing import Any

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection
from psycopg.types.json import Jsonb

_FOREVER_S = 3650 * 24 * 3600
_CLEAN_UP = 0.01
"""How many of the writes take out what has expired."""
_SET = """
INSERT INTO limits_cacheentry AS c (key, value, expires)
VALUES (%s, %s, clock_timestamp() + %s * interval '1 s')
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
"""
_ADD = f"{_SET} WHERE c.expires <= clock_timestamp() RETURNING 1"
_INCR = """
UPDATE limits_cacheentry SET value = to_jsonb(value::numeric + %s)
WHERE key = %s AND expires > clock_timestamp() RETURNING value::text
"""


class JsonDatabaseCache(BaseCache):
    """Values are what JSON can hold."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        sql = "SELECT value::text FROM limits_cacheentry WHERE key = %s AND expires > clock_timestamp()"
        row = self._run(sql, [self._key(key, version)])
        return json.loads(row[0]) if row else default

    def set(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._run(_SET + " RETURNING 1", [self._key(key, version), Jsonb(value), self._seconds(timeout)])
        if random.random() < _CLEAN_UP:
            self._run("DELETE FROM limits_cacheentry WHERE expires <= clock_timestamp() RETURNING 1", [])

    def add(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return bool(self._run(_ADD, [self._key(key, version), Jsonb(value), self._seconds(timeout)]))

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        row = self._run(_INCR, [delta, self._key(key, version)])
        if row is None:
            raise ValueError(f"Key {key!r} not found")
        count: int = json.loads(row[0])
        return count

    async def aincr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        return await sync_to_async(self.incr)(key, delta, version)

    def touch(self, key: str, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        sql = """UPDATE limits_cacheentry SET expires = clock_timestamp() + %s * interval '1 s'
            WHERE key = %s AND expires > clock_timestamp() RETURNING 1"""
        return bool(self._run(sql, [self._seconds(timeout), self._key(key, version)]))

    def delete(self, key: str, version: int | None = None) -> bool:
        return bool(
            self._run("DELETE FROM limits_cacheentry WHERE key = %s RETURNING 1", [self._key(key, version)])
        )

    def clear(self) -> None:
        self._run("DELETE FROM limits_cacheentry RETURNING 1", [])

    def _key(self, key: str, version: int | None) -> str:
        return self.make_and_validate_key(key, version=version)

    def _seconds(self, timeout: float | None) -> float:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return _FOREVER_S if seconds is None else float(seconds)

    @staticmethod
    def _run(sql: str, params: list[Any]) -> tuple[Any, ...] | None:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row
