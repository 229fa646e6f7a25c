"""What a tool may say of itself: approval, idempotency, how many at once, how much it may say."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chat.llm.provider import JSON
from chat.tools.base import Tool, ToolContext, ToolDefinitionError
from chat.tools.permissions import needs_approval
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from chat.tools.schema import make_tool
from tests.support.waiting import eventually
from tests.tools.conftest import NOBODY, call


def pay(amount: int) -> str:
    """Pay."""
    return f"{amount} paid"


async def asked(tool: Tool, arguments: str = '{"amount": 5}') -> bool:
    return await needs_approval(tool, arguments=arguments, context=NOBODY)


@pytest.mark.parametrize("answer", [True, False])
async def test_approval_is_needed_or_not(answer: bool) -> None:
    assert await asked(make_tool(pay, requires_approval=answer)) is answer


def much(context: ToolContext, arguments: JSON) -> bool:
    return bool(arguments["amount"] > 100)


async def much_async(context: ToolContext, arguments: JSON) -> bool:
    return much(context, arguments)


@pytest.mark.parametrize("rule", [much, much_async])
async def test_approval_may_depend_on_the_arguments(rule: Callable[[ToolContext, JSON], bool]) -> None:
    tool = make_tool(pay, requires_approval=rule)
    assert await asked(tool, '{"amount": 101}')
    assert not await asked(tool, '{"amount": 100}')


async def test_without_its_yes_it_does_not_run_whoever_let_the_call_come_so_far(registry: Registry) -> None:
    ran: list[int] = []

    def pay_out(amount: int) -> str:
        """Pay it out."""
        ran.append(amount)
        return "paid"

    registry.tool(requires_approval=lambda _context, arguments: arguments["amount"] > 10)(pay_out)

    async def run(amount: int, *, approved: bool) -> str:
        context = replace(NOBODY, approved=approved)
        arguments = f'{{"amount": {amount}}}'
        return (await run_tool(registry, name="pay_out", arguments=arguments, context=context)).output

    assert "approval" in await run(11, approved=False)
    assert ran == []
    assert await run(11, approved=True) == "paid"
    assert await run(10, approved=False) == "paid"
    assert ran == [11, 10]


async def test_a_rule_that_fails_asks_for_approval(caplog: pytest.LogCaptureFixture) -> None:
    def fails(context: ToolContext, arguments: JSON) -> bool:
        raise RuntimeError("no idea")

    assert await asked(make_tool(pay, requires_approval=fails))
    assert "tool pay: the rule for its approval failed" in caplog.text


@pytest.mark.parametrize("arguments", ["{", "[]", "{}", '{"amount": "much"}'])
async def test_nobody_is_asked_about_a_call_with_wrong_arguments(arguments: str) -> None:
    assert not await asked(make_tool(pay, requires_approval=True), arguments)


async def test_nobody_is_asked_about_a_call_that_the_person_may_not_make() -> None:
    assert not await asked(make_tool(pay, requires_approval=True, allow=lambda context: False))


def test_the_idempotency_key_is_one_for_each_call_of_each_session() -> None:
    def key(session_id: str, call_id: str, **more: Any) -> str:
        return ToolContext(session_id=session_id, call_id=call_id, **more).idempotency_key

    keys = [key("a", "1"), key("a", "2"), key("b", "1"), key("a\n1", ""), key("a", "\n1")]
    assert len({*keys}) == len(keys)
    assert key("a", "1", user_id=7, is_staff=True) == keys[0], "who calls does not matter"
    assert all(len(one) == 37 for one in keys)


async def test_a_tool_has_its_own_limit_of_what_it_says(registry: Registry) -> None:
    @registry.tool(max_output_chars=200)
    def speak() -> str:
        """Speak."""
        return "x" * 300

    outcome = await call(registry, "speak")
    assert len(outcome.output) <= 200
    kept = outcome.output.count("x")
    assert kept > 50
    assert f"these are the first {kept} of 300 characters" in outcome.output


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_so_many_calls_at_once_and_the_others_wait(registry: Registry, kind: str) -> None:
    release = threading.Event()
    started: list[int] = []

    def work(number: int) -> int:
        """Work."""
        started.append(number)
        release.wait(30)
        return number

    async def work_async(number: int) -> int:
        """Work."""
        started.append(number)
        await asyncio.to_thread(release.wait, 30)
        return number

    registry.tool(name="work", max_concurrent=2)(work if kind == "sync" else work_async)
    calls = [asyncio.create_task(call(registry, "work", f'{{"number": {one}}}')) for one in range(5)]

    async def two_run() -> None:
        assert len(started) == 2

    await eventually(two_run)
    await asyncio.sleep(0.1)
    assert len(started) == 2
    release.set()
    outcomes = await asyncio.gather(*calls)
    assert [outcome.output for outcome in outcomes] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_who_gets_no_place_in_time_learns_that_nothing_was_done(registry: Registry, kind: str) -> None:
    release = threading.Event()
    runs: list[str] = []

    def work() -> None:
        """Work."""
        runs.append("run")
        release.wait(30)

    async def work_async() -> None:
        """Work."""
        runs.append("run")
        while not release.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)

    options: dict[str, Any] = {"max_concurrent": 1, "timeout_s": 0.3, "side_effects": True}
    registry.tool(name="work", **options)(work if kind == "sync" else work_async)
    first, second = await asyncio.gather(call(registry, "work"), call(registry, "work"))
    said = sorted(outcome.output for outcome in (first, second))
    assert "gave no result within 0.3 seconds. Whether it took effect is unknown" in said[0]
    assert "was not started" in said[1]
    assert runs == ["run"]
    release.set()


@pytest.mark.parametrize("option", ["timeout_s", "max_concurrent", "max_output_chars"])
def test_a_limit_is_more_than_nothing(option: str) -> None:
    options: dict[str, Any] = {option: 0}
    with pytest.raises(ToolDefinitionError, match=f"{option} has to be more than 0"):
        make_tool(pay, **options)
