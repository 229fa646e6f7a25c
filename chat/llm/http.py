"""HTTP under the vendors' SDKs: a client for each event loop, over `chat.llm.transport`, with bounded waits."""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from typing import Any, Generic, TypeVar

import httpx2
from httpx2._utils import get_environment_proxies

from chat.conf import conf
from chat.llm.sse import EventReader
from chat.llm.transport import AiohttpTransport

LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60.0)
"""Behind a proxy. Unbounded, because a stream holds its connection for as long as the answer takes: beyond a bound of 100 the 101st
user would wait in silence."""


@cache
def tls() -> ssl.SSLContext:
    """Reads the certificates: 20 to 40 ms, so once."""
    return httpx2.create_ssl_context()


def client_options() -> dict[str, Any]:
    """Of an `httpx2.AsyncClient` for one event loop. Redirects are not followed: they would carry the key to another host."""
    mounts = proxies(lambda url: httpx2.AsyncHTTPTransport(proxy=url, verify=tls(), limits=LIMITS))
    return {"transport": AiohttpTransport(tls()), "mounts": mounts, "follow_redirects": False}


def new_http_client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(**client_options())


def proxies(
    through: Callable[[str], httpx2.AsyncBaseTransport],
) -> dict[str, httpx2.AsyncBaseTransport | None]:
    """The environment's, as the mounts of a client with a transport of its own, which does not ask for them; None: this goes without.
    ``through`` makes the transport through the proxy with that URL."""
    return {
        pattern: None if url is None else through(url) for pattern, url in get_environment_proxies().items()
    }


def opening_timeout() -> httpx2.Timeout:
    """Bounds the connection. The waits between two reads are the provider's, which knows what an event is."""
    seconds = conf().model_connect_seconds
    return httpx2.Timeout(None, connect=seconds, write=seconds, pool=seconds)


Client = TypeVar("Client")


class PerLoop(Generic[Client]):
    """A client, thus a connection pool, for each event loop: a connection can only be used, and closed, where it was opened."""

    def __init__(self, make: Callable[[], Client], close: Callable[[Client], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}

    def get(self) -> Client:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients = {one: client for one, client in self._clients.items() if not one.is_closed()}
            self._clients[loop] = self._make()
        return self._clients[loop]

    async def aclose(self) -> None:
        """The running loop's."""
        if client := self._clients.pop(asyncio.get_running_loop(), None):
            await self._close(client)

    def __len__(self) -> int:
        return len(self._clients)


DRAIN_SECONDS = 1.0
"""For the last bytes of an HTTP answer that is over; read in time, they leave the connection to the next."""


async def drain(events: EventReader) -> None:
    with suppress(Exception):
        async with asyncio.timeout(DRAIN_SECONDS):
            while (sent := await events.read()) is not None:
                deque(sent, maxlen=0)
