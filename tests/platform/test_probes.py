"""``/healthz``, ``/readyz`` and ``/metrics``."""

import asyncio
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import AsyncClient, Client

from realtime_ai import probes
from sessions_app.postgres import link


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    probes.forget()
    yield
    probes.forget()


@pytest.fixture
def database_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that nothing listens on."""
    monkeypatch.setattr(link, "_params", lambda: {"host": "127.0.0.1", "port": 1, "connect_timeout": 2})


async def test_healthz_asks_no_database_and_no_host_name() -> None:
    answer = await AsyncClient().get("/healthz", headers={"host": "10.1.2.3:8000"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_the_sync_client_gets_the_same_answers() -> None:
    assert Client().get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db(transaction=True)
async def test_readyz_is_ready_on_a_migrated_database() -> None:
    answer = await AsyncClient().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_readyz_says_that_the_database_is_gone(database_away: None) -> None:
    started = time.monotonic()
    answer = await AsyncClient().get("/readyz")
    assert time.monotonic() - started < probes.TIME_LIMIT_S + 0.5
    assert answer.status_code == 503
    assert answer.json()["status"] == "unready"
    assert [reason["code"] for reason in answer.json()["reasons"]] == ["database_unreachable"]
    assert "127.0.0.1" not in answer.content.decode()


async def test_readyz_answers_in_time_when_the_database_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "TIME_LIMIT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never says a word
        params = {"host": "127.0.0.1", "port": silent.getsockname()[1], "connect_timeout": 1}
        monkeypatch.setattr(link, "_params", lambda: params)
        answer = await AsyncClient().get("/readyz")
    assert answer.json()["reasons"][0]["code"] == "database_unreachable"


@pytest.mark.django_db(transaction=True)
async def test_readyz_counts_migrations_that_are_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    known = probes._known_migrations()
    monkeypatch.setattr(probes, "_known_migrations", lambda: known | {("chat", "9999_later")})
    answer = await AsyncClient().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == [
        {"code": "migrations_pending", "message": "1 migrations are not applied. Run `manage.py migrate`."}
    ]


async def test_readyz_tells_of_a_stuck_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fine() -> list[probes.Reason]:
        return []

    monkeypatch.setattr(probes, "_database_reasons", fine)
    journal = SimpleNamespace(health=lambda: "The writer is stuck.")
    monkeypatch.setattr("chat.runtime._current", SimpleNamespace(journal=journal))
    answer = await AsyncClient().get("/readyz")
    assert (answer.status_code, answer.json()["reasons"][0]["code"]) == (503, "journal_stuck")


async def test_a_flood_of_probes_is_not_a_flood_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def once() -> list[probes.Reason]:
        asked.append(1)
        await asyncio.sleep(0.05)
        return []

    monkeypatch.setattr(probes, "_database_reasons", once)
    answers = await asyncio.gather(*(AsyncClient().get("/readyz") for _ in range(20)))
    answers.append(await AsyncClient().get("/readyz"))
    assert {answer.status_code for answer in answers} == {200}
    assert len(asked) == 1


async def test_metrics_are_for_the_loopback() -> None:
    answer = await AsyncClient().get("/metrics")
    assert answer.status_code == 200
    assert "process_cpu_seconds_total" in answer.content.decode()


@pytest.mark.parametrize(
    "headers",
    [{"x-forwarded-for": "1.2.3.4"}, {"forwarded": "for=1.2.3.4"}],
    ids=["x-forwarded-for", "forwarded"],
)
async def test_metrics_are_not_for_whoever_comes_through_a_proxy(headers: dict[str, str]) -> None:
    assert (await AsyncClient().get("/metrics", headers=headers)).status_code == 404


async def test_a_token_opens_the_metrics_and_nothing_else_does_then(settings: Any) -> None:
    settings.METRICS_TOKEN = "a-token"
    assert (
        await AsyncClient().get("/metrics", headers={"authorization": "Bearer a-token"})
    ).status_code == 200
    assert (
        await AsyncClient().get("/metrics", headers={"authorization": "Bearer b-token"})
    ).status_code == 404
    assert (await AsyncClient().get("/metrics")).status_code == 404


def test_connections_of_ones_own_lead_where_django_does() -> None:
    params = link._params()
    assert params["dbname"] == connection.settings_dict["NAME"]
    assert "pool" not in params
    assert psycopg.conninfo.make_conninfo(**{k: v for k, v in params.items() if k != "prepare_threshold"})
