"""Readers of a session's log without a session."""

from types import SimpleNamespace
from typing import cast

from chat.wire.dialect import AnySession
from chat.wire.realtime.projector import Cursor
from chat.wire.realtime.reader import LogReader
from tests.protocol.logs import SESSION_ID

BEGINNING = Cursor(0)


class SessionWithReaders:
    """As much of a session as its readers look at."""

    def __init__(self, readers: int = 1, *, session_id: str = SESSION_ID) -> None:
        self.session_id = session_id
        self.subscribers = {str(number): SimpleNamespace() for number in range(readers)}

    def reader(self, cursor: Cursor = BEGINNING, *, joined_until: int = 0) -> LogReader:
        return LogReader(cast("AnySession", self), cursor, joined_until=joined_until)
