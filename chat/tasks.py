"""The jobs: the summary of an ended session, and the upkeep that every worker does on the side.

Jobs live in the application's own database (procrastinate), so that a session's end and its job commit together.
Every job may run twice, after a crash or beside a stuck worker, and does no harm by it. See
docs/decisions/0002-jobs-with-procrastinate.md.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from chat.batches import Batches
from chat.conf import conf
from chat.jobs.retry import (
    DeliveryRetry,
    NotDeliveredError,
    SessionGoesOn,
    SummaryRetry,
    cause_for_staff,
    will_retry,
)
from chat.jobs.summary import MOST_PARTS, Summary, part_chars, summarise, summarise_parts
from chat.jobs.webhooks import MOST_AT_ONCE, WAITS_S, send, under_way
from chat.session.turns import asks_for_more
from identity.keys import forget_secrets
from sessions_app.conf import conf as sessions_conf
from sessions_app.desk.queue import look_up_first_words
from sessions_app.errors import DatabaseAway
from sessions_app.files.keeping import delete_gone, forget_unused
from sessions_app.log.leases import any_alive, forget_dead_processes
from sessions_app.log.lifecycle import orphans_exist, sweep_orphans
from sessions_app.log.spoken import parts_of, read_part
from sessions_app.log.summaries import (
    DueSummary,
    End,
    NewSummary,
    ask_again,
    due_summaries,
    fail_summary,
    request_summary,
    waits_for_its_end,
    write_summaries,
)
from sessions_app.notices.deliveries import due_delivery, forget_deliveries, note_answer
from sessions_app.notices.mails import due_subscriptions, forget_old_notices, send_digest
from sessions_app.notices.renewal import forget_old_secrets
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.retention import Retention
from sessions_app.selectors.inbox import forget_settled

logger = logging.getLogger(__name__)

UPKEEP = "upkeep"
WEBHOOKS = "webhooks"
_KEEP_FAILED_HOURS = 14 * 24
_SWEEP_SIZE = 100
_STARTED = time.monotonic()


def session_ended(session_id: str, last_seq: int) -> None:
    """The hook: queue the summary in the transaction that ends the session, on Django's own connection."""
    if request_summary(session_id=session_id):
        _queue_summary(End(session_id, last_seq))


def summary_again(session_id: str) -> bool:
    """For staff: False where no summary has failed."""
    return ask_again(session_id=session_id, queue=_queue_summary)


def summary_anew(session_id: str, *, model: str, author: str) -> bool:
    """For staff: another version, by ``model`` where one is named. False where there is nothing to sum up, or one is being
    written or waits for it."""
    try:
        return ask_again(
            session_id=session_id,
            anew=True,
            queue=lambda end: _queue_summary(end, model=model, author=author),
        )
    except AlreadyEnqueued:
        return False


def _queue_summary(end: End, **asked: str) -> None:
    """In the transaction of Django's own connection. One that staff ask for again waits once."""
    # A worker gives procrastinate's app a connector of its own, whose jobs commit at once, whatever becomes of our
    # transaction; a manager of ours stays on Django's connection in every process and thread.
    lock = f"summary_anew:{end.session_id}" if end.again else None
    deferrer = summarise_session.configure(queueing_lock=lock, lock=lock)
    deferrer.job_manager = JobManager(DjangoConnector())
    words: dict[str, Any] = {"again": True, "asked_seq": end.asked_seq, **asked} if end.again else {}
    try:
        deferrer.defer(session_id=end.session_id, through_seq=end.through_seq, **words)
    except ConnectorException as error:
        raise DatabaseAway(
            f"The summary of session {end.session_id} cannot be queued: {error.__cause__}"
        ) from error
    # What is written meanwhile would count as the one that they wanted. Looked for after the insert: one that was taken before
    # has left the queueing lock, and one that ends before this wrote its summary before we held the session.
    if lock and ProcrastinateJob.objects.filter(lock=lock, status=Status.DOING.value).exists():
        raise AlreadyEnqueued


_AT_ONCE = 32


async def _due_summaries(ends: Sequence[End]) -> list[DueSummary | None]:
    return await in_db_thread(due_summaries, ends)


async def _write_summaries(summaries: Sequence[NewSummary]) -> list[bool]:
    return await in_db_thread(write_summaries, summaries)


_due = Batches(_due_summaries, name="due summaries", most=_AT_ONCE)
_written = Batches(_write_summaries, name="summaries to write", most=_AT_ONCE)


