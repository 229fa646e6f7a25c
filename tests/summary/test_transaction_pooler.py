"""Everything that happens after a session, and what leads there, through a transaction pooler."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from django.db import connection

from tests.summary.pgbouncer import PORT, transaction_pooler
from tests.summary.program import Program, wait_until

DATABASE = "pooled_{}"


@pytest.fixture
def server(db: None) -> dict[str, Any]:
    """Where the tests' PostgreSQL is, and who may make databases there."""
    params = connection.get_connection_params()
    return {name: params.get(name) for name in ("host", "port", "user", "password")} | {
        "dbname": params["dbname"]
    }


@pytest.fixture
def fresh_database(server: dict[str, Any]) -> Iterator[str]:
    name = f"pooled_{server['dbname']}"[:60]
    with psycopg.connect(**server, autocommit=True) as link:
        link.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        link.execute(f'CREATE DATABASE "{name}"')
        yield name
        link.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def pooled_url(pgbouncer: str, server: dict[str, Any], fresh_database: str) -> Iterator[str]:
    with transaction_pooler(pgbouncer, server) as folder:
        place = {
            "host": str(folder),
            "port": PORT,
            "user": server["user"],
            "password": server["password"] or "x",
        }
        yield f"postgresql:///{fresh_database}?{urlencode(place)}"


@pytest.fixture
def run(pooled_url: str, tmp_path: Path) -> Iterator[Any]:
    started: list[Program] = []

    def start(*arguments: str) -> Program:
        environment = {"DATABASE_URL": pooled_url, "DJANGO_SETTINGS_MODULE": "tests.summary.worker_settings"}
        started.append(Program(tmp_path / f"{len(started)}.log", *arguments, **environment))
        return started[-1]

    yield start
    for program in started:
        program.close()


def finished(program: Program) -> str:
    assert program.process.wait(60) == 0, program.output
    return program.output


def test_the_main_path_works_through_a_transaction_pooler(run: Any) -> None:
    finished(run("migrate", "--verbosity", "0"))
    worker = run("worker")
    worker.wait_for_line("ready: 8 jobs at once, polling")
    path = run("shell", "--verbosity", "0", "-c", "from tests.summary.pooler_path import main; main()")
    assert "OK Tell me about pools" in finished(path), worker.output
    wait_until(lambda: "summary written" in worker.output, timeout_s=30, what=lambda: worker.output)
    assert worker.stop() < 5
    assert "Traceback" not in worker.output
    assert "no issues" in finished(run("check", "--database", "default"))
