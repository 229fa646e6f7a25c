"""One runtime a process: whoever asks for it while it starts, when it could not be started, and when it stops."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from chat.errors import ShuttingDown
from chat.runtime import runtime, shutdown, startup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def nobody_serves() -> AsyncIterator[None]:
    yield
    await shutdown()


async def test_whoever_asks_while_it_starts_gets_it_when_it_serves_though_the_first_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, may_go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        may_go_on.wait(30)

    monkeypatch.setattr("chat.runtime.preload", slow)
    first = asyncio.create_task(runtime())
    await asyncio.to_thread(begun.wait, 30)
    second = asyncio.create_task(runtime())
    first.cancel()
    done, _ = await asyncio.wait([second], timeout=0.2)
    may_go_on.set()
    server = await second
    assert (done, server.serves) == (set(), True)
    assert await runtime() is server


async def test_what_could_not_be_started_is_started_by_whoever_asks_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise ValueError("no such model")

    with monkeypatch.context() as patch:
        patch.setattr("chat.runtime.preload", broken)
        told = await asyncio.gather(runtime(), runtime(), return_exceptions=True)
    assert [str(one) for one in told] == ["no such model"] * 2
    assert (await runtime()).serves


async def test_where_a_server_stops_nobody_begins_another_one_by_asking() -> None:
    server = await runtime()
    stopping = asyncio.create_task(shutdown())
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        await runtime()
    await stopping
    with pytest.raises(ShuttingDown):
        await runtime()
    await startup()
    assert await runtime() is not server


async def test_a_stop_in_the_middle_of_the_start_leaves_nobody_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_go_on = threading.Event()
    monkeypatch.setattr("chat.runtime.preload", lambda: may_go_on.wait(30))
    asking = asyncio.create_task(runtime())
    await asyncio.sleep(0)
    stopping = asyncio.create_task(shutdown())
    may_go_on.set()
    await stopping
    assert not (await asking).journal._thread.is_alive()
