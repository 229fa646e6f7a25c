"""chat.tasks: queued with the end or not at all; run until it is written, given up, or outdated."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections, transaction
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from pytest_django.fixtures import Settings

from chat.errors import ModelOverloaded, ModelRefused
from chat.jobs.worker import Worker
from chat.llm.provider import ModelRequest
from chat.tasks import summarise_session, summary_anew
from sessions_app import hooks
from sessions_app.errors import DatabaseAway
from sessions_app.log.events import SummaryFailed
from sessions_app.log.lifecycle import OpenedSession, end_session
from sessions_app.log.replay import read_records
from sessions_app.models import Session, SessionStatus, SummaryState
from sessions_app.postgres.threads import in_db_thread
from tests.summary.conftest import UseModel
from tests.summary.support import end_it, ended_session, jobs, open_it, said, say, whole

GOOD = whole()

pytestmark = pytest.mark.django_db(transaction=True)


async def run_jobs() -> None:
    await Worker(concurrency=2, listen=False, once=True).run()


async def run_again(job: dict[str, Any]) -> None:
    """A second time, or at the same time as somebody else."""

    class Context:
        class job:  # noqa: N801 - stands for an attribute
            attempts = 0

    await summarise_session.func(Context, **job["args"])  # type: ignore[arg-type]


def a_session() -> OpenedSession:
    opened = open_it()
    say(opened, said("What is 2 + 2?"))
    return opened


class OopsError(Exception):
    pass


def end_and_fail(opened: OpenedSession) -> None:
    with transaction.atomic():
        end_it(opened)
        assert len(jobs()) == 1
        raise OopsError


Call = Callable[[OpenedSession], object]


def here(call: Call, opened: OpenedSession) -> None:
    call(opened)


def in_a_thread(call: Call, opened: OpenedSession) -> None:
    with ThreadPoolExecutor(1) as threads:
        try:
            threads.submit(call, opened).result()
        finally:
            threads.submit(connections.close_all).result()


def beside_a_workers_connector(call: Call, opened: OpenedSession) -> None:
    """As inside a worker process, where procrastinate's own ``defer`` would commit at once."""
    with app.replace_connector(PsycopgConnector(kwargs=connector_params())):
        call(opened)


@pytest.mark.parametrize("where", [here, in_a_thread, beside_a_workers_connector])
def test_an_end_that_is_rolled_back_leaves_no_job(where: Callable[[Call, OpenedSession], None]) -> None:
    opened = a_session()
    with pytest.raises(OopsError):
        where(end_and_fail, opened)
    assert jobs() == []
    assert Session.objects.get().status == SessionStatus.ACTIVE
    where(end_it, opened)
    assert len(jobs()) == 1
    assert Session.objects.get().status == SessionStatus.ENDED


def test_a_job_that_cannot_be_queued_leaves_the_session_open(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = a_session()
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE procrastinate_jobs ADD CONSTRAINT none_of_these CHECK (queue_name <> 'summaries') NOT VALID"
        )
    try:
        with pytest.raises(DatabaseAway, match="cannot be queued"):
            end_it(opened)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE procrastinate_jobs DROP CONSTRAINT none_of_these")
    assert Session.objects.get().status == SessionStatus.ACTIVE
    assert Session.objects.get().last_seq == 1


def test_the_hook_is_registered_once() -> None:
    from chat.tasks import session_ended

    assert hooks._session_ended.count(session_ended) == 1


async def test_the_worker_writes_the_summary_and_keeps_no_job(use_model: UseModel) -> None:
    model = use_model(GOOD)
    await in_db_thread(ended_session)
    await run_jobs()
    session = await in_db_thread(Session.objects.get)
    assert (session.title, session.summary) == ("Sums", "They added.")
    assert session.summary_state == SummaryState.WRITTEN
    assert await in_db_thread(jobs) == []
    assert len(model.requests) == 1


async def test_the_demo_summarises_a_session_from_end_to_end() -> None:
    await in_db_thread(ended_session, said("Tell me about tides"))
    await run_jobs()
    session = await in_db_thread(Session.objects.get)
    assert session.summary_state == SummaryState.WRITTEN
    assert "tides" in session.summary


async def test_a_passing_error_is_retried(use_model: UseModel, settings: Settings) -> None:
    settings.CHAT_SUMMARY_RETRY_SECONDS = 0.0
    model = use_model(ModelOverloaded(cause="503"), GOOD)
    session_id, end = await in_db_thread(ended_session)
    await run_jobs()
    assert [(job["status"], job["attempts"]) for job in await in_db_thread(jobs)] in ([("todo", 1)], [])
    await run_jobs()
    assert (await in_db_thread(Session.objects.get)).summary_state == SummaryState.WRITTEN
    assert len(model.requests) == 2
    assert [r.seq for r in await in_db_thread(read_records, session_id=session_id, after=end)] == [end + 1]


