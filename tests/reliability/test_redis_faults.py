"""Redis fails while a session is followed from another process: its reader gets everything, in order, once."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.fakes.gemini_server import GeminiServer
from tests.reliability import scripts
from tests.reliability.conftest import StartGemini
from tests.reliability.readers import Reader
from tests.support.redis import RedisProcess
from tests.support.sockets import realtime
from tests.support.waiting import eventually

ANSWER_S = 3.0
"""The faults lie within it; a reader that has lost Redis has the log, and some time."""


@pytest.fixture
def redis(redis_program: str) -> Iterator[RedisProcess]:
    with RedisProcess(redis_program) as server:
        yield server


async def killed_and_started(redis: RedisProcess) -> None:
    await asyncio.to_thread(redis.kill)
    await asyncio.sleep(0.8)
    await asyncio.to_thread(redis.start)


async def emptied(redis: RedisProcess) -> None:
    for _ in range(40):
        await asyncio.to_thread(redis.flush)
        await asyncio.sleep(0.02)


async def frozen(redis: RedisProcess) -> None:
    redis.freeze()
    await asyncio.sleep(1.0)
    redis.thaw()


@pytest.mark.parametrize("fault", [killed_and_started, emptied, frozen])
async def test_the_reader_of_another_process_misses_and_repeats_nothing(
    gemini: GeminiServer,
    start_gemini: StartGemini,
    redis: RedisProcess,
    fault: Callable[[RedisProcess], Coroutine[Any, Any, None]],
) -> None:
    gemini.then(scripts.long_answer(seconds=ANSWER_S))
    one, two = start_gemini(REDIS_URL=redis.url), start_gemini(REDIS_URL=redis.url)
    here, there = Reader("shared"), Reader("shared")
    async with here.connected(one.ws_url) as home, there.connected(two.ws_url) as away:
        await here.ask(home, "Tell me all")
        await there.read_until(away, "response.output_text.delta")
        faults: asyncio.Task[None] = asyncio.create_task(fault(redis))
        await here.read_until(home, "response.done")
        await there.read_until(away, "response.done")
        assert there.frames == here.frames
        await faults

    async def through_both() -> None:
        """The two find each other again: a question through the one, its stop through the other."""
        async with (
            realtime(one.ws_url, "/ws/session/shared") as asker,
            realtime(two.ws_url, "/ws/session/shared") as stopper,
        ):
            assert stopper.created["type"] == "session.created", stopper.created
            gemini.then(scripts.endless(pause_s=0.02))
            await asker.say("And now without an end")
            await asker.until("response.output_text.delta")
            await stopper.send(type="response.cancel")
            assert (await asker.until("response.done"))["response"]["status"] == "cancelled"

    await eventually(through_both, timeout_s=30)
