"""Search over sessions: what it finds is gathered first, by an index and in a bounded number, then listed."""

import contextlib
import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from sessions_app.models import Session
from sessions_app.postgres.threads import time_limit
from sessions_app.selectors import said

NEWEST_SESSIONS = 20_000
MAX_USERS = 50
NAMED, WORDS = 0, 1
_BEFORE_ALL = Value(dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
TEXT_PREFIX = "text:"
HELP = "Title, summary, user or id; text:words for what was said"


@dataclass(frozen=True)
class Found:
    """``note`` says what was left out, for the person who searched; empty when nothing was."""

    sessions: QuerySet[Session]
    note: str = ""
    count: int | None = None
    """How many they are, where that is known."""
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
        with time_limit(limit_ms=said.LIMIT_MS, memory=said.MEMORY):
            return _search(sessions, term)
    except TimeoutError:
        return Found(
            sessions.none(), "This search takes too long. Add a rarer word, or narrow the list by date first."
        )


def _search(sessions: QuerySet[Session], term: str) -> Found:
    if (said_words := words_said_in(term)) is not None:
        words = said_words.strip()
        return _by_transcript(sessions, words) if words else Found(sessions)
    return _by_name_or_words(sessions, term)


def _by_name_or_words(sessions: QuerySet[Session], term: str) -> Found:
    query = said.words_query(term)
    named, with_words = _ids_of(sessions, term, query)
    note = (
        _too_many(said.MAX_SESSIONS, "sessions have that id or user")
        if len(named) > said.MAX_SESSIONS
        else ""
    )
    if query and len(with_words) > said.MAX_HITS:
        with_words = _newest_with_words(sessions, query)
        words = f"sessions have these words; these are of the newest {NEWEST_SESSIONS:,}"
        note = note or _too_many(said.MAX_HITS, words)
    return _found(sessions, {*named, *with_words}, note, query)


def _ids_of(sessions: QuerySet[Session], term: str, query: SearchQuery | None) -> tuple[list[str], list[str]]:
    """Of those that are named so, and of those with the words: one query, whose parts each have their index."""
    by_id = Q(session_id__startswith=term) | Q(guest_id=term) & ~Q(guest_id="")
    parts = [_ids(sessions.filter(by_id), NAMED), _ids(sessions.filter(user__in=_users(term)), NAMED)]
    if query:
        vector = SearchVector("title", "summary", config="simple")
        parts.append(_ids(sessions.alias(words=vector).filter(words=query), WORDS, said.MAX_HITS))
    found = list(parts[0].union(*parts[1:], all=True))
    named = dict.fromkeys(pk for pk, how in found if how == NAMED)  # an id may be found by its user, too
    return list(named), [pk for pk, how in found if how == WORDS]


def _ids(sessions: QuerySet[Session], how: int, most: int | None = None) -> QuerySet[Any, tuple[str, int]]:
    """Without an order: the planner is then free to use the index of the condition."""
    found = sessions.order_by().annotate(how=Value(how)).values_list("pk", "how")
    return found[: (said.MAX_SESSIONS if most is None else most) + 1]


def _newest_with_words(sessions: QuerySet[Session], query: SearchQuery) -> list[str]:
    """By time, and no further back than `NEWEST_SESSIONS`: so many texts are read at the most."""
    vector = SearchVector("title", "summary", said.NO_INDEX, config="simple")
    times = sessions.order_by("-start_time").values("start_time")
    bound = Subquery(times[NEWEST_SESSIONS : NEWEST_SESSIONS + 1])
    newest = sessions.filter(start_time__gt=Coalesce(bound, _BEFORE_ALL)).order_by("-start_time", "-pk")
    matching = newest.alias(words=vector).filter(words=query)
    return list(matching.values_list("pk", flat=True)[: said.MAX_HITS + 1])


def _by_transcript(sessions: QuerySet[Session], words: str) -> Found:
    query = SearchQuery(words, config="simple", search_type="websearch")
    found, all_of_them = said.hits(sessions, query)
    events = dict(sorted(found, reverse=True))  # the first event of each session is the one to show
    if all_of_them:
        return _found(sessions, events, "", query, events)
    note = f"messages have these words; these are of the newest {said.NEWEST_EVENTS:,} events"
    return _found(sessions, events, _too_many(said.MAX_HITS, note), query, events)


def _found(
    sessions: QuerySet[Session],
    ids: Iterable[str],
    note: str,
    query: SearchQuery | None,
    events: dict[str, int] | None = None,
) -> Found:
    return Found(sessions.filter(pk__in=list(ids)), note, query=query, events=events or {})


def _users(term: str) -> QuerySet[Any]:
    """Users whose name begins with the term, or whose e-mail address or primary key it is."""
    users = get_user_model()
    begins = f"{users.USERNAME_FIELD}__startswith"
    wanted = Q(**{begins: term}) | Q(**{begins: term.lower()})  # a telephone begins with a capital
    if "@" in term:
        wanted |= Q(**{f"{users.get_email_field_name()}__iexact": term})
    with contextlib.suppress(ValidationError):
        wanted |= Q(pk=users._meta.pk.to_python(term))
    return users._default_manager.filter(wanted).order_by().values("pk")[:MAX_USERS]


def _too_many(most: int, what: str) -> str:
    return f"More than {most:,} {what}. Add a word or a filter to see others."


def said_term(term: str) -> str:
    """The same words, looked for in what was said; empty where they are looked for there already."""
    term = term.strip()
    return "" if not term or words_said_in(term) is not None else f"{TEXT_PREFIX}{term}"


def words_said_in(term: str) -> str | None:
    """What is looked for in what was said; None: nothing is. A telephone begins with a capital."""
    return term[len(TEXT_PREFIX) :] if term.lower().startswith(TEXT_PREFIX) else None


def words_of(term: str) -> list[str]:
    """The words to mark in what is found by this term."""
    term = term.strip()
    said_words = words_said_in(term)
    kept = re.sub(r"(?:^|\s)-(?:\"[^\"]*\"|\S+)", " ", term if said_words is None else said_words)
    words = [word for word in re.findall(r"\w+", kept) if word.lower() != "or"]
    return list(dict.fromkeys(words))[:20]
