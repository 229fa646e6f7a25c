"""Whatever a tool does, the model gets an answer and nothing else is hurt."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.utils.translation import gettext_lazy

from chat.errors import ToolError
from chat.tools.base import ToolContext, ToolOutcome
from chat.tools.registry import Registry
from chat.tools.runner import MAX_CONCURRENT, run_tool, run_tools
from chat.tools.threads import THREADS_PER_TOOL
from tests.support.waiting import eventually
from tests.tools.conftest import NOBODY

SECRET = "sk-very-secret"


async def call(registry: Registry, name: str, arguments: str = "{}") -> ToolOutcome:
    return await run_tool(registry, name=name, arguments=arguments, context=NOBODY)


@dataclass
class Parcel:
    weight_kg: Decimal
    sent: date


# What the model sends


@pytest.fixture
def shop(registry: Registry) -> Registry:
    @registry.tool
    def order(article: str, pieces: int = 1) -> str:
        """Order something."""
        return f"{pieces} x {article}"

    @registry.tool(staff_only=True)
    def fire(name: str) -> str:
        """Fire somebody."""
        return f"{name} is fired"

    return registry


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{", "not valid JSON"),
        ("[1]", "Expected `object`, got `array`"),
        ("{}", "missing required field `article`"),
        ('{"article": "pen", "colour": "red"}', "unknown field `colour`"),
        ('{"article": 5}', "Expected `str`, got `int` - at `$.article`"),
        ('{"article": "pen", "pieces": "many"}', "Expected `int`, got `str` - at `$.pieces`"),
        ('{"article": "\\ud800"}', "not valid JSON"),
        ("\ud800", "not valid JSON"),
    ],
)
async def test_wrong_arguments_name_the_field_and_what_was_expected(
    shop: Registry, arguments: str, words: str
) -> None:
    outcome = await call(shop, "order", arguments)
    assert outcome.outcome == "error"
    assert words in outcome.output
    assert "Expected: an object with article: string; pieces: integer, optional." in outcome.output


async def test_arguments_nested_without_end_are_an_error(registry: Registry) -> None:
    @registry.tool
    def take(anything: dict[str, Any]) -> None:
        """Take."""

    outcome = await call(registry, "take", '{"anything":' + '{"a":' * 100_000)
    assert "they are not valid JSON: maximum recursion depth" in outcome.output


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ('{"article": "pen"}', "1 x pen"),
        ('{"article": "pen", "pieces": 2}', "2 x pen"),
        ('{"article": "pen", "pieces": "3"}', "3 x pen"),
        ('{"article": "pen", "pieces": 4.0}', "4 x pen"),
        ('{"article": "5"}', "1 x 5"),
    ],
)
async def test_arguments_that_are_plain_in_meaning_are_taken(
    shop: Registry, arguments: str, output: str
) -> None:
    outcome = await call(shop, "order", arguments)
    assert (outcome.outcome, outcome.output) == ("ok", output)


async def test_no_arguments_at_all_are_an_empty_object(registry: Registry) -> None:
    @registry.tool
    def ping() -> str:
        """Answer."""
        return "pong"

    assert (await call(registry, "ping", "")).output == "pong"


async def test_an_unknown_tool_is_answered_with_those_that_there_are(shop: Registry) -> None:
    outcome = await call(shop, "oder")
    assert (outcome.outcome, outcome.output) == ("error", "There is no tool 'oder'. The tools are: order.")


async def test_a_staff_tool_does_not_exist_for_others(shop: Registry) -> None:
    outcome = await call(shop, "fire", '{"name": "Ann"}')
    assert (outcome.outcome, outcome.output) == ("error", "There is no tool 'fire'. The tools are: order.")
    staff = ToolContext(session_id="s1", call_id="call_1", user_id=1, is_staff=True)
    outcome = await run_tool(shop, name="fire", arguments='{"name": "Ann"}', context=staff)
    assert outcome.output == "Ann is fired"


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_tool_knows_who_calls(registry: Registry, kind: str) -> None:
    def whoami(context: ToolContext) -> str:
        """Say it."""
        return f"{context.session_id} {context.call_id} {context.guest_id}"

    async def whoami_async(context: ToolContext) -> str:
        """Say it."""
        return whoami(context)

    registry.tool(name="whoami")(whoami if kind == "sync" else whoami_async)
    context = ToolContext(session_id="s7", call_id="call_9", guest_id="g1")
    outcome = await run_tool(registry, name="whoami", arguments="{}", context=context)
    assert outcome.output == "s7 call_9 g1"
    outcome = await run_tool(registry, name="whoami", arguments='{"context": {}}', context=context)
    assert "unknown field `context`" in outcome.output


# What the tool gives back


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, "null"),
        (42, "42"),
        ({"a": [1, True, None]}, '{"a":[1,true,null]}'),
        (Parcel(Decimal("1.50"), date(2026, 5, 1)), '{"weight_kg":"1.50","sent":"2026-05-01"}'),
        ({"lazy": gettext_lazy("translated")}, '{"lazy":"translated"}'),
        ("nul \x00 and \ud800", "nul  and ?"),
    ],
)
async def test_text_stays_text_and_all_else_becomes_json(
    registry: Registry, result: Any, output: str
) -> None:
    @registry.tool
    def give() -> Any:
        """Give."""
        return result

    outcome = await call(registry, "give")
    assert (outcome.outcome, outcome.output) == ("ok", output)


def _cycle() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


@pytest.mark.parametrize(
    "result", [object(), {"x": threading.Lock()}, _cycle(), {(1, 2): 3}, {"bad": "\ud800"}, lambda: 1]
)
async def test_a_result_that_is_not_json_is_a_clear_error(
    registry: Registry, result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @registry.tool
    def give() -> Any:
        """Give."""
        return result

    outcome = await call(registry, "give")
    assert outcome.outcome == "error"
    assert "gave a result that cannot be passed on" in outcome.output
    assert "tool give gave a result that is not JSON" in caplog.text
    assert "session s1, call call_1" in caplog.text


@pytest.mark.parametrize("result", ["x" * 10_000_000, ["y" * 1000] * 10_000], ids=["text", "json"])
async def test_a_result_of_ten_megabytes_is_cut_and_says_so(
    registry: Registry, result: Any, settings: Any
) -> None:
    @registry.tool
    def give() -> Any:
        """Give."""
        return result

    settings.CHAT_TOOL_OUTPUT_CHARS = 2_000
    whole = result if isinstance(result, str) else msgspec.json.encode(result).decode()
    outcome = await call(registry, "give")
    text, _, note = outcome.output.rpartition("\n")
    assert outcome.outcome == "ok"
    assert len(outcome.output) == 2_000
    assert whole.startswith(text)
    assert note == f"[Cut: this is the beginning of a result of {len(whole)} characters. Ask for less.]"


# What goes wrong in a tool


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_tool_error_is_said_to_the_model(registry: Registry, kind: str) -> None:
    def give() -> None:
        """Give."""
        raise ToolError("Article 7 is sold out. Ask for another.")

    async def give_async() -> None:
        """Give."""
        give()

    registry.tool(name="give")(give if kind == "sync" else give_async)
    outcome = await call(registry, "give")
    assert (outcome.outcome, outcome.output) == ("error", "Article 7 is sold out. Ask for another.")


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        KeyError(SECRET),
        StopIteration(SECRET),
        SystemExit(SECRET),
        asyncio.CancelledError(SECRET),
        RecursionError(SECRET),
        TimeoutError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_any_other_error_is_for_the_log_alone(
    registry: Registry, kind: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def give() -> None:
        """Give."""
        raise error

    async def give_async() -> None:
        """Give."""
        raise error

    registry.tool(name="give")(give if kind == "sync" else give_async)
    outcome = await call(registry, "give")
    assert outcome.outcome == "error"
    assert outcome.output.startswith("give failed. This is a fault of the server's")
    assert "tool give failed (session s1, call call_1)" in caplog.text
    if not (kind == "async" and isinstance(error, asyncio.CancelledError)):
        assert SECRET in caplog.text


@pytest.mark.parametrize("error", [GeneratorExit, KeyboardInterrupt])
async def test_a_thread_hands_no_exception_to_the_event_loop_that_would_end_it(
    registry: Registry, error: type[BaseException]
) -> None:
    @registry.tool
    def give() -> None:
        """Give."""
        raise error

    assert (await call(registry, "give")).outcome == "error"


# Time


async def test_an_async_tool_that_takes_too_long_is_cancelled(registry: Registry) -> None:
    cancelled = asyncio.Event()

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
    await asyncio.wait_for(cancelled.wait(), 1)


async def test_an_async_tool_that_ignores_its_cancellation_delays_nobody(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = asyncio.Event()

    @registry.tool(timeout_s=0.05)
    async def stubborn() -> None:
        """Stay."""
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await go_on.wait()
            raise RuntimeError("late") from None

    outcome = await asyncio.wait_for(call(registry, "stubborn"), 1)
    assert outcome.outcome == "error"
    go_on.set()
    await asyncio.sleep(0.01)
    assert "a tool failed after it was cut off" in caplog.text


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
    monkeypatch.setattr("chat.tools.threads.MAX_WAITING_PER_TOOL", 2)

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


@pytest.mark.django_db(transaction=True)
async def test_a_sync_tool_gives_its_connection_back_to_the_pool(registry: Registry) -> None:
    """Far more calls than the pool has connections, half of them failing."""

    @registry.tool
    def query(fail: bool) -> int:
        """Query."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / %s", [0 if fail else 1])
            return int(cursor.fetchone()[0])

    calls = [("query", f'{{"fail": {"true" if number % 2 else "false"}}}', NOBODY) for number in range(60)]
    outcomes = {index: outcome.outcome async for index, outcome in run_tools(registry, calls)}
    assert [outcomes[index] for index in range(60)] == ["ok", "error"] * 30
    pool = connection.pool  # type: ignore[attr-defined]  # of the PostgreSQL backend

    async def all_back() -> None:  # the pool's own worker takes them in
        assert pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"]

    await eventually(all_back, timeout_s=5)
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


