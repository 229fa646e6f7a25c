"""Full text search in what was said in one's own sessions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.postgres.search import SearchHeadline, SearchQuery
from django.db.models import Count, F, Max, Q, QuerySet
from django.db.models.functions import Left

from sessions_app.models import INDEXED_CHARS, SEARCH_CONFIG, SessionEvent, words_said
from sessions_app.postgres.threads import time_limit
from sessions_app.selectors.said import LIMIT_MS, SPOKEN

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Match:
    """One session, and its newest message that matches."""

    session_id: str
    title: str
    """Empty until the summary is written."""
    started_at: datetime
    messages: int
    """Messages of this session that match."""
    role: str
    said_at: datetime
    snippet: str
    """With the words found between ``**``."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    matches: list[Match]
    """The session of the newest matching message first."""
    more: bool
    """Older sessions match as well."""


def search_sessions(
    *,
    text: str,
    user_id: int | None,
    guest_id: str,
    external_user_id: str = "",
    limit: int = 5,
    without_session_id: str = "",
) -> SearchResult:
    """The sessions of the user, of the guest's cookie, or of both, in which one message matches; two queries. With
    ``external_user_id``: of the user's sessions those of this customer alone.

    ``text`` in the syntax of web searches: all words, ``"a phrase"``, ``or``, ``-not``. A session that is nobody's in
    particular is in no result. Raises TimeoutError after `LIMIT_MS`.
    """
    query = SearchQuery(text.replace("\x00", " "), config=SEARCH_CONFIG, search_type="websearch")
    said = _said_by_visitor(user_id, guest_id, external_user_id).exclude(session_id=without_session_id)
    with time_limit(limit_ms=LIMIT_MS):
        found = _newest_sessions(said, query, limit + 1)
        matches = _matches(found[:limit], query)
    return SearchResult(matches=matches, more=len(found) > limit)


def _said_by_visitor(user_id: int | None, guest_id: str, external_user_id: str) -> QuerySet[SessionEvent]:
    owner = Q(pk__in=[])
    if user_id is not None:
        own = Q(session__user_id=user_id)
        owner |= own & Q(session__external_user_id=external_user_id) if external_user_id else own
    if guest_id:
        owner |= Q(session__user__isnull=True, session__guest_id=guest_id)
    return SessionEvent.objects.filter(owner, session__erased_at__isnull=True, event_type__in=SPOKEN)


def _newest_sessions(said: QuerySet[SessionEvent], query: SearchQuery, limit: int) -> list[Row]:
    matching = said.alias(words=words_said()).filter(words=query)
    sessions = matching.order_by().values("session_id").annotate(messages=Count("pk"), seq=Max("seq"))
    return list(sessions.annotate(said_at=Max("created_at")).order_by("-said_at", "session_id")[:limit])


def _matches(found: list[Row], query: SearchQuery) -> list[Match]:
    if not found:
        return []
    places = reduce(or_, (Q(session_id=one["session_id"], seq=one["seq"]) for one in found))
    headline = SearchHeadline(
        Left("content", INDEXED_CHARS),
        query,
        config=SEARCH_CONFIG,
        start_sel="**",
        stop_sel="**",
        max_words=35,
        min_words=15,
    )
    events = SessionEvent.objects.filter(places).values(
        "session_id",
        "role",
        title=F("session__title"),
        started_at=F("session__start_time"),
        said_at=F("created_at"),
        snippet=headline,
    )
    by_session = {event["session_id"]: event for event in events}
    return [Match(**by_session[one["session_id"]], messages=one["messages"]) for one in found]