@app.task(name="summarise_session", queue="summaries", retry=SummaryRetry(), pass_context=True)
async def summarise_session(
    context: JobContext,
    *,
    session_id: str,
    through_seq: int,
    again: bool = False,
    asked_seq: int = 0,
    model: str = "",
    author: str = "",
) -> None:
    """Write the summary of the session's end at ``through_seq``; nothing when that is not its last end any more, or has its
    summary. ``again``: though it has one that is no younger than ``asked_seq``, by ``model`` where one is named, for the member of
    staff who is called ``author``."""
    end = End(session_id, through_seq, again, asked_seq)
    due = await _due.ask(end)
    if due is None:
        await _come_back_later(end)
        logger.info("session %s: summary of seq %d is outdated, nothing to do", session_id, through_seq)
        return
    logger.debug("session %s: a model is asked for its summary", session_id)
    try:
        summary = await _summary(end, due, wanted=model)
    except Exception as error:
        await _failed(context.job, error, end)
        raise
    written = await _written.ask(
        NewSummary(
            end=end,
            title=summary.title,
            summary=summary.summary,
            model=summary.model,
            usage=summary.usage,
            cost_microusd=summary.cost_microusd,
            findings=summary.findings,
            chunks=summary.chunks,
            author=author,
        )
    )
    if not written:
        await _come_back_later(end)
    logger.info(
        "session %s: summary %s (%s)", session_id, "written" if written else "outdated", summary.model
    )


async def _come_back_later(end: End) -> None:
    """Raises `SessionGoesOn` where another version is outdated by a visit alone: who asked for it has been told that it comes."""
    if end.again and await in_db_thread(waits_for_its_end, end):
        raise SessionGoesOn


async def _summary(end: End, due: DueSummary, *, wanted: str) -> Summary:
    if due.transcript is not None:
        return await summarise(model=due.model, transcript=due.transcript, wanted=wanted)
    chars = part_chars(due.model, wanted)
    parts = await in_db_thread(parts_of, session_id=end.session_id, max_chars=chars, most=MOST_PARTS)
    return await summarise_parts(
        model=due.model, parts=parts, read=lambda part: in_db_thread(read_part, part), wanted=wanted
    )


async def _failed(job: Job, error: BaseException, end: End) -> None:
    """Say in the log of the session when this was the last try; in the server's log always."""
    session_id = end.session_id
    attempt, cause = job.attempts + 1, cause_for_staff(error)
    if will_retry(error, attempt):
        logger.warning("session %s: no summary yet, attempt %d: %s", session_id, attempt, cause)
        return
    logger.error("session %s: summary given up after attempt %d: %s", session_id, attempt, cause)
    await in_db_thread(
        fail_summary,
        session_id=session_id,
        through_seq=end.through_seq,
        error=cause,
        attempts=attempt,
        again=end.again,
        asked_seq=end.asked_seq,
    )


# Telling others.

_LONGEST_TURN_S = 60.0


@app.task(name="deliver_webhook", queue=WEBHOOKS, retry=DeliveryRetry(), pass_context=True)
async def deliver_webhook(context: JobContext, *, delivery_id: int) -> None:
    """Send one message, once more until it is taken or given up. Its job is queued with its cause, in SQL:
    `sessions_app.log.journal_sql`."""
    due = await in_db_thread(due_delivery, delivery_id)
    if due is None:
        return
    if under_way[due.webhook_id] >= MOST_AT_ONCE:
        # ever more seldom: those that wait their turn must not be all that the worker does
        wait_s = min(random.uniform(1, 3) * (1 + context.job.attempts), _LONGEST_TURN_S)
        raise NotDeliveredError("others to the same webhook are under way", wait_s)
    under_way[due.webhook_id] += 1
    try:
        answer = await send(due)
    finally:
        under_way[due.webhook_id] -= 1
    gives_up = due.tries >= len(WAITS_S)
    wait_s = 0.0 if gives_up else WAITS_S[due.tries] * random.uniform(0.9, 1.1)
    await in_db_thread(note_answer, due, answer, gives_up=gives_up, wait_s=wait_s)
    if not (answer.taken or answer.gone or gives_up):
        raise NotDeliveredError(f"webhook {due.webhook_id}: {answer.status_code or answer.words}", wait_s)


# Upkeep. Each runs once per tick, whatever the number of workers; one that died is simply followed by the next.

_EVERY_TICK = f"* * * * * */{conf().upkeep_seconds}"


@app.periodic(cron=_EVERY_TICK)
@app.task(name="sweep_sessions", queue=UPKEEP, queueing_lock="sweep_sessions", priority=10)
async def sweep_sessions(timestamp: int) -> None:
    """End the sessions whose process is gone, not only late; each end queues its summary.

    One that was asked for something is left to the server processes (`chat.session.orphans`).
    """
    if not await in_db_thread(orphans_exist):
        return
    await asyncio.sleep(conf().sweep_pause_seconds)
    spare = asks_for_more if await _a_server_may_come() else None
    spared: set[str] = set()
    seen = _SWEEP_SIZE
    while seen == _SWEEP_SIZE:
        known = len(spared)
        ended = await in_db_thread(sweep_orphans, limit=_SWEEP_SIZE, spare=spare, spared=spared)
        seen = ended + len(spared) - known
        if ended:
            logger.info("%d sessions of dead processes ended", ended)


