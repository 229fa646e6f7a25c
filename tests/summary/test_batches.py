"""Many jobs at the same time: few round trips, and each still gets its own answer, or its own error."""

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from django.db import connection
from procrastinate import PsycopgConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status

from chat.batches import Batches
from chat.jobs.queue import FewRoundTrips
from chat.jobs.worker import Worker
from sessions_app.errors import DatabaseAway
from sessions_app.models import Session, SummaryState
from sessions_app.postgres.threads import in_db_thread
from tests.summary.conftest import UseModel
from tests.summary.support import ended_session, jobs

GOOD = '{"title": "Sums", "summary": "They added."}'


class Doubles:
    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        await asyncio.sleep(0.01)
        if 13 in numbers:
            raise ValueError("not 13")
        if 0 in numbers:
            raise DatabaseAway
        return [2 * number for number in numbers]


async def test_who_asks_meanwhile_shares_the_next_call() -> None:
    doubles = Doubles()
    batches = Batches(doubles, name="doubles", most=3)
    first = asyncio.create_task(batches.ask(1))
    await asyncio.sleep(0.005)
    rest = [asyncio.create_task(batches.ask(number)) for number in (2, 3, 4, 5)]

    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8, 10]
    assert doubles.calls == [[1], [2, 3, 4], [5]]
    assert await batches.ask(6) == 12


async def test_what_fails_in_company_is_asked_alone() -> None:
    doubles = Doubles()
    batches = Batches(doubles, name="doubles", most=8)
    results = await asyncio.gather(*(batches.ask(number) for number in (1, 13, 3)), return_exceptions=True)

    assert (results[0], str(results[1]), results[2]) == (2, "not 13", 6)
    assert doubles.calls == [[1, 13, 3], [1], [13], [3]]


async def test_a_database_that_is_away_is_away_for_all() -> None:
    doubles = Doubles()
    batches = Batches(doubles, name="doubles", most=8)
    results = await asyncio.gather(*(batches.ask(number) for number in (1, 0)), return_exceptions=True)

    assert [type(result) for result in results] == [DatabaseAway, DatabaseAway]
    assert len(doubles.calls) == 1


async def test_one_that_gives_up_takes_nobody_with_it() -> None:
    batches = Batches(Doubles(), name="doubles", most=8)
    one, other = asyncio.create_task(batches.ask(1)), asyncio.create_task(batches.ask(2))
    await asyncio.sleep(0.005)
    one.cancel()

    assert await other == 4
    await asyncio.wait([one])
    assert one.cancelled()


# On the queue


@pytest.mark.django_db(transaction=True)
async def test_a_worker_takes_as_many_as_it_has_hands_and_no_more() -> None:
    await in_db_thread(lambda: [ended_session() for _ in range(5)])
    connector = PsycopgConnector(kwargs=connector_params())
    await connector.open_async()
    try:
        manager = FewRoundTrips(connector, hands=3)
        worker_id = await manager.register_worker()
        first = await manager.fetch_job(None, worker_id)
        assert await statuses() == ["doing"] * 3 + ["todo"] * 2
        second, third = [await manager.fetch_job(None, worker_id) for _ in range(2)]
        assert first
        assert second
        assert third
        assert len({first.id, second.id, third.id}) == 3

        ends = [manager.finish_job(one, Status.SUCCEEDED, delete_job=True) for one in (first, second)]
        await asyncio.gather(*ends)
        fourth = await manager.fetch_job(None, worker_id)
        assert fourth
        assert await statuses() == ["doing"] * 3
        await manager.give_back()
        assert await statuses() == ["doing"] * 2 + ["todo"], "the fifth was taken and not begun"
        tries = lambda: list(ProcrastinateJob.objects.values_list("attempts", flat=True))  # noqa: E731
        assert await in_db_thread(tries) == [0] * 3, "nobody has tried it"
    finally:
        await connector.close_async()