# Cancellation


async def test_cancelling_the_call_cancels_an_async_tool(registry: Registry) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

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
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cancelled.wait(), 1)


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


# Several calls


@pytest.fixture
def sleeping(registry: Registry) -> tuple[Registry, list[int], list[str]]:
    """A registry with ``nap``, how many naps run at each start, and the naps that were cancelled."""
    running: set[str] = set()
    at_once: list[int] = []
    cancelled: list[str] = []

    @registry.tool
    async def nap(name: str, seconds: float) -> str:
        """Sleep."""
        running.add(name)
        at_once.append(len(running))
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            cancelled.append(name)
            raise
        finally:
            running.discard(name)
        return name

    return registry, at_once, cancelled


def _nap(name: str, seconds: float) -> tuple[str, str, ToolContext]:
    return "nap", msgspec.json.encode({"name": name, "seconds": seconds}).decode(), NOBODY


async def test_calls_run_side_by_side_and_each_outcome_comes_when_it_is_there(
    sleeping: tuple[Registry, list[int], list[str]],
) -> None:
    registry, at_once, _ = sleeping
    calls = [_nap("slow", 0.4), _nap("quick", 0.0), ("nap", "{", NOBODY), _nap("middle", 0.2)]
    found = [(index, outcome.outcome) async for index, outcome in run_tools(registry, calls)]
    assert sorted(found[:2]) == [(1, "ok"), (2, "error")]
    assert found[2:] == [(3, "ok"), (0, "ok")]
    assert max(at_once) == 3


