"""Background tasks have an owner that hears of their death."""

import asyncio

import pytest

from chat import supervision
from chat.supervision import Held, Tasks, within
from tests.support.waiting import eventually


@pytest.fixture
async def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    monkeypatch.setattr(supervision, "_AGAIN_SECONDS", 0.0)
    return Tasks()


async def test_a_loop_that_dies_or_ends_is_begun_anew(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise ValueError("bang")
        if begun == 3:
            await asyncio.Event().wait()

    task = tasks.keep(work, name="the loop")

    async def waits() -> None:
        assert begun == 3

    await eventually(waits)
    [record] = caplog.records
    assert record.getMessage().startswith("the loop died")
    assert record.exc_info
    assert str(record.exc_info[1]) == "bang"
    tasks.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_dies_is_told_by_its_name(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ValueError("bang")

    await asyncio.wait([tasks.spawn(work(), name="the errand")])
    await asyncio.sleep(0)
    [record] = caplog.records
    assert record.getMessage() == "the errand died"
    assert record.exc_info
    assert str(record.exc_info[1]) == "bang"


async def test_a_task_that_is_cancelled_has_not_died(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    task = tasks.spawn(asyncio.Event().wait(), name="the errand")
    await asyncio.sleep(0)
    tasks.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert caplog.records == []


async def test_what_need_not_wait_makes_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda delay, *_: made.append(delay))
    monkeypatch.setattr(asyncio.get_running_loop(), "call_at", lambda when, *_: made.append(when))

    async def at_once() -> int:
        return 7

    assert await within(5.0, at_once()) == 7
    assert made == []


async def test_what_waits_is_waited_for_and_keeps_its_result_and_its_error() -> None:
    waited_for: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def twice() -> int:
        await asyncio.sleep(0.01)
        return await waited_for + await asyncio.sleep(0.01, 1)

    asyncio.get_running_loop().call_later(0.03, waited_for.set_result, 41)
    assert await within(5.0, twice()) == 42

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await within(5.0, fails())


async def test_what_waits_too_long_is_cut_off_and_so_is_what_its_task_is_cancelled_over() -> None:
    ended: list[str] = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    with pytest.raises(TimeoutError):
        await within(0.01, never())
    task = asyncio.create_task(within(60.0, never()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cleaned up"] * 2


def test_what_is_held_is_given_back_once_the_last_first_and_a_failure_keeps_none_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given: list[str] = []

    def fails() -> None:
        raise RuntimeError("a fault of ours")

    held = Held()
    held.callback(given.append, "first")
    held.callback(fails)
    held.callback(given.append, "last")
    held.close()
    held.close()
    assert given == ["last", "first"]
    assert "could not be given back" in caplog.text
