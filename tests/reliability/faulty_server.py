"""The server with faults of our own making in it, each called up by what a message says, or by its session's name."""

import os
import sys
import time
from typing import Any

import django

from realtime_ai.server import main


def _break() -> None:
    django.setup()
    _break_ends()
    _break_turns()
    _break_sessions()
    _break_frames()
    _break_journal()


def _break_ends() -> None:
    from sessions_app.hooks import on_session_ended

    @on_session_ended
    def hook(session_id: str, last_seq: int) -> None:
        if session_id.startswith("unending"):
            raise RuntimeError("a hook fails")


def _break_turns() -> None:
    from chat.session.compaction import Compaction
    from chat.session.history import items_of
    from chat.session.response import Response

    before_turn, settle = Compaction.before_turn, Response._settle

    async def broken_before_turn(self: Any) -> None:
        waiting = list(self._context.history.waiting.values())
        if "[turn]" in str(waiting[:1]):
            raise RuntimeError("a turn fails before it begins")
        await before_turn(self)

    def broken_settle(self: Any, *args: Any, **kwargs: Any) -> None:
        if "[settle]" in str(items_of(self._history)[-1:]):
            raise RuntimeError("an answer cannot be ended")
        settle(self, *args, **kwargs)

    Compaction.before_turn = broken_before_turn  # type: ignore[method-assign]
    Response._settle = broken_settle  # type: ignore[method-assign]


def _break_sessions() -> None:
    """Once a process: who takes the session over finds the same words in it."""
    from chat.session.history import items_of
    from chat.session.response import Response

    append_end = Response._append_end
    faults = ["nor be given up", "nor in another way", "an answer cannot be ended"]

    def broken_append_end(self: Any, done: Any) -> None:
        if faults and "[session]" in str(items_of(self._history)[-1:]):
            raise RuntimeError(faults.pop())
        append_end(self, done)

    Response._append_end = broken_append_end  # type: ignore[method-assign]


def _break_frames() -> None:
    from chat.runtime import running
    from sessions_app.errors import JournalFenced
    from sessions_app.log import replay

    find_item = replay.find_item

    def broken_find_item(*, session_id: str, item_id: str) -> Any:
        """While it looks, another process takes the session."""
        found, server = find_item(session_id=session_id, item_id=item_id), running()
        assert server
        session = next(one for one in server.hub.sessions() if one.session_id == session_id)
        server.loop.call_soon_threadsafe(session.log.fail, JournalFenced())
        while session in server.hub.sessions():
            time.sleep(0.01)
        return found

    replay.find_item = broken_find_item


def _break_journal() -> None:
    from sessions_app.log import journal_sql
    from sessions_app.log.journal import Journal
    from sessions_app.log.rows import encode_rows

    within_bounds = Journal._within_bounds

    def broken_encode_rows(records: Any) -> Any:
        if "[poison]" in str(records):
            raise RuntimeError("an event cannot be encoded")
        return encode_rows(records)

    def broken_within_bounds(self: Any, due: Any) -> Any:
        if any("[thread]" in str(writer.pending) for writer in due):
            raise RuntimeError("the thread fails")
        return within_bounds(self, due)

    Journal._within_bounds = broken_within_bounds  # type: ignore[method-assign]
    journal_sql.encode_rows = broken_encode_rows  # type: ignore[attr-defined]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_ai.settings.development")
    _break()
    sys.exit(main(sys.argv[1:]))
