"""What users call their sessions. It is no event: nothing that was said changes by it, and no client and no model is told."""

import unicodedata

from django.db.models import OuterRef, Subquery, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Left

from sessions_app.log.events import SummaryWritten
from sessions_app.models import Session, SessionEvent

TITLE_CHARS = 200
"""As the column has it."""
_KEPT = "\u200c\u200d"
"""Joiners: words of some languages, and some emoji, are made with them."""
_UNSEEN = ("Cc", "Cf", "Cs")


def clean_title(text: str) -> str:
    """One line, without characters that nobody sees: some turn the words around them."""
    words = "".join(
        one for one in " ".join(text.split()) if one in _KEPT or unicodedata.category(one) not in _UNSEEN
    )
    return " ".join(words.split())


def name_session(*, session_id: str, title: str) -> None:
    """``title`` as `clean_title` gave it, at most `TITLE_CHARS`. An empty one gives the summary's back, as soon as there is one."""
    sessions = Session.objects.filter(pk=session_id, erased_at__isnull=True)
    if title:
        sessions.update(title=title, named=True)
    else:
        sessions.update(title=_of_the_summary(), named=False)


def pin_session(*, session_id: str, pinned: bool) -> None:
    Session.objects.filter(pk=session_id, erased_at__isnull=True).update(pinned=pinned)


def _of_the_summary() -> Coalesce:
    written = SessionEvent.objects.filter(
        session_id=OuterRef("session_id"), event_type=SummaryWritten.event_type
    )
    titles = written.order_by("-seq").annotate(told=Left(KT("payload__title"), TITLE_CHARS)).values("told")
    return Coalesce(Subquery(titles[:1], output_field=TextField()), Value(""))
