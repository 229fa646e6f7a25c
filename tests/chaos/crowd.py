"""A crowd: many sockets that say nothing, come together, and are gone in one instant."""

import asyncio
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

_OPEN_S = 5.0
_AT_ONCE = 25


class Crowd:
    """A context manager: at its end all connections are dropped without a word."""

    def __init__(self, url: str, size: int) -> None:
        self._url, self._size = url, size
        self._connections: list[ClientConnection] = []
        self._opening = asyncio.Semaphore(_AT_ONCE)

    @property
    def came(self) -> int:
        return len(self._connections)

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(self._come() for _ in range(self._size)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.transport.abort()
        await asyncio.gather(*(connection.wait_closed() for connection in self._connections))

    async def _come(self) -> None:
        """Whom the server does not let in, for whatever is broken just now, stays away."""
        try:
            async with self._opening, asyncio.timeout(_OPEN_S):
                connection = await connect(f"{self._url}/ws/session", compression=None, ping_interval=None)
                self._connections.append(connection)
                await connection.recv()
        except (OSError, TimeoutError, InvalidHandshake, InvalidMessage, ConnectionClosed, EOFError):
            pass
