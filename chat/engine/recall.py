"""Ids that a compacted history does not remember: looked for in the log, by index, when a command names them."""

import logging

from chat.engine.commands import Command
from chat.engine.history import History
from sessions_app.errors import DatabaseAway
from sessions_app.events import ROOT
from sessions_app.replay import find_ids
from sessions_app.threads import in_db_thread

logger = logging.getLogger(__name__)


async def recall(session_id: str, history: History, command: Command) -> None:
    """Tell the history what it needs to know of the ids in a command; costs nothing where it was never compacted.

    With the database away an id counts as new: what a client repeats after a break is of the last minutes, and those
    the history remembers.
    """
    if not history.checkpoint_seq:
        return
    named = {getattr(command, name, None) for name in ("item_id", "previous_item_id")}
    item_ids = sorted(one for one in named if one and one != ROOT and history.may_have_forgotten(one))
    client_event_id = getattr(command, "client_event_id", None)
    if client_event_id in history.client_events:
        client_event_id = None
    if not item_ids and not client_event_id:
        return
    try:
        found = await in_db_thread(
            find_ids,
            session_id=session_id,
            through_seq=history.checkpoint_seq,
            item_ids=item_ids,
            client_event_id=client_event_id,
        )
    except DatabaseAway:
        logger.warning("session %s: earlier ids cannot be looked up now", session_id)
        return
    history.recall(items=found.items, client_events=found.client_events)
