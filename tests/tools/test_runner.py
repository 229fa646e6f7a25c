"""Whatever a tool does, the model gets an answer and nothing else is hurt."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import wraps
from typing import Any

import msgspec
import pytest
from django.utils.translation import gettext_lazy

from chat.errors import ToolError
from chat.tools.asking import question
from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from tests.tools.conftest import call

SECRET = "sk-very-secret"


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


async def test_an_async_tool_in_a_plain_decorator_is_awaited(registry: Registry) -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    cancelled = asyncio.Event()

    @registry.tool
    @logged
    async def double(number: int) -> int:
        """Twice as much."""
        await asyncio.sleep(0)
        return 2 * number

    @registry.tool(timeout_s=0.2)
    @logged
    async def hang() -> None:
        """Never answers."""
        try:
            await asyncio.Event().wait()
        finally:
            loop.call_soon_threadsafe(cancelled.set)

    @registry.tool(asks=logged(_asks))
    @logged
    async def fail() -> None:
        """Fails."""
        raise ToolError("13 is out of stock.")

    loop = asyncio.get_running_loop()
    assert (await call(registry, "double", '{"number": 4}')).output == "8"
    assert (await call(registry, "fail")).output == "13 is out of stock."
    assert "gave no result within 0.2 seconds" in (await call(registry, "hang")).output
    await asyncio.wait_for(cancelled.wait(), 30)
    tool = registry.get("fail")
    assert tool
    assert await question(tool, arguments="{}") == "Shall it fail?"


async def _asks(_given: dict[str, Any]) -> str:
    return "Shall it fail?"


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
    assert 1_900 < len(outcome.output) <= 2_000
    assert whole.startswith(text)
    assert note.startswith(f"[Cut: these are the first {len(text)} of {len(whole)} characters;")


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
        KeyboardInterrupt(SECRET),
        GeneratorExit(SECRET),
        MemoryError(SECRET),
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
    assert SECRET not in outcome.output
    assert "Traceback" in caplog.text
    assert "Traceback" not in outcome.output
    assert "tool give failed (session s1, call call_1)" in caplog.text
    assert SECRET in caplog.text
