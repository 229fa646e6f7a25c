"""The journal's one statement: planned once where the connection keeps its server, each time anew where it does not."""

import logging
from typing import Any

import psycopg
import pytest
from django.db import connection

from sessions_app.log import events as ev
from sessions_app.log import journal
from sessions_app.models import SessionEvent
from sessions_app.postgres.link import connect_journal
from sessions_app.postgres.threads import in_db_thread
from tests.summary.pgbouncer import PORT, transaction_pooler

from .conftest import MakeJournal, OpenLog

COMMITS = 10
"""More than it takes until a statement is prepared."""
ANEW = "DISCARD PLANS"
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%INSERT INTO session_events%%'"


def message(number: int) -> ev.UserMessage:
    return ev.UserMessage(item_id=f"item_{number}", text="hello")


class Watched:
    """The journal's connection, to be asked about."""

    def __init__(self) -> None:
        self.links: list[psycopg.Connection[Any]] = []
        self.said: list[object] = []

    def connect(self) -> psycopg.Connection[Any]:
        link = connect_journal()
        execute = link.execute

        def listened(query: Any, *arguments: Any, **options: Any) -> Any:
            self.said.append(query)
            return execute(query, *arguments, **options)

        link.execute = listened  # type: ignore[method-assign]
        self.links.append(link)
        return link

    def prepared(self) -> int:
        found = self.links[-1].execute(PREPARED).fetchone()
        return int(found[0]) if found else 0


async def test_it_is_planned_once_and_again_after_a_while(
    make_journal: MakeJournal, open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched()
    through = make_journal(watched.connect)
    log = await open_log(through=through)
    for number in range(COMMITS):
        log.append(message(number))
        await log.durable()
    assert await in_db_thread(watched.prepared) > 0
    assert watched.said.count(ANEW) == 1
    monkeypatch.setattr(journal, "_PLANNED_FOR_S", 0.0)
    monkeypatch.setattr(through, "_planned_until", 0.0)
    for number in range(COMMITS):
        log.append(message(COMMITS + number))
        await log.durable()
    assert watched.said.count(ANEW) > COMMITS / 2
    assert len(watched.links) == 1


async def test_it_is_not_prepared_through_a_transaction_pooler(
    make_journal: MakeJournal, open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.postgres.link.pools_transactions", lambda _: True)
    watched = Watched()
    log = await open_log(through=make_journal(watched.connect))
    for number in range(COMMITS):
        log.append(message(number))
        await log.durable()
    assert await in_db_thread(watched.prepared) == 0


async def test_a_pooler_that_is_not_known_for_one_costs_a_line_in_the_log_and_no_event(
    make_journal: MakeJournal, open_log: OpenLog, pgbouncer: str, caplog: pytest.LogCaptureFixture
) -> None:
    params = connection.get_connection_params()
    server = {name: params.get(name) for name in ("host", "port", "user", "password")}
    with transaction_pooler(pgbouncer, server, pool_size=2, port=PORT + 1) as folder:
        place = {"host": str(folder), "port": PORT + 1, "user": server["user"], "dbname": params["dbname"]}

        def connect() -> psycopg.Connection[Any]:
            link = psycopg.connect(**place, password=server["password"] or "x", autocommit=True)
            link.prepare_threshold = 5
            return link

        through = make_journal(connect)
        log = await open_log(through=through)
        for number in range(COMMITS):
            log.append(message(number))
            await log.durable()
        # Whoever holds the server that knows the statement leaves the journal the other one.
        with psycopg.connect(**place, password=server["password"] or "x") as other:
            other.execute("SELECT 1")
            with caplog.at_level(logging.WARNING, logger="sessions_app.log.journal"):
                for number in range(COMMITS):
                    log.append(message(COMMITS + number))
                    await log.durable()
        await through.stop(timeout_s=5)
    rows = SessionEvent.objects.filter(session_id=log.session_id)
    assert await in_db_thread(rows.count) == 2 * COMMITS
    assert sum("a pooler stands between" in record.message for record in caplog.records) == 1
