"""What a turn costs in a session of 10, 1,000 and 10,000 turns, with older turns compacted and without.

Each session is opened by a process of its own: how long until it can be spoken to, how many queries, how much memory;
then how long its turns take until their first token, with a model that answers at once. Both kinds are measured in one
run, on one database.

    python -m bench growth
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import psutil
from django.conf import settings
from django.db.backends.signals import connection_created

from bench.support import proxied_database, table
from chat.conf import conf
from chat.session.commands import AddMessage
from chat.session.session import Session
from chat.session.hub import Hub
from chat.session.opening import Join
from chat.llm.provider import Completed, FinishReason, ModelEvent, ModelRequest, Provider, TextDelta, Usage
from chat.llm.catalog import register_provider
from chat.tools.registry import Registry
from sessions_app.log import events as ev
from sessions_app.postgres.link import connect_journal
from sessions_app.ids import new_id, uuid7
from sessions_app.log.journal import Journal
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import Visitor, append_now, end_session, open_session
from sessions_app.postgres.threads import in_db_thread
from tests.support.database import database_url

TURNS = (10, 1_000, 10_000)
MEASURED_TURNS = 9
MEASURED_OPENINGS = 5
KINDS = {
    "compacted": {},
    "whole": {"HISTORY_TOKENS": "10000000", "LLM_PRICES": '{"echo": {"context": 100000000}}'},
}
_QUESTION = "What about the {number}th thing? " + "I have been thinking about it for a while. " * 2
_ANSWER = "About thing {number}: " + "there is a lot to be said for it, and some against. " * 4
_BATCH = 500


class EchoProvider(Provider):
    """Answers at once."""

    name = "echo"
    sent_bytes: ClassVar[int] = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        size = sum(len(getattr(item, "text", "")) for item in request.history)
        EchoProvider.sent_bytes = size
        yield TextDelta(_ANSWER.format(number=len(request.history)))
        yield Completed(FinishReason.STOP, Usage(input_tokens=size // 4, output_tokens=50))


# In the parent: sessions as they stand in the log of somebody who talked for so long.


def write_session(turns: int) -> str:
    session_id = uuid7()
    row = open_session(session_id=session_id, visitor=Visitor(), process_id="proc_gone", model="echo")
    seq = 0
    for start in range(0, turns, _BATCH):
        events = [event for number in range(start, min(start + _BATCH, turns)) for event in _turn(number)]
        seq = append_now(session_id=session_id, epoch=row.epoch, last_seq=seq, events=events)
    end_session(session_id=session_id, epoch=row.epoch, last_seq=seq, reason=ev.EndReason.LEFT)
    return session_id


def _turn(number: int) -> list[ev.Event]:
    response_id, item_id, said = new_id("resp"), new_id("item"), new_id("item")
    return [
        ev.UserMessage(item_id=said, text=_QUESTION.format(number=number), client_event_id=new_id("client")),
        ev.ResponseStarted(response_id=response_id, provider="echo", model="echo", input_item_ids=[said]),
        ev.AssistantMessage(
            response_id=response_id, item_id=item_id, output_index=0, text=_ANSWER.format(number=number)
        ),
        ev.ResponseDone(response_id=response_id, status=ev.ResponseStatus.COMPLETED, model="echo"),
    ]


def in_a_fresh_process(session_id: str, kind: str) -> dict[str, float]:
    env = {**os.environ, **KINDS[kind], "DATABASE_URL": database_url()}
    command = [sys.executable, "-m", "bench.growth", session_id]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


# In the fresh process.


class Tab:
    connection_id = "conn_bench"
    dialect = "realtime"

    def notify(self, error: Exception) -> None:
        raise error


async def measure(session_id: str) -> dict[str, float]:
    queries = _counted_queries()
    hub, journal = await _server()
    await _talk(await _join(hub, None))  # the database's connections are open, and the code is warm
    gc.collect()
    process = psutil.Process()
    memory, before = process.memory_info().rss, len(queries)
    conversation = await _join(hub, session_id)
    asked = len(queries) - before
    openings = []
    for _ in range(MEASURED_OPENINGS):
        await hub.end(conversation, ev.EndReason.CLOSED)
        started = time.perf_counter()
        conversation = await _join(hub, session_id)
        openings.append((time.perf_counter() - started) * 1000)
    after_open = len(queries)
    first = await _talk(conversation)  # the first turn may have to compact what nobody compacted yet
    times = [await _talk(conversation) for _ in range(MEASURED_TURNS)]
    found = {
        "open_ms": statistics.median(openings),
        "queries": asked,
        "turn_queries": (len(queries) - after_open) / (MEASURED_TURNS + 1),
        "first_turn_ms": first,
        "first_token_ms": statistics.median(times),
        "memory_mib": (process.memory_info().rss - memory) / 2**20,
        "sent_kb": EchoProvider.sent_bytes / 1000,
    }
    await hub.end(conversation, ev.EndReason.CLOSED)
    await hub.shutdown(drain_s=1.0)
    await journal.stop(timeout_s=10)
    return found


def _counted_queries() -> list[str]:
    queries: list[str] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append(sql)
        return execute(sql, params, many, context)

    def wrap(connection: Any, **_: object) -> None:
        if count not in connection.execute_wrappers:  # a connection of the pool is created again and again
            connection.execute_wrappers.append(count)

    connection_created.connect(wrap, weak=False)
    return queries


async def _server() -> tuple[Hub, Journal]:
    loop = asyncio.get_running_loop()
    registered: asyncio.Future[None] = loop.create_future()
    registered.set_result(None)
    journal = Journal(connect_journal, loop)
    journal.start()
    process_id = new_id("proc")
    await in_db_thread(renew_process, process_id=process_id)
    hub = Hub(
        journal=journal,
        process_id=process_id,
        registry=Registry(),
        registered=lambda: asyncio.shield(registered),
    )
    return hub, journal


async def _join(hub: Hub, session_id: str | None) -> Session:
    joined = await hub.join(Tab(), Join(visitor=Visitor(secret_of=session_id or ""), session_id=session_id))
    assert isinstance(joined, Session)
    return joined


async def _talk(conversation: Session) -> float:
    """Milliseconds from a message to the first piece of its answer that a reader is shown."""
    cursor, started = conversation.log.visible_seq, time.perf_counter()
    question = _QUESTION.format(number=0)
    await conversation.do(AddMessage(text=question, respond=True, client_event_id=new_id("client")))
    first_ms = 0.0
    async for records in conversation.follow(cursor):
        for record in records:
            if isinstance(record.event, ev.AssistantDelta) and not first_ms:
                first_ms = (time.perf_counter() - started) * 1000
            if isinstance(record.event, ev.ResponseDone):
                await _settled(conversation)
                return first_ms
    raise AssertionError("the log ended")


async def _settled(conversation: Session) -> None:
    while conversation.answering or conversation.compaction.running:  # noqa: ASYNC110 - nobody tells a stranger of it
        await asyncio.sleep(0.001)


def _prepare() -> None:
    register_provider("echo", EchoProvider)
    settings.CHAT_LLM_MODEL = "echo"
    settings.CHAT_MAX_SESSION_MESSAGES = 1_000_000
    conf.cache_clear()


def main(session_ids: list[str]) -> None:
    _prepare()
    if session_ids:
        print(json.dumps(asyncio.run(measure(session_ids[0]))))
        return
    rows, last = [], {}
    with proxied_database():
        for turns in TURNS:
            for kind in KINDS:
                session_id = write_session(turns)
                if kind == "compacted":
                    in_a_fresh_process(
                        session_id, kind
                    )  # its first turn compacts it, as turns on the way would have
                found = in_a_fresh_process(session_id, kind)
                last[kind] = found
                rows.append(_row(turns, kind, found))
    print(
        table(
            (
                "turns",
                "history",
                "opening",
                "queries",
                "first token",
                "queries a turn",
                "memory",
                "sent to the model",
            ),
            rows,
        )
    )
    print(f"\n{_ratios(last)}")


def _row(turns: int, kind: str, found: dict[str, float]) -> tuple[str, ...]:
    return (
        f"{turns:,}",
        kind,
        f"{found['open_ms']:,.1f} ms",
        f"{found['queries']:.0f}",
        f"{found['first_token_ms']:,.1f} ms",
        f"{found['turn_queries']:.1f}",
        f"{found['memory_mib']:,.1f} MiB",
        f"{found['sent_kb']:,.0f} kB",
    )


def _ratios(last: dict[str, dict[str, float]]) -> str:
    compacted, whole = last["compacted"], last["whole"]
    opening, token = (
        whole["open_ms"] / compacted["open_ms"],
        whole["first_token_ms"] / compacted["first_token_ms"],
    )
    sent = whole["sent_kb"] / compacted["sent_kb"]
    return (
        f"At {TURNS[-1]:,} turns, whole against compacted: opening {opening:.1f} x, first token {token:.1f} x, "
        f"sent to the model {sent:.0f} x."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
