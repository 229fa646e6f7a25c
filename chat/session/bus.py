"""How web processes reach one another over Redis: one PUBLISH a message, and one subscription a process.

A message that nobody hears is gone, which is all that the relay asks for: its hints may be lost. A channel layer of
channels_redis keeps a queue a channel, for which it needs ten commands a message.
"""

import asyncio
import contextlib
from typing import Any, Self

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sessions_app.ids import new_id

_SILENCE_SECONDS = 5.0
"""After so long without a message Redis is asked whether it is still there."""
_ANSWER_SECONDS = 5.0
"""So long it may take to say so."""
_NOT_OURS = frozenset({"symmetric_encryption_keys", "serializer_format"})
"""What a layer's settings may ask for that this one cannot do."""


class RedisBus:
    """The part of a channel layer that the relay needs, in one process."""

    def __init__(self, host: dict[str, Any], *, prefix: str) -> None:
        options = dict(host)
        address = options.pop("address")
        self._prefix = prefix
        # Whoever sends or listens knows better than redis-py when to try again; a connection that was closed while it
        # lay in the pool is replaced at once.
        self._sending = Redis.from_url(address, **options, retry=Retry(NoBackoff(), 1))
        self._listening = Redis.from_url(address, **options, retry=Retry(NoBackoff(), 0))
        self._heard: PubSub | None = None

    @classmethod
    def of(cls, layer: dict[str, Any]) -> Self | None:
        """For an entry of Django's ``CHANNEL_LAYERS`` that is one Redis with nothing special; None for any other."""
        config = layer.get("CONFIG", {})
        hosts = config.get("hosts", [])
        if not str(layer.get("BACKEND", "")).startswith("channels_redis.") or len(hosts) != 1:
            return None
        host = hosts[0] if isinstance(hosts[0], dict) else {"address": hosts[0]}
        if not isinstance(host.get("address"), str) or _NOT_OURS & set(config):
            return None
        return cls(host, prefix=config.get("prefix", "asgi"))

    async def new_channel(self, prefix: str = "specific") -> str:
        """It is listened to from the first `receive` on."""
        return f"{self._prefix}.{prefix}.{new_id('bus')}"

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Raises redis-py's own errors, and OSError."""
        await self._sending.publish(channel, message["data"])

    async def receive(self, channel: str) -> dict[str, Any]:
        """The next message. Raises once for each connection that got lost, and for each that cannot be made."""
        try:
            heard = await self._subscribed(channel)
            while True:
                message = await self._heard_within_reason(heard)
                if message["type"] == "message":
                    return {"data": message["data"]}
        except Exception:
            await self._hang_up()
            raise

    async def _heard_within_reason(self, heard: PubSub) -> dict[str, Any]:
        """A connection that a network has forgotten says nothing; so does one on which nothing happens, until it is asked."""
        message = await heard.get_message(timeout=_SILENCE_SECONDS)
        if message is None:
            await heard.ping()
            message = await heard.get_message(timeout=_ANSWER_SECONDS)
        if message is None:
            raise exceptions.TimeoutError("Redis does not answer")
        found: dict[str, Any] = message
        return found

    async def _subscribed(self, channel: str) -> PubSub:
        if self._heard is None:
            self._heard = self._listening.pubsub()
            await self._heard.subscribe(channel)
        return self._heard

    async def _hang_up(self) -> None:
        heard, self._heard = self._heard, None
        if heard:
            with contextlib.suppress(exceptions.RedisError, OSError):
                await heard.aclose()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        await self._hang_up()
        for client in (self._sending, self._listening):
            with contextlib.suppress(exceptions.RedisError, OSError, asyncio.CancelledError):
                await client.aclose()
