"""``manage.py worker`` as it is run: killed, stopped, started without a database, its database lost."""

import signal
import time

import pytest
from django.db import connection

from bench.delay_proxy import DelayProxy
from bench.support import upstream_of
from sessions_app.log.leases import renew_process
from sessions_app.models import ServerProcess, Session, SessionStatus, SummaryState
from tests.summary.conftest import StartWorker
from tests.summary.program import Program, wait_until
from tests.summary.support import ended_session, jobs, open_it, said, say
from tests.support.database import database_url

pytestmark = pytest.mark.django_db(transaction=True)

FOREVER_MS = "600000"
"""The demo's pause between two words: its model hangs."""


def wait_for_summary(session_id: str, *, timeout_s: float = 20, worker: Program) -> None:
    written = Session.objects.filter(session_id=session_id, summary_state=SummaryState.WRITTEN)
    wait_until(
        written.exists, timeout_s=timeout_s, what=lambda: f"the summary; the worker said:\n{worker.output}"
    )


def wait_for_doing(worker: Program) -> None:
    """Until the model is asked: the job is taken, and what it is to summarise was read."""
    worker.wait_for_line("a model is asked for its summary")


def freeze_between_transactions(worker: Program) -> None:
    """One that is frozen within a transaction holds its locks, and nobody gets at its job before it wakes up."""
    busy = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
    )
    while True:
        worker.signal(signal.SIGSTOP)
        time.sleep(0.2)
        with connection.cursor() as cursor:
            cursor.execute(busy)
            row = cursor.fetchone()
        if row == (0,):
            return
        worker.signal(signal.SIGCONT)
        time.sleep(0.05)


def listens() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN %' AND state = 'idle'"
        )
        return bool(cursor.fetchone() == (1,))


def test_with_listen_a_summary_does_not_wait_for_the_next_look(start_worker: StartWorker) -> None:
    worker = start_worker(WORKER_POLL_SECONDS="30")
    worker.wait_for_line("ready: 8 jobs at once, LISTEN")
    wait_until(listens, timeout_s=30, what=lambda: "LISTEN")  # it is up a moment after that line
    session_id, _ = ended_session()
    wait_for_summary(session_id, timeout_s=10, worker=worker)  # far less than the 150 s between two looks
    assert worker.stop() < 5
    assert worker.process.returncode == 0
    assert worker.output.rstrip().endswith("stopped")
    assert "Traceback" not in worker.output


def test_the_job_of_a_killed_worker_is_done_by_another(start_worker: StartWorker) -> None:
    session_id, _ = ended_session()
    first = start_worker(WORKER_DEMO_DELAY_MS=FOREVER_MS)
    wait_for_doing(first)
    first.kill()
    assert Session.objects.get().summary_state == SummaryState.PENDING
    second = start_worker()
    wait_for_summary(session_id, worker=second)
    second.wait_for_line("its worker died; queued again after attempt 1")
    wait_until(lambda: jobs() == [], timeout_s=30, what=lambda: "the job's end")


def test_a_frozen_worker_that_wakes_up_writes_no_second_summary(start_worker: StartWorker) -> None:
    session_id, end = ended_session()
    first = start_worker(WORKER_DEMO_DELAY_MS="100")
    wait_for_doing(first)
    freeze_between_transactions(first)
    second = start_worker()
    wait_for_summary(session_id, timeout_s=60, worker=second)
    first.signal(signal.SIGCONT)

    # it finds its summary outdated, unless it notices before that it is no worker any more and begins anew
    def done() -> bool:
        return "outdated" in first.output or first.output.count("ready: ") > 1

    wait_until(done, timeout_s=20, what=lambda: first.output)
    assert "Traceback" not in first.output
    assert Session.objects.get().last_seq == end + 1


def test_a_stopped_worker_gives_its_job_back_at_once(start_worker: StartWorker) -> None:
    session_id, _ = ended_session()
    worker = start_worker(WORKER_DEMO_DELAY_MS=FOREVER_MS, WORKER_STOP_SECONDS="0.5")
    wait_for_doing(worker)
    assert 0.4 < worker.stop() < 6
    assert worker.process.returncode == 0
    assert [(job["status"], job["attempts"]) for job in jobs()] == [("todo", 1)]
    assert "Traceback" not in worker.output
    wait_for_summary(session_id, timeout_s=10, worker=start_worker())


