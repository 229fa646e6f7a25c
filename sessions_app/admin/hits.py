"""What the rows of the session list show beside the session's own columns: its tags, and where the searched words stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Subquery, TextField, Value
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from sessions_app.admin.search import Found
from sessions_app.models import AttentionKind, Session, SessionEvent, SessionTag
from sessions_app.review.markdown import pieces
from sessions_app.selectors.inbox import open_items
from sessions_app.selectors.said import START, headline


@dataclass(frozen=True)
class Hit:
    html: SafeString
    seq: int = 0
    """Of the event with these words; 0: they stand in the summary."""


def rows_of(sessions: Sequence[Session], found: Found | None) -> list[Any]:
    """The same sessions, each with its ``tag_names``, what of it ``waits`` (kinds of the inbox), whom a
    customer ``waits_for`` (a name; empty: nobody), and its ``hit`` (None where there is
    none). One query."""
    ids = [session.pk for session in sessions]
    told = Session.objects.filter(pk__in=ids).order_by()
    names = SessionTag.objects.filter(session_id=OuterRef("pk")).order_by("tag__name").values("tag__name")
    waits = open_items().filter(session_id=OuterRef("pk")).order_by("kind").values("kind")
    held = open_items().filter(session_id=OuterRef("pk"), kind=AttentionKind.CUSTOMER).values("waits_for")[:1]
    beside = told.annotate(
        names=ArraySubquery(names),
        waits=ArraySubquery(waits),
        waits_for=Subquery(held),
        **_cuts(ids, found),
    )
    by_id: dict[str, Any] = (
        {each["pk"]: each for each in beside.values("pk", "names", "waits", "waits_for", "cut", "seq")}
        if ids
        else {}
    )
    rows: list[Any] = list(sessions)
    for row in rows:
        one: dict[str, Any] = by_id.get(
            row.pk, {"names": [], "waits": [], "waits_for": None, "cut": None, "seq": 0}
        )
        row.tag_names, row.waits, row.hit = one["names"], one["waits"], _hit(one["cut"], one["seq"])
        row.waits_for = one["waits_for"] or ""
    return rows


def _cuts(ids: Sequence[str], found: Found | None) -> dict[str, Any]:
    """What of each session has the words, and the seq of that event."""
    if not found or not found.query:
        return {"cut": Value(None, TextField()), "seq": Value(0)}
    if not found.events:
        return {"cut": headline("summary", found.query), "seq": Value(0)}
    wanted = [found.events[one] for one in ids if one in found.events]
    hit = SessionEvent.objects.filter(session_id=OuterRef("pk"), pk__in=wanted).order_by()
    cut = hit.annotate(cut=headline("content", found.query)).values("cut")[:1]
    return {"cut": Subquery(cut), "seq": Subquery(hit.values("seq")[:1])}


def _hit(cut: str | None, seq: int | None) -> Hit | None:
    """None: the words are in none of what was cut from."""
    return Hit(marked(cut), seq or 0) if cut and (seq or START in cut) else None


def marked(text: str) -> SafeString:
    """The words of a piece of Markdown, escaped, with what stands between the two signs in a ``mark``."""
    told = (
        format_html("<mark>{}</mark>" if place % 2 else "{}", piece)
        for place, piece in enumerate(pieces(text))
    )
    return format_html_join("", "{}", ((one,) for one in told))
