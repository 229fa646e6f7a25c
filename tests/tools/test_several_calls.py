"""The calls of one model round run side by side."""

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from chat.tools.runner import MAX_CONCURRENT, run_tools
from tests.support.waiting import eventually
from tests.tools.conftest import NOBODY


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
    assert max(at_once) >= 2


async def test_no_calls_give_no_outcomes(registry: Registry) -> None:
    assert [outcome async for outcome in run_tools(registry, [])] == []


async def test_at_most_so_many_calls_run_at_once(sleeping: tuple[Registry, list[int], list[str]]) -> None:
    registry, at_once, _ = sleeping
    calls = [_nap(str(number), 0.01) for number in range(MAX_CONCURRENT * 2 + 1)]
    found = {index: outcome.output async for index, outcome in run_tools(registry, calls)}
    assert found == {number: str(number) for number in range(len(calls))}
    assert max(at_once) == MAX_CONCURRENT


async def _are(seen: list[Any], number: int) -> None:
    assert len(seen) == number, seen


async def test_closing_the_iterator_stops_what_still_runs(
    sleeping: tuple[Registry, list[int], list[str]],
) -> None:
    registry, at_once, cancelled = sleeping
    calls = [_nap("quick", 0), _nap("slow", 60), _nap("slow too", 60)]
    async with asyncio.timeout(5), aclosing(run_tools(registry, calls)) as found:
        async for index, _outcome in found:
            assert index == 0
            await eventually(lambda: _are(at_once, 3))  # a call that has not begun is not cut off
            break
    await eventually(lambda: _are(cancelled, 2))
    assert sorted(cancelled) == ["slow", "slow too"]


async def test_cancelling_the_reader_stops_all_calls(sleeping: tuple[Registry, list[int], list[str]]) -> None:
    registry, at_once, cancelled = sleeping

    async def read() -> None:
        async for _ in run_tools(registry, [_nap("a", 60), _nap("b", 60)]):
            pass

    task = asyncio.create_task(read())
    await eventually(lambda: _are(at_once, 2))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    await eventually(lambda: _are(cancelled, 2))
    assert sorted(cancelled) == ["a", "b"]
