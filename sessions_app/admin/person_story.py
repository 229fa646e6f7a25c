"""What one would want to know before answering a person: what colleagues wrote and marked, what was rated bad, what goes on now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet

from sessions_app.admin.walk import PERSON, session_url
from sessions_app.log import events as ev
from sessions_app.models import (
    AttentionKind,
    InboxItem,
    ReviewNote,
    Session,
    SessionStatus,
    SessionTag,
    Settled,
)
from sessions_app.selectors.inbox import read_events

LATEST = 5
"""So many notes, and bad ratings, are shown."""
MOST_TAGS = 12


@dataclass(frozen=True)
class Line:
    """A note or a rating, and the page of its session."""

    words: str
    about: str
    at: datetime
    url: str
    who: str = ""


def story_of(newest: QuerySet[Session], here: str) -> dict[str, Any]:
    """``newest``: their sessions, a bounded number. ``here``: the rest of the address of their page."""
    way = {PERSON: here}
    ids = newest.values("pk")
    tags = SessionTag.objects.filter(session_id__in=ids).values_list("tag__name").annotate(count=Count("pk"))
    live = newest.filter(status=SessionStatus.ACTIVE).only("pk").first()
    return {
        "tags": list(tags.order_by("-count", "tag__name")[:MOST_TAGS]),
        "notes": _notes(ids, way),
        "ratings": _bad_ratings(ids, way),
        "live_url": session_url(live.pk, **way) if live else "",
    }


def _notes(ids: QuerySet[Any], way: dict[str, str]) -> list[Line]:
    found = ReviewNote.objects.filter(session_id__in=ids).select_related("session").defer("session__summary")
    return [
        Line(
            note.text,
            note.session.heading,
            note.at,
            session_url(note.session_id, **way),
            note.author_name,
        )
        for note in found.order_by("-id")[:LATEST]
    ]


def _bad_ratings(ids: QuerySet[Any], way: dict[str, str]) -> list[Line]:
    """The latest that stand; what was seen to a month ago is not kept."""
    items = InboxItem.objects.filter(kind=AttentionKind.BAD_RATING, session_id__in=ids)
    standing = items.exclude(settled_how=Settled.LOG).select_related("session").defer("session__summary")
    found = list(standing.order_by("-at", "-id")[:LATEST])
    records = read_events([(item.session_id, item.seq) for item in found]) if found else {}
    lines = []
    for item in found:
        record = records.get((item.session_id, item.seq))
        event = record.event if record else None
        said = event.comment or event.reason if isinstance(event, ev.FeedbackGiven) else ""
        words = said or "Rated bad, without a word"
        url = session_url(item.session_id, hit=str(item.seq), **way)
        lines.append(Line(words, item.session.heading, item.at, url))
    return lines