async def test_no_calls_give_no_outcomes(registry: Registry) -> None:
    assert [outcome async for outcome in run_tools(registry, [])] == []


async def test_at_most_so_many_calls_run_at_once(sleeping: tuple[Registry, list[int], list[str]]) -> None:
    registry, at_once, _ = sleeping
    calls = [_nap(str(number), 0.01) for number in range(MAX_CONCURRENT * 2 + 1)]
    found = {index: outcome.output async for index, outcome in run_tools(registry, calls)}
    assert found == {number: str(number) for number in range(len(calls))}
    assert max(at_once) == MAX_CONCURRENT


async def test_closing_the_iterator_stops_what_still_runs(
    sleeping: tuple[Registry, list[int], list[str]],
) -> None:
    registry, _, cancelled = sleeping
    async with aclosing(
        run_tools(registry, [_nap("quick", 0), _nap("slow", 60), _nap("slow too", 60)])
    ) as found:
        async for index, _outcome in found:
            assert index == 0
            break
    await asyncio.sleep(0.01)
    assert sorted(cancelled) == ["slow", "slow too"]


async def test_cancelling_the_reader_stops_all_calls(sleeping: tuple[Registry, list[int], list[str]]) -> None:
    registry, at_once, cancelled = sleeping

    async def read() -> None:
        async for _ in run_tools(registry, [_nap("a", 60), _nap("b", 60)]):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.02)
    assert len(at_once) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.01)
    assert sorted(cancelled) == ["a", "b"]


def test_the_log_says_more_than_the_model_is_told(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    @registry.tool
    def give() -> None:
        """Give."""
        raise RuntimeError(SECRET)

    with caplog.at_level(logging.ERROR, "chat.tools.runner"):
        outcome = asyncio.run(call(registry, "give"))
    assert "Traceback" in caplog.text
    assert "Traceback" not in outcome.output
    assert SECRET not in outcome.output
