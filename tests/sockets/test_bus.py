"""What processes say to each other over a real Redis: one command a message, and a lost connection is heard of."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis.exceptions
from redis.asyncio import Redis

from chat.session import bus as bus_module
from chat.session.bus import RedisBus
from chat.session.outbox import Outbox
from chat.session.relay_messages import Records, Reply, Told
from realtime_ai.stores import channel_layer
from sessions_app.log.rows import Row
from tests.support.redis import RedisProcess
from tests.support.waiting import eventually


@pytest.fixture
def server(redis_program: str) -> Iterator[RedisProcess]:
    with RedisProcess(redis_program) as process:
        yield process


@pytest.fixture
async def buses(server: RedisProcess) -> AsyncIterator[tuple[RedisBus, RedisBus]]:
    made = RedisBus.of(channel_layer(server.url)), RedisBus.of(channel_layer(server.url))
    assert made[0]
    assert made[1]
    yield made[0], made[1]
    for bus in made:
        if bus:
            await bus.close()


async def heard_by_one(server: RedisProcess, channel: str) -> None:
    async with Redis.from_url(server.url) as client:

        async def heard() -> None:
            assert (await client.pubsub_numsub(channel))[0][1] == 1

        await eventually(heard)


async def listening(bus: RedisBus, server: RedisProcess) -> tuple[str, "asyncio.Task[dict[str, Any]]"]:
    channel = await bus.new_channel("process")
    task = asyncio.create_task(bus.receive(channel))
    await heard_by_one(server, channel)
    return channel, task


async def commands(server: RedisProcess) -> int:
    async with Redis.from_url(server.url) as client:
        stats = await client.info("commandstats")
    return sum(
        one["calls"] for name, one in stats.items() if name not in ("cmdstat_info", "cmdstat_client|setinfo")
    )


async def test_a_message_is_one_command_and_they_keep_their_order(
    buses: tuple[RedisBus, RedisBus], server: RedisProcess
) -> None:
    here, there = buses
    channel, first = await listening(there, server)
    await here.send(channel, {"data": b"first"})
    assert (await first)["data"] == b"first"
    before = await commands(server)
    for number in range(100):
        await here.send(channel, {"data": b"%d" % number})
    heard = [(await there.receive(channel))["data"] for _ in range(100)]
    assert heard == [b"%d" % number for number in range(100)]
    assert await commands(server) - before <= 102  # and those of who counts


async def test_a_quiet_wait_is_no_lost_connection(
    buses: tuple[RedisBus, RedisBus], server: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "_SILENCE_SECONDS", 0.05)
    here, there = buses
    channel, waiting = await listening(there, server)
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await here.send(channel, {"data": b"hello"})
    assert (await waiting)["data"] == b"hello"


async def test_a_redis_that_says_nothing_is_taken_for_lost(
    buses: tuple[RedisBus, RedisBus], server: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = buses[1]
    channel, waiting = await listening(there, server)
    server.freeze()
    try:
        waiting.cancel()
        await asyncio.wait([waiting])
        with monkeypatch.context() as impatient:
            impatient.setattr(bus_module, "_SILENCE_SECONDS", 0.1)
            impatient.setattr(bus_module, "_ANSWER_SECONDS", 0.1)
            with pytest.raises(redis.exceptions.TimeoutError):
                await asyncio.wait_for(there.receive(channel), 10)
    finally:
        server.thaw()
    again = asyncio.create_task(there.receive(channel))
    await heard_by_one(server, channel)
    await buses[0].send(channel, {"data": b"back"})
    assert (await asyncio.wait_for(again, 10))["data"] == b"back"


async def test_a_redis_that_was_killed_is_heard_of_and_found_again(
    buses: tuple[RedisBus, RedisBus], server: RedisProcess
) -> None:
    here, there = buses
    channel, waiting = await listening(there, server)
    server.kill()
    with pytest.raises((redis.exceptions.RedisError, OSError)):
        await asyncio.wait_for(waiting, 10)
    with pytest.raises((redis.exceptions.RedisError, OSError)):
        await there.receive(channel)
    with pytest.raises((redis.exceptions.RedisError, OSError)):
        await here.send(channel, {"data": b"nobody hears"})
    server.start()
    again = asyncio.create_task(there.receive(channel))
    await heard_by_one(server, channel)
    await here.send(channel, {"data": b"back"})
    assert (await asyncio.wait_for(again, 10))["data"] == b"back"


async def test_as_many_may_send_at_once_as_a_restart_moves_sockets(
    buses: tuple[RedisBus, RedisBus], server: RedisProcess
) -> None:
    here, there = buses
    channel, first = await listening(there, server)
    await asyncio.gather(*(here.send(channel, {"data": b"%d" % one}) for one in range(300)))
    heard = [(await first)["data"], *[(await there.receive(channel))["data"] for _ in range(299)]]
    assert sorted(heard) == sorted(b"%d" % one for one in range(300))


@pytest.mark.parametrize(
    "layer",
    [
        channel_layer(None),
        {"BACKEND": "some.other.Layer", "CONFIG": {"hosts": ["redis://one"]}},
        {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": ["redis://one", "redis://two"]},
        },
        {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": ["redis://one"], "symmetric_encryption_keys": ["secret"]},
        },
    ],
)
def test_a_layer_that_is_more_than_one_redis_stays_as_it_is(layer: dict[str, Any]) -> None:
    assert RedisBus.of(layer) is None


# --- what gathers ---------------------------------------------------------------------------------------------------


def records(session_id: str, text: str = "word") -> Records:
    row = Row(session_id, 1, 1, "assistant", "assistant_delta", text, {}, datetime.now(UTC))
    return Records(session_id=session_id, rows=[row])


async def test_an_outbox_gives_all_that_waits_in_its_order() -> None:
    outbox = Outbox()
    told: list[Told] = [records("a"), Reply(request_id="ask"), records("b")]
    for one in told:
        await outbox.put(one)
    assert outbox.take() == told
    assert outbox.take() == []


async def test_who_says_more_than_can_be_sent_waits() -> None:
    outbox = Outbox()
    await outbox.put(records("a", "x" * 400_000))
    more = asyncio.create_task(outbox.put(records("b")))
    await asyncio.sleep(0.05)
    assert not more.done()
    assert [one.session_id for one in outbox.take() if isinstance(one, Records)] == ["a"]
    await asyncio.wait_for(more, 5)
    assert [one.session_id for one in outbox.take() if isinstance(one, Records)] == ["b"]