def test_a_stopped_worker_lets_its_job_finish(start_worker: StartWorker) -> None:
    session_id, _ = ended_session()
    worker = start_worker(WORKER_DEMO_DELAY_MS="25", WORKER_STOP_SECONDS="5")
    wait_for_doing(worker)
    worker.stop()
    assert Session.objects.get(session_id=session_id).summary_state == SummaryState.WRITTEN


def test_without_a_database_it_waits_and_stops_when_told(start_worker: StartWorker) -> None:
    worker = start_worker(DATABASE_URL=database_url(host="127.0.0.1", port="1"))
    worker.wait_for_line("the database is away, trying again: connection failed")
    time.sleep(1)
    assert worker.process.poll() is None
    assert worker.stop() < 6
    assert worker.process.returncode == 0
    assert "Traceback" not in worker.output
    assert worker.output.count("the database is away") == 1


def test_a_database_that_comes_goes_and_comes_again(start_worker: StartWorker) -> None:
    with DelayProxy(upstream_of(connection.settings_dict)) as proxy:
        proxy.cut()
        worker = start_worker(DATABASE_URL=database_url(host="127.0.0.1", port=str(proxy.port)))
        worker.wait_for_line("the database is away")
        proxy.mend()
        worker.wait_for_line("ready:")
        first, _ = ended_session()
        wait_for_summary(first, worker=worker)
        proxy.cut()
        worker.wait_for_line("lost the database")
        second, _ = ended_session()
        proxy.mend()
        wait_for_summary(second, worker=worker)
        assert "Traceback" not in worker.output
        worker.stop()


def test_a_database_lost_in_the_middle_of_a_job_costs_an_attempt_and_no_summary(
    start_worker: StartWorker,
) -> None:
    with DelayProxy(upstream_of(connection.settings_dict)) as proxy:
        worker = start_worker(
            DATABASE_URL=database_url(host="127.0.0.1", port=str(proxy.port)),
            WORKER_DEMO_DELAY_MS="30",
            WORKER_STOP_SECONDS="0.5",
        )
        worker.wait_for_line("ready:")
        session_id, _ = ended_session()
        wait_for_doing(worker)
        proxy.cut()
        worker.wait_for_line("the database")  # it is lost, or away
        proxy.mend()
        wait_for_summary(session_id, timeout_s=30, worker=worker)
        assert "Traceback" not in worker.output


def test_a_database_that_answers_no_more_does_not_hold_up_a_stop(start_worker: StartWorker) -> None:
    with DelayProxy(upstream_of(connection.settings_dict)) as proxy:
        worker = start_worker(
            DATABASE_URL=database_url(host="127.0.0.1", port=str(proxy.port)), WORKER_STOP_SECONDS="0.5"
        )
        worker.wait_for_line("ready:")
        proxy.rtt_s = 600
        time.sleep(1)  # by now it waits for an answer
        assert worker.stop() < 6
        assert "Traceback" not in worker.output


def test_sessions_of_a_dead_process_are_ended_and_summarised(start_worker: StartWorker) -> None:
    opened = open_it(process_id="proc_dead")
    say(opened, said("Are you there?"))
    alive = open_it(process_id="proc_alive")
    renew_process(process_id="proc_alive")
    ServerProcess.objects.filter(process_id="proc_dead").delete()
    worker = start_worker()
    summarised = Session.objects.filter(session_id=opened.session_id, summary_state=SummaryState.WRITTEN)

    def done() -> bool:
        renew_process(process_id="proc_alive")
        return summarised.exists()

    wait_until(done, timeout_s=30, what=lambda: worker.output)
    session = Session.objects.get(session_id=opened.session_id)
    assert (session.status, session.end_reason) == (SessionStatus.ENDED, "orphaned")
    assert Session.objects.get(session_id=alive.session_id).status == SessionStatus.ACTIVE


def test_once_does_what_is_due_and_ends(start_worker: StartWorker) -> None:
    session_id, _ = ended_session()
    worker = start_worker("--once")
    assert worker.process.wait(15) == 0
    assert Session.objects.get(session_id=session_id).summary_state == SummaryState.WRITTEN