@pytest.mark.django_db(transaction=True)
async def test_a_job_that_is_gone_does_not_keep_the_others_from_their_end() -> None:
    await in_db_thread(lambda: [ended_session() for _ in range(2)])
    connector = PsycopgConnector(kwargs=connector_params())
    await connector.open_async()
    try:
        manager = FewRoundTrips(connector, hands=2)
        worker_id = await manager.register_worker()
        one, other = [await manager.fetch_job(None, worker_id) for _ in range(2)]
        assert one
        assert other
        await in_db_thread(lambda: ProcrastinateJob.objects.filter(id=one.id)._raw_delete("default"))
        ends = (manager.finish_job(job, Status.SUCCEEDED, delete_job=True) for job in (one, other))
        results = await asyncio.gather(*ends, return_exceptions=True)
        assert isinstance(results[0], ConnectorException)
        assert results[1] is None
        assert await statuses() == []
    finally:
        await connector.close_async()


@pytest.mark.django_db(transaction=True)
async def test_the_jobs_of_a_crowd_are_done_each_once_and_in_few_round_trips(
    use_model: UseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[str] = []

    def counted(name: str) -> None:
        query = getattr(PsycopgConnector, name)

        async def count(self: PsycopgConnector, query_: Any = "", **arguments: Any) -> Any:
            queries.append(str(arguments.get("query", query_)))
            return await query(self, **arguments)

        monkeypatch.setattr(PsycopgConnector, name, count)

    for name in ("execute_query_async", "execute_query_all_async", "execute_query_one_async"):
        counted(name)
    await in_db_thread(lambda: [ended_session() for _ in range(20)])
    use_model(GOOD)
    await Worker(concurrency=8, listen=False, once=True).run()

    assert await in_db_thread(jobs) == []
    states = await in_db_thread(lambda: list(Session.objects.values_list("summary_state", flat=True)))
    assert states == [SummaryState.WRITTEN] * 20
    for word in ("procrastinate_fetch_job", "procrastinate_finish_job"):
        assert 0 < sum(word in query for query in queries) < 20, word


@pytest.mark.django_db(transaction=True)
async def test_an_end_that_the_database_did_not_take_is_told_again(
    use_model: UseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the job would count as running, and its lock as held, for as long as the worker lives."""
    query, refused = PsycopgConnector.execute_query_async, list[str]()

    async def moody(self: PsycopgConnector, **arguments: Any) -> None:
        ends = "procrastinate_finish_job" in arguments["query"] and job["id"] in arguments["ids"]
        if ends and not refused:
            refused.append(arguments["query"])
            raise ConnectorException from psycopg.OperationalError("no answer within 5 s")
        await query(self, **arguments)

    monkeypatch.setattr(PsycopgConnector, "execute_query_async", moody)
    await in_db_thread(ended_session)
    (job,) = await in_db_thread(jobs)
    use_model(GOOD)
    await Worker(concurrency=8, listen=False, once=True).run()
    assert refused
    assert await statuses() == []


@pytest.mark.django_db(transaction=True)
async def test_a_worker_that_cannot_tell_an_end_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(self: PsycopgConnector, **arguments: Any) -> None:
        raise ConnectorException from psycopg.OperationalError("no answer within 5 s")

    await in_db_thread(ended_session)
    connector = PsycopgConnector(kwargs=connector_params())
    await connector.open_async()
    try:
        manager = FewRoundTrips(connector, hands=2)
        worker_id = await manager.register_worker()
        job = await manager.fetch_job(None, worker_id)
        assert job
        with monkeypatch.context() as patched:
            patched.setattr(PsycopgConnector, "execute_query_async", silent)
            with pytest.raises(ConnectorException):
                await manager.finish_job(job, Status.SUCCEEDED, delete_job=True)
        with pytest.raises(ConnectorException):
            await manager.fetch_job(None, worker_id)
    finally:
        await connector.close_async()


async def statuses() -> list[str]:
    def read() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT status FROM procrastinate_jobs WHERE task_name = 'summarise_session' ORDER BY status"
            )
            return sorted(str(row[0]) for row in cursor.fetchall())

    return await in_db_thread(read)
