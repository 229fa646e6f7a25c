"""What a very long session costs when it is summed up and when it is taken out as a file: seconds, and memory at its peak.

    python -m bench words

The longest one is only taken out, untraced: tracing Python's memory takes several times as long. It comes first, so that
what the process grows by is its own.
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import resource
import time
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from django.db import connection

from bench.support import scratch_database, table
from chat.jobs.summary import MOST_PARTS, part_chars, summarise_parts
from chat.llm.catalog import register_provider
from chat.llm.provider import Completed, FinishReason, ModelEvent, ModelRequest, Provider, TextDelta, text_of
from sessions_app.log.lifecycle import Visitor, open_session
from sessions_app.log.spoken import SpokenPart, parts_of, read_part
from sessions_app.models import Session
from sessions_app.review.forms import FORMS

_LONG, _LONGEST = "a-long-one", "the-longest-one"
_ALONE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_TURNS_AT_ONCE = 2_000
_SEED = """
INSERT INTO session_events (session_id, first_seq, seq, role, event_type, content, payload, created_at)
SELECT %(session)s, seq, seq, role, event_type, content, payload::jsonb, now()
FROM generate_series(%(first)s, %(last)s) AS turn, LATERAL (VALUES
    (turn * 4 - 3, 'user', 'user_message', 'Question ' || turn || ': ' || repeat('why is that so? ', 8),
     format('{"item_id": "u%%s"}', turn)),
    (turn * 4 - 2, 'assistant', 'response_started', NULL,
     format('{"response_id": "r%%s", "provider": "demo", "model": "demo", "input_item_ids": ["u%%s"]}', turn, turn)),
    (turn * 4 - 1, 'assistant', 'assistant_message', 'Answer ' || turn || ': ' || repeat('because it is. ', 16),
     format('{"item_id": "a%%s", "response_id": "r%%s", "output_index": 0}', turn, turn)),
    (turn * 4, 'assistant', 'response_done', NULL, format('{"response_id": "r%%s", "status": "completed"}', turn))
) AS made (seq, role, event_type, content, payload)
"""


class Instant(Provider):
    """Says next to nothing, and counts what it was sent."""

    name = "instant"
    asked = 0
    chars = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        Instant.asked += 1
        Instant.chars += sum(len(text_of(item)) for item in request.history)
        yield TextDelta(
            "They talked. " * 100 if request.answer_schema is None else '{"summary": "They talked."}'
        )
        yield Completed(FinishReason.STOP)


def seed(session_id: str, events: int) -> Session:
    open_session(session_id=session_id, visitor=Visitor(), process_id="bench", model="instant")
    with connection.cursor() as cursor:
        for first in range(1, events // 4 + 1, _TURNS_AT_ONCE):
            last = min(first + _TURNS_AT_ONCE - 1, events // 4)
            cursor.execute(_SEED, {"session": session_id, "first": first, "last": last})
        cursor.execute("ANALYZE session_events")
    Session.objects.filter(pk=session_id).update(last_seq=events)
    return Session.objects.get(pk=session_id)


def close() -> None:
    """That of the thread that calls it."""
    connection.close()


def sum_up() -> str:
    parts = parts_of(session_id=_LONG, max_chars=part_chars("instant"), most=MOST_PARTS)

    Instant.asked = Instant.chars = 0
    with ThreadPoolExecutor(1) as thread:

        async def read(part: SpokenPart) -> str:
            return await asyncio.get_running_loop().run_in_executor(thread, read_part, part)

        asyncio.run(summarise_parts(model="instant", parts=parts, read=read))
        thread.submit(close).result()
    left_out = sum(part for part in parts if isinstance(part, int))
    return f"{Instant.asked} calls, {Instant.chars / 1e6:.1f} million characters read, {left_out:,} entries left out"


def written(session: Session, form: str) -> str:
    length = sum(len(piece) for piece in FORMS[form].one(session))
    return f"{length / 1e6:.0f} MB"


def measured(what: str, work: Callable[[], str]) -> tuple[str, ...]:
    """Once for the time, once for the memory, which tracing makes slow."""
    row = timed(what, work)
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return *row, f"{peak / 1e6:.1f} MB"


def timed(what: str, work: Callable[[], str]) -> tuple[str, ...]:
    before = _rss_mb()
    began = time.perf_counter()
    found = work()
    return what, found, f"{time.perf_counter() - began:.1f} s", f"{_rss_mb() - before:.0f} MB"


def _rss_mb() -> float:
    """The most that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--longest", type=int, default=1_000_000, help="events that are only taken out")
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--longest-forms", default="md,ndjson", help="by default the slowest and the largest")
    options = parser.parse_args()
    forms, of_longest = (filter(None, one.split(",")) for one in (options.forms, options.longest_forms))
    head = ("", "", "time", "the process grew by")
    register_provider("instant", Instant)
    with scratch_database():
        session = seed(_LONGEST, options.longest)
        rows = [timed(f"as .{form}", partial(written, session, form)) for form in of_longest]
        print(f"A session of {options.longest:,} events\n\n{table(head, rows)}\n", flush=True)

        session = seed(_LONG, options.events)
        rows = [measured("its summary", sum_up)]
        rows += [measured(f"as .{form}", partial(written, session, form)) for form in forms]
        print(f"A session of {options.events:,} events\n")
        print(table((*head, "Python's memory at its peak"), rows))
        with connection.cursor() as cursor:
            cursor.execute(_ALONE)


if __name__ == "__main__":
    main()
