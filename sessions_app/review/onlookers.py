"""Who of the staff has the page of a session open, in whichever process: rows that are renewed while the page is there."""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Max
from django.db.models.functions import Now

from sessions_app.models import Onlooker, ReviewEvent, Session

GONE = timedelta(seconds=20)
"""Whose process has said nothing for so long is not there: it died."""


def come(*, connection_id: str, session_id: str, staff_id: int) -> None:
    Onlooker.objects.create(connection_id=connection_id, session_id=session_id, staff_id=staff_id)


def leave(connection_ids: Iterable[str]) -> None:
    Onlooker.objects.filter(connection_id__in=list(connection_ids)).delete()


def renew(connection_ids: Iterable[str]) -> None:
    """And forget those whose process does it no more."""
    Onlooker.objects.filter(connection_id__in=list(connection_ids)).update(seen_at=Now())
    Onlooker.objects.filter(seen_at__lt=Now() - 3 * GONE).delete()


def present(session_ids: Iterable[str]) -> dict[str, list[str]]:
    """By session: their names, each once, in the order of the alphabet."""
    there = Onlooker.objects.filter(session_id__in=list(session_ids), seen_at__gt=Now() - GONE)
    names: dict[str, set[str]] = {}
    for session_id, name in there.order_by().values_list("session_id", "staff__username"):
        names.setdefault(session_id, set()).add(name)
    return {session_id: sorted(found) for session_id, found in names.items()}


def reviewed(session_ids: Iterable[str]) -> dict[str, int]:
    """By session, where reviewers did something: the id of their last act."""
    done = ReviewEvent.objects.filter(session_id__in=list(session_ids)).order_by()
    return dict(done.values_list("session_id").annotate(Max("id")))


def readable(session_id: str) -> bool:
    return Session.objects.filter(pk=session_id, erased_at__isnull=True).exists()
