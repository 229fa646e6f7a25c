"""What answers that stream at a model's pace cost the log: CPU of PostgreSQL and of the writer for each chunk, and what
stands on disk and goes through the WAL for each 1,000 tokens (4 KB of text).

No model and no socket: the sessions append their deltas and the end of each answer to live logs as the engine does, each
at its own phase. CPU is that of all processes of the server, so the database must be on this machine.

    python -m bench.pace --sessions 60 --per-second 15
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import random
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
from django.db import connection

from bench.support import scratch_database, share_of, table
from sessions_app.ids import new_id, uuid7
from sessions_app.log import events as ev
from sessions_app.log.folding import Answer, fold
from sessions_app.log.journal import Journal
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import Visitor, open_session
from sessions_app.log.live import LiveLog
from sessions_app.models import SessionEvent
from sessions_app.postgres.link import connect_journal
from sessions_app.postgres.threads import in_db_thread

CHUNK = 48
ANSWER = 85
"""Chunks of an answer: about 4 KB."""
TOKENS_CHARS = 4096
WORDS = [
    "the",
    "of",
    "and",
    "a",
    "to",
    "in",
    "is",
    "you",
    "that",
    "it",
    "he",
    "was",
    "for",
    "on",
    "are",
    "as",
    "with",
    "his",
    "they",
    "I",
    "at",
    "be",
    "this",
    "have",
    "from",
    "or",
    "one",
    "had",
    "by",
]


@dataclass(frozen=True, kw_only=True)
class Server:
    """What the database has spent so far."""

    cpu_s: float
    wal_bytes: int
    disk_bytes: int
    commits: int

    @classmethod
    def now(cls) -> "Server":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute(
                "SELECT pg_backend_pid(), pg_current_wal_insert_lsn() - '0/0'::pg_lsn,"
                " pg_total_relation_size('session_events') + pg_total_relation_size('sessions'), xact_commit"
                " FROM pg_stat_database WHERE datname = current_database()"
            )
            pid, wal, disk, commits = cursor.fetchone()
        postmaster = psutil.Process(pid).parent()
        assert postmaster
        times = [child.cpu_times() for child in postmaster.children(recursive=True)]
        cpu_s = sum(one.user + one.system for one in times)
        return cls(cpu_s=cpu_s, wal_bytes=int(wal), disk_bytes=disk, commits=commits)


def _chunks(seed: int) -> Iterator[str]:
    words = random.Random(seed)
    text = ""
    while True:
        while len(text) < CHUNK:
            text += words.choice(WORDS) + words.choice(("", "", "ing", "ed", "ly")) + " "
        yield text[:CHUNK]
        text = text[CHUNK:]


async def _answer(log: LiveLog, chunks: Iterator[str], *, per_second: float, until: float) -> int:
    response_id, item_id = new_id("resp"), new_id("item")
    log.append(
        ev.UserMessage(item_id=new_id("item"), text="Tell me more."),
        ev.ResponseStarted(response_id=response_id, provider="demo", model="demo"),
    )
    text, made, due = "", 0, time.monotonic()
    while made < ANSWER and time.monotonic() < until:
        chunk = next(chunks)
        log.append(
            ev.AssistantDelta(
                response_id=response_id, item_id=item_id, output_index=0, offset=len(text), text=chunk
            )
        )
        text, made, due = text + chunk, made + 1, due + 1 / per_second
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    log.append(
        ev.AssistantMessage(response_id=response_id, item_id=item_id, output_index=0, text=text),
        ev.ResponseDone(response_id=response_id, status=ev.ResponseStatus.COMPLETED, model="demo"),
    )
    await log.durable()
    return made


def _delta_rows() -> int:
    return SessionEvent.objects.filter(event_type="assistant_delta").count()


def _packed_bytes() -> int:
    """Of the log when all that is dead in it has been used again."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL session_events")
        cursor.execute("SELECT pg_total_relation_size('session_events')")
        return int(cursor.fetchone()[0])