async def test_after_the_last_try_the_session_says_why(use_model: UseModel, settings: Settings) -> None:
    settings.CHAT_SUMMARY_RETRY_SECONDS = 0.0
    settings.CHAT_SUMMARY_ATTEMPTS = 3
    settings.CHAT_GEMINI_API_KEY = "AIza-very-secret"
    model = use_model(ModelOverloaded(cause="503 for AIza-very-secret"))
    session_id, end = await in_db_thread(ended_session)
    for _ in range(5):
        await run_jobs()
    assert len(model.requests) == 3
    assert (await in_db_thread(Session.objects.get)).summary_state == SummaryState.FAILED
    records = await in_db_thread(read_records, session_id=session_id, after=end)
    assert [record.event for record in records] == [
        SummaryFailed(error="model_overloaded: 503 for [key]", attempts=3)
    ]
    assert [(job["status"], job["attempts"]) for job in await in_db_thread(jobs)] == [("failed", 3)]


async def test_what_would_fail_the_same_way_is_given_up_at_once(use_model: UseModel) -> None:
    model = use_model(ModelRefused(cause="SAFETY"))
    session_id, end = await in_db_thread(ended_session)
    await run_jobs()
    assert len(model.requests) == 1
    records = await in_db_thread(read_records, session_id=session_id, after=end)
    assert records[0].event == SummaryFailed(error="model_refused: SAFETY", attempts=1)


async def test_an_outdated_job_asks_no_model(use_model: UseModel) -> None:
    model = use_model(GOOD)
    session_id, _ = await in_db_thread(ended_session)
    await in_db_thread(open_it, session_id)
    await run_jobs()
    assert model.requests == []
    assert await in_db_thread(jobs) == []
    assert (await in_db_thread(Session.objects.get)).summary == ""


async def test_a_session_that_ended_again_is_summarised_once(use_model: UseModel) -> None:
    """The job of the first end has nothing to do, though the session has no summary yet."""
    model = use_model(GOOD)
    session_id, _ = await in_db_thread(ended_session)

    def come_back_and_leave() -> int:
        again = open_it(session_id)
        say(again, said("And 3 + 3?"))
        return end_it(again)

    second_end = await in_db_thread(come_back_and_leave)
    assert len(await in_db_thread(jobs)) == 2
    await run_jobs()
    assert await in_db_thread(jobs) == []
    assert len(model.requests) == 1
    assert "And 3 + 3?" in str(model.requests[0].history)
    assert (await in_db_thread(Session.objects.get)).summary_seq == second_end


async def test_another_version_whose_job_runs_while_somebody_looks_in_is_written_once_they_are_gone(
    use_model: UseModel,
) -> None:
    model = use_model(GOOD, GOOD)
    session_id, _ = await in_db_thread(ended_session)
    await run_jobs()
    assert await in_db_thread(lambda: summary_anew(session_id, model="", author="grace"))
    visit = await in_db_thread(open_it, session_id)
    await run_jobs()
    assert len(model.requests) == 1
    await in_db_thread(end_it, visit)

    def due_now() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL")

    await in_db_thread(due_now)
    await run_jobs()
    assert len(model.requests) == 2
    assert await in_db_thread(jobs) == []


async def test_a_job_that_ran_already_asks_no_model(use_model: UseModel) -> None:
    """Its worker died between the summary and the job's end."""
    model = use_model(GOOD)
    await in_db_thread(ended_session)
    (job,) = await in_db_thread(jobs)
    await run_jobs()
    assert len(model.requests) == 1
    await run_again(job)
    assert len(model.requests) == 1


async def test_who_comes_back_while_the_model_writes_gets_no_wrong_summary(use_model: UseModel) -> None:
    session_id, _ = await in_db_thread(ended_session)
    reopened: list[OpenedSession] = []

    def reopen(_: ModelRequest) -> str:
        if not reopened:
            with ThreadPoolExecutor(1) as threads:
                reopened.append(threads.submit(open_it, session_id).result())
                threads.submit(connections.close_all).result()
        return GOOD

    use_model(reopen)
    await run_jobs()
    session = await in_db_thread(Session.objects.get)
    assert (session.status, session.summary) == (SessionStatus.ACTIVE, "")
    assert session.last_seq == reopened[0].last_seq

    def say_and_end() -> int:
        say(reopened[0], said("And 3 + 3?"))
        return end_it(reopened[0])

    second_end = await in_db_thread(say_and_end)
    await run_jobs()
    session = await in_db_thread(Session.objects.get)
    assert (session.summary, session.summary_seq) == ("They added.", second_end)


async def test_two_runs_of_one_job_at_once_write_once(use_model: UseModel) -> None:
    model = use_model([0.2, whole(title="late", summary="late")])
    session_id, end = await in_db_thread(ended_session)
    (job,) = await in_db_thread(jobs)
    await asyncio.gather(*(run_again(job) for _ in range(2)))
    assert len(model.requests) == 2
    records = await in_db_thread(read_records, session_id=session_id, after=end)
    assert [record.seq for record in records] == [end + 1]


def test_ending_an_ended_session_changes_nothing() -> None:
    session_id, end = ended_session()
    session = Session.objects.get()
    from sessions_app.errors import JournalFenced

    # the very end that there is, as somebody asks for it who did not hear of its commit
    end_session(session_id=session_id, epoch=session.lease_epoch, last_seq=end - 1, reason="left")
    assert len(jobs()) == 1
    assert Session.objects.get().last_seq == end
    with pytest.raises(JournalFenced):
        end_session(session_id=session_id, epoch=session.lease_epoch + 1, last_seq=end - 1, reason="left")
    assert len(jobs()) == 1
