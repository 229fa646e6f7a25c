"""What the rows of the session list show beside the session's own columns: its tags, and where the searched words stand."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.search import SearchHeadline
from django.db.models.functions import Left
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from sessions_app.admin.search import Found
from sessions_app.models import Session, SessionEvent, SessionTag

HEADLINE_CHARS = 100_000
_START, _STOP = "\ue000", "\ue001"
"""Around each word that was found: of the private use area, so that they are no words of anybody's."""
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
_SIGNS = re.compile(
    r"^[ \t]*(?:#{1,6}|>|[-*+])[ \t]+|^[ \t]*```\w*|`+|\*\*|~~|(?<![\w*])\*(?=\S)|(?<=\S)\*(?![\w*])| ?\|[\s:|-]*",
    re.MULTILINE,
)
"""Of Markdown, in a piece of it that is read as one line."""
_MARKED = re.compile(f"{_START}([^{_START}{_STOP}]*){_STOP}")


@dataclass(frozen=True)
class Hit:
    html: SafeString
    seq: int = 0
    """Of the event with these words; 0: they stand in the summary."""


def rows_of(sessions: Sequence[Session], found: Found | None) -> list[Any]:
    """The same sessions, each with its ``tag_names`` and its ``hit`` (None where there is none). One query, or two."""
    ids = [session.pk for session in sessions]
    names: dict[str, list[str]] = defaultdict(list)
    tagged = SessionTag.objects.filter(session_id__in=ids).order_by("tag__name")
    for session_id, name in tagged.values_list("session_id", "tag__name"):
        names[session_id].append(name)
    hits = _hits(ids, found) if found and found.query and ids else {}
    rows: list[Any] = list(sessions)
    for row in rows:
        row.tag_names, row.hit = names[row.pk], hits.get(row.pk)
    return rows


def _hits(ids: Sequence[str], found: Found) -> dict[str, Hit]:
    if found.events:
        wanted = [found.events[one] for one in ids if one in found.events]
        events = SessionEvent.objects.filter(pk__in=wanted).annotate(cut=_headline("content", found.query))
        return {
            key: Hit(marked(cut), seq) for key, cut, seq in events.values_list("session_id", "cut", "seq")
        }
    told = Session.objects.filter(pk__in=ids).exclude(summary="").order_by()
    cuts = told.annotate(cut=_headline("summary", found.query)).values_list("pk", "cut")
    return {key: Hit(marked(cut)) for key, cut in cuts if _MARKED.search(cut)}


def _headline(column: str, query: Any) -> SearchHeadline:
    return SearchHeadline(
        Left(column, HEADLINE_CHARS),
        query,
        config="simple",
        start_sel=_START,
        stop_sel=_STOP,
        max_words=24,
        min_words=10,
    )


def _in_words(text: str) -> str:
    return _SIGNS.sub(lambda sign: " " if "|" in sign.group() else "", _LINK.sub(r"\1", text))


def marked(text: str) -> SafeString:
    """The words of a piece of Markdown, escaped, with what stands between the two signs in a ``mark``."""
    pieces: list[tuple[SafeString]] = []
    for place, piece in enumerate(_MARKED.split(_in_words(text))):
        plain = piece.replace(_START, "").replace(_STOP, "")
        pieces.append((format_html("<mark>{}</mark>" if place % 2 else "{}", plain),))
    return format_html_join("", "{}", pieces)
