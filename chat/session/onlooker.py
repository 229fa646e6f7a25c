"""One who looks at a session from outside, for as long as they like: while it is live, ended, taken over, reopened."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from chat.session.gallery import Gallery
from chat.session.remote import RemoteSession
from chat.session.session import Session
from sessions_app.errors import SessionErased, SessionNotFound, SessionsError
from sessions_app.log.events import Record
from sessions_app.log.replay import kept_until, read_records
from sessions_app.postgres.threads import in_db_thread

_PAUSE_S = 0.25
"""Before another look where a session has moved, or its process cannot be reached."""
_PATIENCE_S = 2.0
"""Between two looks at one that lives nowhere: it may be opened again."""


class Onlooker:
    """A reader like any other: a cursor. The session does not know of it, so that it is told nothing beside the log."""

    dialect = "staff"
    answering = False

    def __init__(self, gallery: Gallery, session_id: str, connection_id: str) -> None:
        self._gallery = gallery
        self.session_id = session_id
        self.connection_id = connection_id
        self._remote: RemoteSession | None = None

    def notify(self, error: Exception) -> None: ...

    def detach(self, _subscriber: object, close_code: int) -> None:
        if self._remote:
            self._remote.detach(self, close_code)
            self._remote = None

    async def follow(self, after: int) -> AsyncIterator[Sequence[Record]]:
        """The records after ``after``, as they come; without an end. Raises `SessionNotFound`, `SessionErased`."""
        while True:
            pause_s = _PAUSE_S
            try:
                source = await self._source()
                # what a process that died had shown and not stored is not there any more
                after = await in_db_thread(kept_until, session_id=self.session_id, seq=after)
                if source:
                    async for records in source.follow(after):
                        after = records[-1].seq
                        yield records
                elif records := await in_db_thread(read_records, session_id=self.session_id, after=after):
                    after, pause_s = records[-1].seq, 0.0
                    yield records
                else:
                    pause_s = _PATIENCE_S
            except (SessionNotFound, SessionErased):
                raise
            except SessionsError:
                pass  # it has moved, or the database is away: the log goes on where it was left
            finally:
                self.detach(self, 1000)
            await asyncio.sleep(pause_s)

    async def _source(self) -> Session | RemoteSession | None:
        source = await self._gallery.look(self, self.session_id)
        self._remote = source if isinstance(source, RemoteSession) else None
        return source
