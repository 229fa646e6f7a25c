"""What the desk knows of sessions, for files: asked once for many of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, F, OuterRef, Subquery, TextField, Value
from django.db.models.functions import Coalesce, Concat

from sessions_app.models import ReviewNote, Session, SessionTag

REVIEW_FIELDS = ("review_state", "score", "score_reason", "tags", "assignee", "notes", "notes_text")
"""In the order in which files have them; ``notes`` is their number, ``notes_text`` what they say, each with its author."""
_MOST_NOTES = 100


def read_reviews(session_ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """By the session's id. One query."""
    tags = SessionTag.objects.filter(session_id=OuterRef("pk")).order_by("tag__name").values("tag__name")
    notes = ReviewNote.objects.filter(session_id=OuterRef("pk")).order_by().values("session_id")
    said = Concat("author_name", Value(": "), "text", output_field=TextField())
    texts = (
        ReviewNote.objects.filter(session_id=OuterRef("pk")).order_by("id").values_list(said)[:_MOST_NOTES]
    )
    found = Session.objects.filter(pk__in=list(session_ids)).order_by()
    rows = found.values_list(
        "pk",
        "review_state",
        "review__score",
        Coalesce("review__score_reason", Value("")),
        ArraySubquery(tags),
        Coalesce(F(f"assignee__{get_user_model().USERNAME_FIELD}"), Value("")),
        Coalesce(Subquery(notes.annotate(count=Count("pk")).values("count")), 0),
        ArraySubquery(texts),
    )
    return {
        pk: dict(zip(REVIEW_FIELDS, (*values, "\n\n".join(notes)), strict=True))
        for pk, *values, notes in rows
    }
