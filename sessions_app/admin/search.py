"""Search over sessions: what it finds is gathered first, by an index and in a bounded number, then listed."""

import contextlib
import re
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from sessions_app.models import Session
from sessions_app.postgres.threads import time_limit
from sessions_app.selectors import said

NEWEST_SESSIONS = 20_000
MAX_USERS = 50
TEXT_PREFIX = "text:"
HELP = "Title, summary, user or id; text:words for what was said"


@dataclass(frozen=True)
class Found:
    """``note`` says what was left out, for the person who searched; empty when nothing was."""

    sessions: QuerySet[Session]
    note: str = ""
    query: SearchQuery | None = None
    """What was looked for in texts."""
    events: dict[str, int] = field(default_factory=dict)
    """Of sessions found by what was said: the key of an event with these words."""


def search(sessions: QuerySet[Session], term: str) -> Found:
    """Those of ``sessions`` that ``term`` names; all of them for an empty one, none when it takes too long."""
    term = term.strip().replace("\0", "")
    if not term:
        return Found(sessions)
    try:
        with time_limit(limit_ms=said.LIMIT_MS):
            return _search(sessions, term)
    except TimeoutError:
        return Found(
            sessions.none(), "This search takes too long. Add a rarer word, or narrow the list by date first."
        )


def _search(sessions: QuerySet[Session], term: str) -> Found:
    if term.lower().startswith(TEXT_PREFIX):
        words = term[len(TEXT_PREFIX) :].strip()
        return _by_transcript(sessions, words) if words else Found(sessions)
    return _by_name_or_words(sessions, term)


def _by_name_or_words(sessions: QuerySet[Session], term: str) -> Found:
    named = Q(session_id__startswith=term) | Q(guest_id=term) & ~Q(guest_id="") | Q(user__in=_user_ids(term))
    ids = said.some_ids(sessions.filter(named))
    note = _too_many("sessions have that id or user") if len(ids) > said.MAX_HITS else ""
    if query := said.words_query(term):
        with_words, words_note = _ids_with_words(sessions, query)
        ids, note = ids + with_words, note or words_note
    return Found(sessions.filter(pk__in=ids), note, query)


def _ids_with_words(sessions: QuerySet[Session], query: SearchQuery) -> tuple[list[str], str]:
    vector = SearchVector("title", "summary", config="simple")
    matching = sessions.alias(words=vector).filter(words=query)
    ids = said.some_ids(matching)
    if len(ids) <= said.MAX_HITS:
        return ids, ""
    newest = sessions.alias(words=SearchVector("title", "summary", said.NO_INDEX, config="simple")).filter(
        words=query
    )
    starts = sessions.order_by("-start_time").values_list("start_time", flat=True)
    if since := starts[NEWEST_SESSIONS : NEWEST_SESSIONS + 1].first():
        newest = newest.filter(start_time__gt=since)
    return said.some_ids(newest), _too_many(
        f"sessions have these words; these are of the newest {NEWEST_SESSIONS:,}"
    )


def _by_transcript(sessions: QuerySet[Session], words: str) -> Found:
    query = SearchQuery(words, config="simple", search_type="websearch")
    found, all_of_them = said.hits(sessions, query)
    if all_of_them:
        return _said_in(sessions, found, query)
    note = _too_many(f"messages have these words; these are of the newest {said.NEWEST_EVENTS:,} events")
    return _said_in(sessions, found, query, note)


def _said_in(
    sessions: QuerySet[Session], found: list[tuple[str, int]], query: SearchQuery, note: str = ""
) -> Found:
    """The first event of each session with these words is the one to show."""
    events = dict(sorted(found, reverse=True))
    return Found(sessions.filter(pk__in=list(events)), note, query, events)


def _user_ids(term: str) -> list[Any]:
    """Users whose name begins with the term, or whose e-mail address or primary key it is."""
    users = get_user_model()
    wanted = Q(**{f"{users.USERNAME_FIELD}__startswith": term})
    if "@" in term:
        wanted |= Q(**{f"{users.get_email_field_name()}__iexact": term})
    with contextlib.suppress(ValidationError):
        wanted |= Q(pk=users._meta.pk.to_python(term))
    return list(users._default_manager.filter(wanted).values_list("pk", flat=True)[:MAX_USERS])


def _too_many(what: str) -> str:
    return f"More than {said.MAX_HITS:,} {what}. Add a word or a filter to see others."


def said_term(term: str) -> str:
    """The same words, looked for in what was said; empty where they are looked for there already."""
    term = term.strip()
    return "" if not term or term.lower().startswith(TEXT_PREFIX) else f"{TEXT_PREFIX}{term}"


def words_of(term: str) -> list[str]:
    """The words to mark in what is found by this term."""
    kept = re.sub(r"(?:^|\s)-(?:\"[^\"]*\"|\S+)", " ", term.strip().removeprefix(TEXT_PREFIX))
    words = [word for word in re.findall(r"\w+", kept) if word.lower() != "or"]
    return list(dict.fromkeys(words))[:20]