def _folded(answers: list[Answer]) -> tuple[Server, Server]:
    """Before and after."""
    before = Server.now()
    for first in range(0, len(answers), 50):
        fold(answers[first : first + 50])
    return before, Server.now()


async def _no_reads(after: int) -> list[ev.Record]:
    raise AssertionError(after)


async def measure(options: argparse.Namespace) -> list[tuple[str, str]]:
    journal = Journal(connect_journal, asyncio.get_running_loop())
    journal.start()
    await in_db_thread(renew_process, process_id="proc_bench")
    logs, finished = [], list[Answer]()
    for _ in range(options.sessions):
        opened = await in_db_thread(
            open_session, session_id=uuid7(), visitor=Visitor(), process_id="proc_bench", model="demo"
        )
        writer = journal.writer(session_id=opened.session_id, epoch=opened.epoch, last_seq=0)
        logs.append(LiveLog(writer, _no_reads, on_finished=finished.append))
    waits: list[float] = []

    async def wait_durable(log: LiveLog) -> None:
        """How long a delta takes into the log, sampled."""
        while True:
            await asyncio.sleep(random.uniform(0.2, 0.4))
            if log.last_seq > log.durable_seq:
                began = time.monotonic()
                await log.durable()
                waits.append((time.monotonic() - began) * 1000)

    async def talk(index: int, log: LiveLog) -> int:
        await asyncio.sleep(index / len(logs) * ANSWER / options.per_second)
        chunks, made = _chunks(index), 0
        while time.monotonic() < until:
            made += await _answer(log, chunks, per_second=options.per_second, until=until)
        return made

    warm = time.monotonic() + ANSWER / options.per_second
    until = warm + options.seconds
    talks = [asyncio.create_task(talk(index, log)) for index, log in enumerate(logs)]
    watches = [asyncio.create_task(wait_durable(log)) for log in logs]
    before, spent = await in_db_thread(Server.now), resource.getrusage(resource.RUSAGE_SELF)
    chunks = sum(await asyncio.gather(*talks))
    after, now = await in_db_thread(Server.now), resource.getrusage(resource.RUSAGE_SELF)
    for watch in watches:
        watch.cancel()
    await journal.stop(timeout_s=10)
    rows, packed = await in_db_thread(_delta_rows), await in_db_thread(_packed_bytes)
    unfolded, folded = await in_db_thread(_folded, finished)
    packed_folded = await in_db_thread(_packed_bytes)
    own = now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime
    text = chunks * CHUNK / TOKENS_CHARS
    waits.sort()
    return [
        ("chunks", f"{chunks:,}"),
        ("PostgreSQL us a chunk", f"{(after.cpu_s - before.cpu_s) / chunks * 1e6:.0f}"),
        ("writer's process us a chunk", f"{own / chunks * 1e6:.0f}"),
        (
            "commits a second",
            f"{(after.commits - before.commits) / (options.seconds + ANSWER / options.per_second):.0f}",
        ),
        ("rows of deltas a chunk", f"{rows / chunks:.2f}"),
        (
            "until durable, p50 / p99 / max ms",
            " / ".join(f"{share_of(waits, one):.0f}" for one in (0.5, 0.99, 1.0)),
        ),
        ("WAL KB per 1,000 tokens", f"{(after.wal_bytes - before.wal_bytes) / text / 1024:.1f}"),
        ("on disk KB per 1,000 tokens", f"{(after.disk_bytes - before.disk_bytes) / text / 1024:.1f}"),
        ("packed", f"{packed / text / 1024:.1f}"),
        ("packed, when folded", f"{packed_folded / text / 1024:.1f}"),
        ("WAL of folding", f"{(folded.wal_bytes - unfolded.wal_bytes) / text / 1024:.1f}"),
        ("PostgreSQL us a chunk of folding", f"{(folded.cpu_s - unfolded.cpu_s) / chunks * 1e6:.0f}"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--per-second", type=float, default=15)
    options = parser.parse_args()
    with scratch_database():
        found = asyncio.run(measure(options))
    print(f"{options.sessions} sessions, {options.per_second:g} chunks/s each\n")
    print(table(("what", "figure"), found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
