"""The socket of the admin's pages: how much waits for the member of staff, as it changes. Nothing is said on it by the page."""

import asyncio
import contextlib
import json
from typing import Any

from chat.runtime import Runtime
from chat.supervision import heard
from chat.wire.staff import StaffConsumer
from sessions_app.postgres.threads import in_db_thread
from sessions_app.selectors.inbox import MOST_COUNTED
from sessions_app.selectors.users import name_of


class InboxConsumer(StaffConsumer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sending: asyncio.Task[None] | None = None
        self._count: int | None = None
        """The one to tell next; None: it is told."""
        self.name = ""

    async def entered(self, server: Runtime) -> None:
        self.name = await in_db_thread(name_of, user_id=self.user_id)
        server.bell.add(self)
        self.held.callback(server.bell.discard, self)

    def tell(self, count: int) -> None:
        """One message at a time is under way: who reads slowly is told the last count alone."""
        self._count = count
        if self._sending is None or self._sending.done():
            self._sending = heard(self._send_counts(), name="count of the inbox")

    async def _send_counts(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the client is gone
            while self._count is not None:
                count, self._count = self._count, None
                words = str(count) if count < MOST_COUNTED else f"{MOST_COUNTED - 1}+"
                await self.send(json.dumps({"count": count, "words": words}))
