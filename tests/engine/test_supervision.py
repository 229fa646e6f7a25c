"""Background tasks have an owner that hears of their death."""

import asyncio

import pytest

from chat import supervision
from chat.supervision import Tasks
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
