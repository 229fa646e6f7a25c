"""Which sessions have some words, by the indexes over texts, and without asking more of them than they can give.

One query that filters by words and sorts by time is not safe: for a word of middling frequency the planner walks the
newest sessions and parses each text on the way (6 s at a million sessions, 31 s to count a common word).
"""

import re
from collections.abc import Iterable

from django.contrib.postgres.search import SearchHeadline, SearchQuery
from django.db.models import F, Q, QuerySet, Subquery, Value
from django.db.models.functions import Left

from sessions_app.log.events import AssistantMessage, UserMessage
from sessions_app.models import INDEXED_CHARS, SEARCH_CONFIG, Session, SessionEvent, words_said
from sessions_app.postgres.threads import time_limit

MAX_HITS = 500
"""More than these are too many to gather; then only the newest rows are looked at."""
MAX_SESSIONS = 5_000
"""Of so many it is known whose they are; among these a common word is found whatever its age."""
NEWEST_EVENTS = 20_000
PROBED_EVENTS, COMMON_HITS = 2_000, 100
"""Words that so many of the newest events have are common."""
LIMIT_MS = 8_000
MEMORY = "64MB"
"""What a search may use: with the usual 4 MB the index forgets which rows of a block it meant, and each text there is read again."""
NO_INDEX = Value("")
"""Makes an expression that is not the index's: for two common words that index is the slow way (70 s)."""
SPOKEN = (UserMessage.event_type, AssistantMessage.event_type)
"""The events that the index covers."""
START, STOP = "\ue000", "\ue001"
"""Around each word that was found: of the private use area, so that they are no words of anybody's."""


def hits(sessions: QuerySet[Session], query: SearchQuery) -> tuple[list[tuple[str, int]], bool]:
    """(session, key of the event) of what was said with these words, at least of those among ``sessions``; False: of the newest
    events alone, for there are too many."""
    said = SessionEvent.objects.filter(event_type__in=SPOKEN).order_by()
    by_index = said.alias(words=words_said()).filter(words=query)
    by_reading = said.alias(words=words_said(NO_INDEX)).filter(words=query)
    few, common = _few_and_common(sessions, by_reading)
    newest = _newest(by_reading) if common and len(few) > MAX_SESSIONS else []
    if len(newest) > MAX_HITS:
        return newest, False
    found = _pairs(by_index[: MAX_HITS + 1])
    if len(found) <= MAX_HITS:
        return found, True
    if len(few) <= MAX_SESSIONS:
        return _pairs(by_reading.filter(session_id__in=few)), True
    return newest or _newest(by_reading), False


def _few_and_common(
    sessions: QuerySet[Session], by_reading: QuerySet[SessionEvent]
) -> tuple[list[str], bool]:
    """The sessions, where they are few, and whether the words are in so many of the newest events that the index would only be
    read in vain: of "the" alone that takes a second. One query."""
    ids = sessions.order_by().values_list("pk")[: MAX_SESSIONS + 1]
    probe = _since(by_reading, PROBED_EVENTS).annotate(hit=Value("")).values_list("hit")[:COMMON_HITS]
    found = [pk for (pk,) in ids.union(probe, all=True)]
    return [pk for pk in found if pk], found.count("") >= COMMON_HITS


def _newest(by_reading: QuerySet[SessionEvent]) -> list[tuple[str, int]]:
    return _pairs(_since(by_reading, NEWEST_EVENTS).order_by("-pk")[: MAX_HITS + 1])


def _since(events: QuerySet[SessionEvent], newest: int) -> QuerySet[SessionEvent]:
    last = SessionEvent.objects.order_by("-pk").annotate(bound=F("pk") - newest).values("bound")[:1]
    return events.filter(pk__gt=Subquery(last))


def some_ids(sessions: QuerySet[Session]) -> list[str]:
    """Without an order: the planner is then free to use the index of the condition."""
    return list(sessions.order_by().values_list("pk", flat=True)[: MAX_SESSIONS + 1])


def words_query(term: str) -> SearchQuery | None:
    """All words must occur, the last one as a beginning when it has three letters or more. What signs join to one (an address, an
    amount, an order's number, a file) is found whole, as the index has it, and in its words."""
    pieces = [_joined(piece) for piece in term.split() if re.search(r"\w", piece)]
    if not pieces:
        return None
    *before, last = pieces
    query = " & ".join([*(_one_of(piece) for piece in before), _one_of(last, begins=True)])
    return SearchQuery(query, config=SEARCH_CONFIG, search_type="raw")


def _joined(piece: str) -> str:
    """Without the signs around it."""
    return re.sub(r"^\W+|\W+$", "", piece)


def _one_of(piece: str, *, begins: bool = False) -> str:
    """PostgreSQL reads a quoted operand as it reads texts: what is one word there is one here."""
    words = re.findall(r"\w+", piece)
    each = " & ".join([*words[:-1], words[-1] + _end(words[-1], begins=begins)])
    if words == [piece]:
        return each
    quoted = piece.replace("\\", "\\\\").replace("'", "''")
    return f"('{quoted}'{_end(piece, begins=begins)} | {each})"


def _end(word: str, *, begins: bool) -> str:
    return ":*" if begins and len(word) >= 3 else ""


def with_words(sessions: QuerySet[Session], term: str) -> dict[str, int]:
    """Those of one person's ``sessions`` that have the words of ``term`` in what they are called or in what was said: by id, with the key
    of the newest event that has them; 0: they are only called so.

    Raises TimeoutError after `LIMIT_MS`.
    """
    words = re.findall(r"\w+", term)
    query = words_query(term)
    if query is None:
        return {}
    called = Q()
    for word in words:
        called &= Q(title__icontains=word) | Q(title="", first_words__icontains=word)
    with time_limit(limit_ms=LIMIT_MS, memory=MEMORY):
        found = dict.fromkeys(some_ids(sessions.filter(called)), 0)
        said = dict(sorted(hits(sessions, query)[0], key=lambda hit: hit[1]))
        return found | {pk: said[pk] for pk in some_ids(sessions.filter(pk__in=said))}


def cuts(events: Iterable[int], term: str) -> dict[str, str]:
    """By session, what of these events, one of each, stands around the words that ``term`` looks for, which are between `START` and
    `STOP`."""
    query = words_query(term)
    if query is None:
        return {}
    found = SessionEvent.objects.filter(pk__in=[pk for pk in events if pk])
    return dict(found.values_list("session_id", headline("content", query)))


def headline(column: str, query: SearchQuery) -> SearchHeadline:
    """What stands in a text around the words that are looked for."""
    return SearchHeadline(
        Left(column, INDEXED_CHARS),
        query,
        config=SEARCH_CONFIG,
        start_sel=START,
        stop_sel=STOP,
        max_words=24,
        min_words=10,
    )


def _pairs(events: QuerySet[SessionEvent]) -> list[tuple[str, int]]:
    return list(events.values_list("session_id", "pk"))
