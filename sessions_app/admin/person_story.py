"""What one would want to know before answering a person: what colleagues wrote and marked, what was rated bad, what goes on now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet

from sessions_app.admin.walk import PERSON, session_url
from sessions_app.log import events as ev
from sessions_app.models import (
    ReviewNote,
    Session,
    SessionEvent,
    SessionStatus,
    SessionTag,
)
from sessions_app.selectors.inbox import read_events

LATEST = 5
"""So many notes, and bad ratings, are shown."""
MOST_TAGS = 12
MOST_RATINGS = 40
"""So many are read: of an answer the last one counts."""


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
        "ratings": _bad_ratings(newest, way),
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


def _bad_ratings(newest: QuerySet[Session], way: dict[str, str]) -> list[Line]:
    """Those that stand, of the latest conversations that have any."""
    bad = newest.filter(feedback_down__gt=0).defer("summary")[:LATEST]
    sessions = {session.pk: session for session in bad}
    given = SessionEvent.objects.filter(session_id__in=sessions, event_type=ev.FeedbackGiven.event_type)
    places = list(given.order_by("-created_at").values_list("session_id", "seq")[:MOST_RATINGS])
    records = read_events(places) if places else {}
    last = {}
    for place in sorted(records):
        event = records[place].event
        if isinstance(event, ev.FeedbackGiven):
            last[place[0], event.item_id] = (place, event)
    lines = [
        Line(
            event.comment or event.reason or "Rated bad, without a word",
            sessions[session_id].heading,
            records[session_id, seq].at,
            session_url(session_id, hit=str(seq), **way),
        )
        for (session_id, seq), event in last.values()
        if event.rating == ev.Rating.DOWN
    ]
    return sorted(lines, key=lambda line: line.at, reverse=True)[:LATEST]
