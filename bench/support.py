"""What the measurements share: a scratch database behind a delaying proxy, and a table."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from django.db import connection

from bench.delay_proxy import Address, DelayProxy


def upstream_of(settings: dict[str, object]) -> Address:
    """Where the database of a Django DATABASES entry listens."""
    host, port = str(settings["HOST"] or "localhost"), int(str(settings["PORT"] or 5432))
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)


@contextmanager
def scratch_database() -> Iterator[None]:
    """Django, set up on a fresh database next to the configured one, which is dropped at the end."""
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.close()
        _close_pool()
        connection.creation.destroy_test_db(name, verbosity=0)


@contextmanager
def proxied_database() -> Iterator[DelayProxy]:
    """A `scratch_database` that is reached through a proxy."""
    upstream = upstream_of(connection.settings_dict)
    with scratch_database(), DelayProxy(upstream) as proxy:
        straight = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
        connection.close()
        _close_pool()
        connection.settings_dict.update(HOST="127.0.0.1", PORT=str(proxy.port))
        try:
            yield proxy
        finally:
            connection.close()
            _close_pool()
            connection.settings_dict.update(straight)


def _close_pool() -> None:
    """Django's PostgreSQL backend has it; the base class that the types know does not."""
    cast("Any", connection).close_pool()


def share_of(values: Sequence[float], share: float) -> float:
    """The value below which that share of the sorted ones lies."""
    return values[min(len(values) - 1, int(len(values) * share))]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
