"""A tool that takes too long or hangs is cut off, and hurts nothing else: no other tool, no session, no shutdown."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from chat.tools.beside import THREADS_PER_TOOL
from chat.tools.registry import Registry
from chat.tools.runner import run_tools
from tests.support.waiting import eventually
from tests.tools.conftest import NOBODY, call


async def test_an_async_tool_that_takes_too_long_is_cancelled(registry: Registry) -> None:
    cancelled = threading.Event()

    @registry.tool(timeout_s=0.05)
    async def dawdle() -> None:
        """Dawdle."""
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    outcome = await call(registry, "dawdle")
    assert outcome.outcome == "error"
    assert outcome.output.startswith("dawdle gave no result within 0.05 seconds. Ask for less")
    assert 50 <= outcome.duration_ms < 5000
    assert await asyncio.to_thread(cancelled.wait, 10)


async def test_an_async_tool_that_ignores_its_cancellation_delays_nobody(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()

    @registry.tool(timeout_s=0.05)
    async def stubborn() -> None:
        """Stay."""
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.to_thread(go_on.wait)
            raise RuntimeError("late") from None

    outcome = await asyncio.wait_for(call(registry, "stubborn"), 10)
    assert outcome.outcome == "error"
    assert "failed after it was cut off" not in caplog.text, "it was waited for"
    go_on.set()

    async def told() -> None:
        assert "tool stubborn failed after it was cut off" in caplog.text

    await eventually(told)


async def test_of_a_cut_off_side_effect_the_model_learns_that_it_is_unknown(registry: Registry) -> None:
    @registry.tool(timeout_s=0.05, side_effects=True)
    async def pay() -> None:
        """Pay."""
        await asyncio.sleep(60)

    outcome = await call(registry, "pay")
    assert "Whether it took effect is unknown: do not repeat it" in outcome.output


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Set at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_sync_tool_that_hangs_keeps_its_own_threads_and_no_others(
    registry: Registry, release: threading.Event
) -> None:
    started: list[int] = []

    @registry.tool(timeout_s=1.0)
    def hang(number: int) -> str:
        """Hang."""
        started.append(number)
        release.wait(60)
        return "done"

    @registry.tool
    def quick() -> str:
        """Answer."""
        return "pong"

    hanging = [
        asyncio.create_task(call(registry, "hang", f'{{"number": {number}}}'))
        for number in range(THREADS_PER_TOOL + 3)
    ]
    await asyncio.sleep(0.05)
    answers = await asyncio.gather(*(call(registry, "quick") for _ in range(50)))
    assert {answer.output for answer in answers} == {"pong"}
    assert not any(task.done() for task in hanging), "the hanging tool delayed another one"

    outcomes = await asyncio.gather(*hanging)
    assert [outcome.outcome for outcome in outcomes] == ["error"] * len(hanging)
    assert [("was not started" in outcome.output) for outcome in outcomes] == [
        number >= THREADS_PER_TOOL for number in range(len(hanging))
    ]
    assert sorted(started) == list(range(THREADS_PER_TOOL)), "a call that was given up ran all the same"

    release.set()
    outcome = await call(registry, "hang", '{"number": 99}')
    assert outcome.output == "done", "the tool does not come back to life"
    assert sorted(started) == [*range(THREADS_PER_TOOL), 99]


async def test_more_calls_than_may_wait_are_refused_at_once(
    registry: Registry, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.tools.beside.MAX_WAITING_PER_TOOL", 2)

    @registry.tool
    def hang() -> str:
        """Hang."""
        release.wait(60)
        return "done"

    calls = [asyncio.create_task(call(registry, "hang")) for _ in range(THREADS_PER_TOOL + 3)]
    done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result().output for task in done] == [
        "Too many calls of this tool wait already. Try again later."
    ]
    release.set()
    assert {outcome.output for outcome in await asyncio.gather(*waiting)} == {"done"}


async def test_a_call_that_was_given_up_keeps_no_place_in_the_line(
    registry: Registry, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.tools.beside.MAX_WAITING_PER_TOOL", 1)

    @registry.tool(timeout_s=0.05)
    def hang() -> None:
        """Hang."""
        release.wait(60)

    await asyncio.gather(*(call(registry, "hang") for _ in range(THREADS_PER_TOOL)))
    for _ in range(3):
        assert "was not started" in (await call(registry, "hang")).output
        await asyncio.sleep(0.01)  # its cancellation is on the way


@pytest.mark.django_db(transaction=True)
def test_a_sync_tool_gives_its_connection_back_to_the_pool(registry: Registry) -> None:
    """Far more calls than the pool has connections, half of them failing."""

    @registry.tool
    def query(fail: bool) -> int:
        """Query."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / %s", [0 if fail else 1])
            return int(cursor.fetchone()[0])

    connection.close()  # this thread's own
    pool = connection.pool  # type: ignore[attr-defined]  # of the PostgreSQL backend
    calls = [("query", f'{{"fail": {"true" if number % 2 else "false"}}}', NOBODY) for number in range(60)]

    async def all_back() -> None:  # the pool's own worker takes them in
        assert pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"]

    async def run() -> dict[int, str]:
        outcomes = {index: str(outcome.outcome) async for index, outcome in run_tools(registry, calls)}
        await eventually(all_back, timeout_s=5)
        return outcomes

    assert asyncio.run(run()) == {index: "error" if index % 2 else "ok" for index in range(60)}
    assert pool.get_stats().get("requests_errors", 0) == 0


def test_a_process_ends_while_a_tool_hangs(tmp_path: Path) -> None:
    program = tmp_path / "hang.py"
    program.write_text(
        "import asyncio, time, django\n"
        "django.setup()\n"
        "from chat.tools.base import ToolContext\n"
        "from chat.tools.registry import Registry\n"
        "from chat.tools.runner import run_tool\n"
        "registry = Registry()\n"
        "@registry.tool(timeout_s=0.1)\n"
        "def hang() -> None:\n"
        "    'Hang.'\n"
        "    time.sleep(3600)\n"
        "context = ToolContext(session_id='s', call_id='c')\n"
        "print(asyncio.run(run_tool(registry, name='hang', arguments='', context=context)).outcome)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(program)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "error\n", "")


async def test_cancelling_the_call_cancels_an_async_tool(registry: Registry) -> None:
    started, cancelled = threading.Event(), threading.Event()

    @registry.tool
    async def dawdle() -> None:
        """Dawdle."""
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    task = asyncio.create_task(call(registry, "dawdle"))
    assert await asyncio.to_thread(started.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(cancelled.wait, 10)


async def test_cancelling_the_call_does_not_wait_for_a_thread(
    registry: Registry, release: threading.Event
) -> None:
    started = threading.Event()

    @registry.tool
    def hang() -> None:
        """Hang."""
        started.set()
        release.wait(60)

    task = asyncio.create_task(call(registry, "hang"))
    await asyncio.to_thread(started.wait, 5)
    before = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - before < 0.5
