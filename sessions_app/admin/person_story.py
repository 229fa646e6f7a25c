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
    SessionStatus,
    SessionTag,
)
from sessions_app.review.markdown import in_a_line
from sessions_app.selectors.inbox import Words, read_answers, read_ratings

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
    said: Words | None = None
    """Of a rating: what was asked, and the answer that was rated."""


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
        "most": LATEST,
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
    standing: dict[tuple[str, str], tuple[datetime, ev.FeedbackGiven]] = {}
    for record in read_ratings(sessions, MOST_RATINGS):
        if isinstance(record.event, ev.FeedbackGiven):
            standing[record.session_id, record.event.item_id] = (record.at, record.event)
    bad_ones = [
        (at, session_id, event)
        for (session_id, _), (at, event) in standing.items()
        if event.rating == ev.Rating.DOWN
    ]
    bad_ones = sorted(bad_ones, key=lambda one: one[0], reverse=True)[:LATEST]
    answers = read_answers((session_id, event.item_id) for _, session_id, event in bad_ones)
    lines = []
    for at, session_id, event in bad_ones:
        seq, said = answers.get((session_id, event.item_id), (None, Words()))
        plain = Words(in_a_line(said.question), in_a_line(said.answer))
        url = session_url(session_id, hit=str(seq or ""), **way)
        words = event.comment or event.reason or "Rated bad, without a word"
        lines.append(Line(words, sessions[session_id].heading, at, url, said=plain))
    return lines
