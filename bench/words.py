"""What a very long session costs when it is summed up and when it is taken out as a file: seconds, and memory at its peak.

python -m bench words
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

_SESSION = "a-long-one"
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


def seed(events: int) -> Session:
    open_session(session_id=_SESSION, visitor=Visitor(), process_id="bench", model="instant")
    with connection.cursor() as cursor:
        for first in range(1, events // 4 + 1, _TURNS_AT_ONCE):
            last = min(first + _TURNS_AT_ONCE - 1, events // 4)
            cursor.execute(_SEED, {"session": _SESSION, "first": first, "last": last})
        cursor.execute("ANALYZE session_events")
    Session.objects.filter(pk=_SESSION).update(last_seq=events)
    return Session.objects.get(pk=_SESSION)


def sum_up() -> str:
    parts = parts_of(session_id=_SESSION, max_chars=part_chars("instant"), most=MOST_PARTS)

    Instant.asked = Instant.chars = 0
    with ThreadPoolExecutor(1) as thread:

        async def read(part: SpokenPart) -> str:
            return await asyncio.get_running_loop().run_in_executor(thread, read_part, part)

        asyncio.run(summarise_parts(model="instant", parts=parts, read=read))
        thread.submit(connection.close).result()
    left_out = sum(part for part in parts if isinstance(part, int))
    return f"{Instant.asked} calls, {Instant.chars / 1e6:.1f} million characters read, {left_out:,} entries left out"


def written(session: Session, form: str) -> str:
    length = sum(len(piece) for piece in FORMS[form].one(session))
    return f"{length / 1e6:.0f} MB"


def measured(what: str, work: Callable[[], str]) -> tuple[str, ...]:
    """Once for the time, once for the memory, which tracing makes slow."""
    before = _rss_mb()
    began = time.perf_counter()
    found = work()
    seconds, grown = time.perf_counter() - began, _rss_mb() - before
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return what, found, f"{seconds:.1f} s", f"{peak / 1e6:.1f} MB", f"{grown:.0f} MB"


def _rss_mb() -> float:
    """The most that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--forms", default=",".join(FORMS))
    options = parser.parse_args()
    register_provider("instant", Instant)
    with scratch_database():
        session = seed(options.events)
        rows = [measured("its summary", sum_up)]
        forms = filter(None, options.forms.split(","))
        rows += [measured(f"as .{form}", partial(written, session, form)) for form in forms]
        print(f"A session of {options.events:,} events")
        print(table(("", "", "time", "Python's memory at its peak", "the process grew by"), rows))
        with connection.cursor() as cursor:
            cursor.execute(_ALONE)


if __name__ == "__main__":
    main()
