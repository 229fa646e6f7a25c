"""How long a worker takes for the summaries of a crowd that left at once, with a model that answers at once.

python -m bench summaries
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator

from django.db import connection

from bench.support import scratch_database, table
from chat.jobs.worker import Worker
from chat.llm.catalog import register_provider
from chat.llm.provider import Completed, FinishReason, ModelEvent, ModelRequest, Provider, TextDelta
from sessions_app.ids import new_id, uuid7
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor, append_now, end_session, open_session
from sessions_app.models import Session, SummaryState
from tests.support.database import database_url

_WORKER = "--worker"


class Instant(Provider):
    name = "instant"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        yield TextDelta('{"title": "Sums", "summary": "They added two numbers."}')
        yield Completed(FinishReason.STOP)


def leave(sessions: int) -> None:
    """Sessions of three turns that have ended, each with its job."""
    for _ in range(sessions):
        session_id = uuid7()
        opened = open_session(session_id=session_id, visitor=Visitor(), process_id="bench", model="instant")
        events: list[ev.Event] = []
        for turn in range(3):
            said = ev.UserMessage(item_id=new_id("item"), text=f"What is {turn} + 2?")
            answer = ev.AssistantMessage(
                response_id=new_id("resp"), item_id=new_id("item"), output_index=0, text=f"{turn + 2}."
            )
            events += [said, answer]
        seq = append_now(session_id=session_id, epoch=opened.epoch, last_seq=0, events=events)
        end_session(session_id=session_id, epoch=opened.epoch, last_seq=seq, reason="left")


def work() -> None:
    """As ``manage.py worker`` does, until nothing is left; tells wall and CPU seconds."""
    register_provider("instant", Instant)
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(Worker(concurrency=_concurrency(), listen=False, once=True).run())
    spent = resource.getrusage(resource.RUSAGE_SELF)
    print(time.perf_counter() - began, spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime)


def _concurrency() -> int:
    from chat.conf import conf

    return conf().worker_concurrency


def measure(sessions: int) -> tuple[float, float]:
    leave(sessions)
    connection.close()
    command = [sys.executable, "-m", "bench.summaries", _WORKER]
    environment = {**os.environ, "DATABASE_URL": database_url()}
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert not Session.objects.exclude(summary_state=SummaryState.WRITTEN).exists()
    wall_s, cpu_s = map(float, ran.stdout.split())
    return wall_s, cpu_s


def main() -> None:
    if sys.argv[1:2] == [_WORKER]:
        work()
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with scratch_database():
        runs = [measure(options.sessions) for _ in range(options.rounds)]
    wall, cpu = (statistics.median(one) for one in zip(*runs, strict=True))
    row = (str(options.sessions), f"{wall:.1f} s", f"{cpu:.1f} s", f"{cpu / options.sessions * 1000:.1f} ms")
    print(table(("summaries", "until the last is written", "the worker's CPU", "a summary"), [row]))


if __name__ == "__main__":
    main()
