"""``/readyz`` behind a real pooler whose places are all taken: it says so in its time, and is ready again with the first free one."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import AsyncClient

from realtime_ai import probes
from sessions_app.postgres import link
from tests.summary.pgbouncer import PORT, transaction_pooler

PLACES = 2
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pooled(pgbouncer: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes a pooler with so many places before the suite's database, which the probe then asks through it."""
    params = link._params()
    with ExitStack() as stack:

        def through(**places: int) -> dict[str, Any]:
            folder: Path = stack.enter_context(transaction_pooler(pgbouncer, params, **places))
            reached = {**params, "host": str(folder), "port": PORT, "password": params.get("password") or "x"}
            monkeypatch.setattr(link, "_params", lambda: reached)
            return {name: reached[name] for name in ("host", "port", "user", "password", "dbname")}

        probes.forget()
        yield through
        probes.forget()


@contextmanager
def taken(params: dict[str, Any], *, in_transaction: bool) -> Iterator[None]:
    """All places, by clients of somebody else."""
    with ExitStack() as stack:
        for _ in range(PLACES):
            client = stack.enter_context(psycopg.connect(**params, autocommit=not in_transaction))
            client.execute("SELECT 1")  # in a transaction it keeps its server from here on
        yield


async def readyz() -> tuple[int, list[str]]:
    answer = await AsyncClient().get("/readyz")
    return answer.status_code, [reason["code"] for reason in answer.json().get("reasons", [])]


async def ready_again() -> None:
    async with asyncio.timeout(15):
        while (await readyz())[0] != 200:  # noqa: ASYNC110 - a probe is asked again and again
            await asyncio.sleep(probes.FRESH_S)


@pytest.mark.parametrize("known", [False, True], ids=["first", "once_ready"])
async def test_servers_that_are_all_busy_are_told_in_time(pooled: Callable[..., Any], known: bool) -> None:
    """Such a pooler says nothing at all: whoever asks waits."""
    params = pooled(pool_size=PLACES)
    if known:
        assert await readyz() == (200, [])
        await asyncio.sleep(probes.FRESH_S * 1.1)
    with taken(params, in_transaction=True):
        started = time.monotonic()
        assert await readyz() == (503, ["database_unreachable"])
        assert time.monotonic() - started < probes.TIME_LIMIT_S + 1.0
    await ready_again()


async def test_a_pooler_that_takes_no_more_clients_is_told_in_time(pooled: Callable[..., Any]) -> None:
    params = pooled(max_clients=PLACES)
    with taken(params, in_transaction=False):
        started = time.monotonic()
        assert await readyz() == (503, ["database_unreachable"])
        assert time.monotonic() - started < probes.TIME_LIMIT_S + 1.0
    await ready_again()
