"""Bounded waits under one timer: as `asyncio.timeout`, without a timer for each."""

import asyncio
from typing import Any

import pytest

from chat.llm.watchdog import Watchdog

SOON_S = 0.02
LONG_S = 60.0


def at(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_what_comes_in_time_is_given() -> None:
    watchdog = Watchdog()
    assert await watchdog.wait(asyncio.sleep(0, "here"), at(LONG_S)) == "here"
    watchdog.close()


async def test_what_does_not_is_cancelled_and_told() -> None:
    watchdog, work = Watchdog(), asyncio.ensure_future(asyncio.Event().wait())
    with pytest.raises(TimeoutError):
        await watchdog.wait(work, at(SOON_S))
    assert work.cancelled()
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_a_later_wait_has_its_own_time() -> None:
    """The timer rings for one that is over long since."""
    watchdog = Watchdog()
    await watchdog.wait(asyncio.sleep(0), at(SOON_S))
    assert await watchdog.wait(asyncio.sleep(4 * SOON_S, "late"), at(LONG_S)) == "late"
    with pytest.raises(TimeoutError):
        await watchdog.wait(asyncio.Event().wait(), at(SOON_S))


async def test_an_end_from_outside_stays_one() -> None:
    watchdog = Watchdog()
    task = asyncio.create_task(watchdog.wait(asyncio.Event().wait(), at(LONG_S)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    watchdog.close()


async def test_many_waits_make_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, made = asyncio.get_running_loop(), 0
    call_at = loop.call_at

    def counted(*args: Any, **more: Any) -> asyncio.TimerHandle:
        nonlocal made
        made += 1
        return call_at(*args, **more)

    monkeypatch.setattr(loop, "call_at", counted)
    watchdog = Watchdog()
    for _ in range(100):
        await watchdog.wait(asyncio.sleep(0), at(LONG_S))
    assert made == 1
    watchdog.close()


async def test_who_has_gone_is_not_held_by_the_timer() -> None:
    watchdog = Watchdog()
    await watchdog.wait(asyncio.sleep(0), at(LONG_S))
    timer = watchdog._timer
    watchdog.close()
    assert timer is not None
    assert timer.cancelled()
