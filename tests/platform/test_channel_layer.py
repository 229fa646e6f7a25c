import asyncio

import pytest
from channels_redis.core import RedisChannelLayer

from realtime_ai.channel_layer import channel_layer


async def test_a_quiet_wait_is_no_lost_connection(redis_url: str) -> None:
    """redis-py's default time-out is as long as one wait of channels_redis; ours is longer."""
    layer = RedisChannelLayer(**channel_layer(redis_url)["CONFIG"])
    channel = await layer.new_channel()
    waiting = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(5.5)
    assert not waiting.done()
    await layer.send(channel, {"type": "hello"})
    async with asyncio.timeout(5):
        assert (await waiting)["type"] == "hello"
    await layer.close_pools()


async def test_as_many_may_send_at_once_as_a_restart_moves_sockets(redis_url: str) -> None:
    layer = RedisChannelLayer(**channel_layer(redis_url)["CONFIG"])
    channels = [await layer.new_channel() for _ in range(300)]
    await asyncio.gather(*(layer.send(channel, {"type": "hello"}) for channel in channels))
    async with asyncio.timeout(30):
        assert (await layer.receive(channels[-1]))["type"] == "hello"
    await layer.close_pools()


@pytest.mark.parametrize("url", [None, ""])
def test_without_redis_the_layer_stays_in_its_process(url: str | None) -> None:
    assert channel_layer(url)["BACKEND"].endswith("InMemoryChannelLayer")
