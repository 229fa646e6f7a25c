"""chat.tasks: what workers do on the side. Dead workers' jobs, what is old, what is due."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from procrastinate import JobContext, PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.jobs import Job
from pytest_django.fixtures import Settings

from chat import tasks
from identity.keys import make_key, make_secret
from identity.models import ClientSecret
from sessions_app.log.events import SummaryFailed, UserMessage
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import append_now
from sessions_app.log.replay import read_records
from sessions_app.models import ServerProcess, Session, SummaryState
from sessions_app.postgres.threads import in_db_thread
from tests.summary.support import ended_session, jobs

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def context(transactional_db: None) -> AsyncIterator[JobContext]:
    connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=2)
    with app.replace_connector(connector):
        async with app.open_async():
            job = Job(queue="upkeep", lock=None, queueing_lock=None, task_name="rescue_jobs")
            yield JobContext(app=app, job=job, start_timestamp=time.time(), abort_reason=lambda: None)


def sql(statement: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return list(cursor.fetchall()) if cursor.description else []


def taken_by_a_worker(*, silent_s: float, attempts: int = 0, task_name: str = "summarise_session") -> None:
    """As if a worker had taken the job, and had its last heartbeat so long ago."""
    ((worker,),) = sql("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
    sql(
        "UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %s) WHERE id = %s",
        silent_s,
        worker,
    )
    sql(
        "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s, attempts = %s WHERE task_name = %s",
        worker,
        attempts,
        task_name,
    )


async def rescue(context: JobContext) -> None:
    await tasks.rescue_jobs.func(context, timestamp=0)


def statuses() -> list[tuple[str, int]]:
    return [(job["status"], job["attempts"]) for job in jobs()]


async def test_a_dead_workers_job_is_queued_again(context: JobContext, settings: Settings) -> None:
    settings.CHAT_WORKER_STALLED_SECONDS = 30
    await in_db_thread(ended_session)
    await in_db_thread(taken_by_a_worker, silent_s=29)
    await rescue(context)
    assert await in_db_thread(statuses) == [("doing", 0)]
    await in_db_thread(taken_by_a_worker, silent_s=31)
    await rescue(context)
    assert await in_db_thread(statuses) == [("todo", 1)]


def session_of_a_process_that_is_late() -> None:
    """Its lease ran out: it died, or the database was away."""
    renew_process(process_id="late")
    ServerProcess.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    Session.objects.create(session_id="orphan", lease_owner="late", lease_epoch=1)


def status_of_the_orphan() -> str:
    return Session.objects.get(pk="orphan").status


async def test_a_process_that_was_kept_from_renewing_its_lease_keeps_its_sessions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits_s = []

    async def meanwhile(seconds: float) -> None:
        waits_s.append(seconds)
        await in_db_thread(renew_process, process_id="late")

    settings.CHAT_SWEEP_PAUSE_SECONDS = 1.0
    await in_db_thread(session_of_a_process_that_is_late)
    monkeypatch.setattr(asyncio, "sleep", meanwhile)
    await tasks.sweep_sessions.func(timestamp=0)
    monkeypatch.undo()
    assert waits_s == [1.0]
    assert await in_db_thread(status_of_the_orphan) == "active"


async def test_the_sessions_of_a_process_that_stays_silent_are_ended(settings: Settings) -> None:
    settings.CHAT_SWEEP_PAUSE_SECONDS = 0.1
    await in_db_thread(session_of_a_process_that_is_late)
    await tasks.sweep_sessions.func(timestamp=0)
    assert await in_db_thread(status_of_the_orphan) == "ended"


def asked_of_the_orphan() -> None:
    append_now(
        session_id="orphan",
        epoch=1,
        last_seq=0,
        events=[UserMessage(item_id="item_1", text="Are you there?", respond=True)],
    )


async def test_an_orphan_that_was_asked_something_is_left_to_a_server_for_a_while(settings: Settings) -> None:
    settings.CHAT_SWEEP_PAUSE_SECONDS = 0.1
    await in_db_thread(session_of_a_process_that_is_late)
    await in_db_thread(asked_of_the_orphan)
    await tasks.sweep_sessions.func(timestamp=0)
    assert await in_db_thread(status_of_the_orphan) == "active"
    settings.CHAT_ORPHAN_WAIT_SECONDS = -3600.0  # of other tests' servers on this database, too
    await tasks.sweep_sessions.func(timestamp=0)
    assert await in_db_thread(status_of_the_orphan) == "ended"


async def test_while_a_server_lives_it_is_left_to_it(settings: Settings) -> None:
    settings.CHAT_SWEEP_PAUSE_SECONDS = 0.1
    settings.CHAT_ORPHAN_WAIT_SECONDS = 0.0
    await in_db_thread(session_of_a_process_that_is_late)
    await in_db_thread(asked_of_the_orphan)
    await in_db_thread(renew_process, process_id="alive")
    await tasks.sweep_sessions.func(timestamp=0)
    assert await in_db_thread(status_of_the_orphan) == "active"


async def test_orphans_that_are_left_alone_do_not_hide_those_behind_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHAT_SWEEP_PAUSE_SECONDS = 0.1
    monkeypatch.setattr(tasks, "_SWEEP_SIZE", 1)

    def more() -> None:
        session_of_a_process_that_is_late()
        asked_of_the_orphan()
        for name in ("a", "z"):
            Session.objects.create(session_id=name, lease_owner="late", lease_epoch=1)

    await in_db_thread(more)
    await tasks.sweep_sessions.func(timestamp=0)
    active = Session.objects.filter(status="active").values_list("session_id", flat=True)
    assert await in_db_thread(lambda: list(active)) == ["orphan"]


async def test_the_job_of_a_worker_that_is_not_listed_any_more_is_queued_again(context: JobContext) -> None:
    await in_db_thread(ended_session)
    await in_db_thread(taken_by_a_worker, silent_s=31)
    await in_db_thread(sql, "DELETE FROM procrastinate_workers")
    await rescue(context)
    assert await in_db_thread(statuses) == [("todo", 1)]


async def test_a_job_that_kills_its_workers_is_given_up_after_the_same_number_of_tries(
    context: JobContext, settings: Settings
) -> None:
    settings.CHAT_SUMMARY_ATTEMPTS = 3
    session_id, end = await in_db_thread(ended_session)
    for attempts in (0, 1):
        await in_db_thread(taken_by_a_worker, silent_s=60, attempts=attempts)
        await rescue(context)
        assert await in_db_thread(statuses) == [("todo", attempts + 1)]
    await in_db_thread(taken_by_a_worker, silent_s=60, attempts=2)
    await rescue(context)
    assert await in_db_thread(statuses) == [("failed", 3)]
    session = await in_db_thread(Session.objects.get)
    assert session.summary_state == SummaryState.FAILED
    (record,) = await in_db_thread(read_records, session_id=session_id, after=end)
    assert record.event == SummaryFailed(error="The worker died every time it tried.", attempts=3)


async def test_a_dead_workers_upkeep_is_dropped_though_the_next_is_queued_already(
    context: JobContext,
) -> None:
    def defer() -> None:
        sql(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock) VALUES ('upkeep', %s, %s)",
            "sweep_sessions",
            "sweep_sessions",
        )

    def left() -> list[tuple[Any, ...]]:
        return sql("SELECT status FROM procrastinate_jobs WHERE task_name = 'sweep_sessions'")

    await in_db_thread(defer)
    await in_db_thread(taken_by_a_worker, silent_s=60, task_name="sweep_sessions")
    await in_db_thread(defer)
    await rescue(context)
    assert await in_db_thread(left) == [("todo",)]


async def test_what_somebody_else_rescued_meanwhile_is_let_be(
    context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_db_thread(ended_session)
    await in_db_thread(taken_by_a_worker, silent_s=60)
    stalled = list(await context.app.job_manager.get_stalled_jobs())
    await rescue(context)

    async def stale_list(**_: Any) -> list[Job]:
        return stalled

    monkeypatch.setattr(context.app.job_manager, "get_stalled_jobs", stale_list)
    await rescue(context)
    assert await in_db_thread(statuses) == [("todo", 1)]


async def test_old_failures_and_long_dead_processes_are_cleaned_up(
    context: JobContext, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSIONS_GRACE_SECONDS = 60

    def prepare() -> None:
        for _ in range(3):
            ended_session()
        old, young, _waiting = [job["id"] for job in jobs()]
        sql("UPDATE procrastinate_jobs SET status = 'failed' WHERE id IN (%s, %s)", old, young)
        for job_id, age in ((old, 15), (young, 13)):
            sql(
                "UPDATE procrastinate_events SET at = now() - make_interval(days => %s) WHERE job_id = %s",
                age,
                job_id,
            )
        for process_id, days in (("proc_ancient", 3), ("proc_recent", 1)):
            renew_process(process_id=process_id)
            ended = timezone.now() - timedelta(days=days)
            ServerProcess.objects.filter(process_id=process_id).update(expires_at=ended)

        key = make_key(user=User.objects.create(username="shop"), label="shop").row
        secret = make_secret(key=key, external_user_id="kim", seconds=60, session={}).row
        ClientSecret.objects.filter(pk=secret.pk).update(expires_at=timezone.now() - timedelta(days=2))

    looked = [1, 0]
    monkeypatch.setattr(tasks, "look_up_first_words", lambda: looked.pop(0))
    await in_db_thread(prepare)
    await tasks.clean_up.func(context, timestamp=0)
    assert [job["status"] for job in await in_db_thread(jobs)] == ["failed", "todo"]
    assert not await in_db_thread(ClientSecret.objects.exists)
    assert looked == [], "until there are no more of them"

    def dead_processes() -> list[str]:  # a server that other tests share may live beside them
        return list(
            ServerProcess.objects.filter(expires_at__lt=timezone.now()).values_list("process_id", flat=True)
        )

    assert await in_db_thread(dead_processes) == ["proc_recent"]


def test_every_duty_is_registered_for_every_worker() -> None:
    registered = {name: one.cron for (name, _), one in app.periodic_registry.periodic_tasks.items()}
    assert registered == {
        "sweep_sessions": "* * * * * */20",
        "rescue_jobs": "* * * * * */20",
        "send_mails": "* * * * * */20",
        "delete_files": "* * * * * */20",
        "clean_up": "17 * * * *",
        "retain": "41 3 * * *",
    }


async def test_a_tick_of_the_upkeep_is_every_twenty_seconds() -> None:
    """The sixth field are seconds: procrastinate leaves the reading to its cron library."""
    tick = app.periodic_registry.periodic_tasks["sweep_sessions", ""].croniter
    tick.set_current(start_time=1_800_000_001)
    assert [tick.get_next(float) - 1_800_000_000 for _ in range(4)] == [20, 40, 60, 80]