async def _a_server_may_come() -> bool:
    """And take over what is to be answered yet. One that was away with everything else, this worker included, gets its
    time from the worker's start on."""
    wait_s = conf().orphan_wait_seconds
    return time.monotonic() - _STARTED < wait_s or await in_db_thread(any_alive, within_s=wait_s)


@app.periodic(cron=_EVERY_TICK)
@app.task(name="rescue_jobs", queue=UPKEEP, queueing_lock="rescue_jobs", priority=10, pass_context=True)
async def rescue_jobs(context: JobContext, timestamp: int) -> None:
    """Put the jobs of dead workers back into the queue, or give them up when they seem to be what kills."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=conf().worker_stalled_seconds):
        try:
            await _rescue(manager, job)
        except ConnectorException as error:  # finished or rescued by somebody else meanwhile
            logger.info("job %s not rescued: %s", job.call_string, error.__cause__)


async def _rescue(manager: JobManager, job: Job) -> None:
    assert job.id is not None
    if job.queue == WEBHOOKS:  # sending is no work that kills, and its own tries are counted elsewhere
        await manager.retry_job_by_id_async(job.id, retry_at=datetime.now(UTC))
        return
    if job.queue == UPKEEP:  # its place in the queue may be taken again, and the next tick does its work
        await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)
        return
    attempts = job.attempts + 1
    if attempts < conf().summary_attempts:
        logger.warning("job %s: its worker died; queued again after attempt %d", job.call_string, attempts)
        await manager.retry_job_by_id_async(job.id, retry_at=datetime.now(UTC))
        return
    logger.error("job %s: given up, its worker died in attempt %d", job.call_string, attempts)
    if job.task_name == summarise_session.name:
        known = End._fields
        end: dict[str, Any] = {name: job.task_kwargs[name] for name in known if name in job.task_kwargs}
        error = "The worker died every time it tried."
        await in_db_thread(fail_summary, **end, error=error, attempts=attempts)
    await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=False)


@app.periodic(cron=_EVERY_TICK)
@app.task(name="send_mails", queue=UPKEEP, queueing_lock="send_mails", lock="send_mails")
async def send_mails(timestamp: int) -> None:
    """What happened, to those of the staff who want to hear of it; one whose mail is refused keeps no other waiting. One job at
    a time: a mail server that is slow would gather them."""
    for subscription_id in await in_db_thread(due_subscriptions):
        try:
            await in_db_thread(send_digest, subscription_id, public_url=conf().public_url or "")
        except Exception as error:  # noqa: BLE001 - of what is no address a backend may raise anything
            logger.warning("e-mail %d is not sent yet: %s", subscription_id, cause_for_staff(error))


@app.periodic(cron=_EVERY_TICK)
@app.task(name="delete_files", queue=UPKEEP, queueing_lock="delete_files", lock="delete_files")
async def delete_files(timestamp: int) -> None:
    """Take the bytes of erased files out of the storage. What cannot be deleted now is tried again with every tick."""
    while await in_db_thread(delete_gone):
        pass


@app.periodic(cron="17 * * * *")
@app.task(name="clean_up", queue=UPKEEP, queueing_lock="clean_up", pass_context=True)
async def clean_up(context: JobContext, timestamp: int) -> None:
    """Delete jobs that failed two weeks ago (those that succeeded are not kept), rows of processes long gone, client secrets that
    ended a day ago, files that nobody used for a day, webhooks' old secrets, and what was settled or delivered a month ago; give old processes' sessions
    their first words."""
    await context.app.job_manager.delete_old_jobs(
        nb_hours=_KEEP_FAILED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )
    # the sweep needs the row of a dead process until its sessions' grace is over
    older_than = timedelta(days=2, seconds=sessions_conf().grace_seconds)
    await in_db_thread(forget_dead_processes, older_than=older_than)
    await in_db_thread(forget_secrets)
    await in_db_thread(forget_unused)
    await in_db_thread(forget_settled)
    await in_db_thread(forget_old_notices)
    await in_db_thread(forget_old_secrets)
    while await in_db_thread(forget_deliveries):
        pass
    while await in_db_thread(look_up_first_words):
        pass


@app.periodic(cron="41 3 * * *")
@app.task(name="retain", queue=UPKEEP, queueing_lock="retain")
async def retain(timestamp: int) -> None:
    """Erase what is older than the settings keep, a few sessions at a time: a worker that stops between goes on tomorrow."""
    retention = await in_db_thread(Retention)
    more = True
    while more:
        more = await in_db_thread(retention.step)
