"""The channel layer: how web processes reach one another."""

from typing import Any

_SOCKET_SECONDS = 15
"""channels_redis waits 5 s at a time for a message, and redis-py gives up on a silent socket after 5 s by default: at
that, every quiet wait would end as a lost connection."""

_CONNECTIONS = 2000
"""At once, and only for as long as each sends: redis-py refuses the 101st by default, and a restart moves all of a process's
sockets in the same second."""


def channel_layer(redis_url: str | None) -> dict[str, Any]:
    """An entry of Django's ``CHANNEL_LAYERS``; without Redis it reaches its own process only."""
    if not redis_url:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    host = {
        "address": redis_url,
        "socket_timeout": _SOCKET_SECONDS,
        "socket_connect_timeout": 5,
        "max_connections": _CONNECTIONS,
    }
    config = {"hosts": [host], "prefix": "realtime-ai", "capacity": 1000, "expiry": 60}
    return {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
