"""What waits to go to one other process."""

import asyncio

from chat.session.relay_messages import Records, Told

_MOST_BYTES = 256 * 1024
"""About; beyond it whoever has more to say waits as well, and reads on when there is room."""


class Outbox:
    """It gathers while a message is on its way, so that the deltas of all sessions share few of them."""

    def __init__(self) -> None:
        self._waiting: list[Told] = []
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, message: Told) -> None:
        """In order; waits for room."""
        await self._room.wait()
        self._waiting.append(message)
        self._bytes += _size(message)
        if self._bytes >= _MOST_BYTES:
            self._room.clear()

    def take(self) -> list[Told]:
        """All that waits."""
        taken, self._waiting, self._bytes = self._waiting, [], 0
        self._room.set()
        return taken


def _size(message: Told) -> int:
    rows = message.rows if isinstance(message, Records) else ()
    return 200 + sum(300 + len(row.content or "") for row in rows)
