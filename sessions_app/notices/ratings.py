"""A thumb and its comment are two events: who is told of the second is not told of the first.

Both wait for a comment (`sessions_app.log.attention.COMMENT_WAIT_S`), and what was followed meanwhile is passed over.
"""

from collections.abc import Collection

from django.db.models.fields.json import KT

from sessions_app.log import events as ev
from sessions_app.models import SessionEvent
from sessions_app.selectors.inbox import read_events


def replaced(places: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """``places``: of ratings, (session, seq). Those of them after which another one of the same answer came."""
    if not places:
        return set()
    given = SessionEvent.objects.filter(
        session_id__in={session_id for session_id, _ in places}, event_type=ev.FeedbackGiven.event_type
    )
    last: dict[tuple[str, str], int] = {}
    for session_id, seq, item_id in given.values_list("session_id", "seq", KT("payload__item_id")):
        last[session_id, item_id] = max(seq, last.get((session_id, item_id), 0))
    return {
        place
        for place, record in read_events(places).items()
        if isinstance(record.event, ev.FeedbackGiven) and last[place[0], record.event.item_id] > place[1]
    }
