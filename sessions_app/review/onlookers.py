"""Who of the staff has the page of a session open, in whichever process: rows that are renewed while the page is there."""

import contextlib
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.db.models.functions import Now

from sessions_app.models import Onlooker, ReviewEvent, Session

GONE = timedelta(seconds=20)
"""Whose process has said nothing for so long is not there: it died."""


class There(NamedTuple):
    """One of a process."""

    connection_id: str
    session_id: str
    staff_id: int


def come(one: There) -> None:
    Onlooker.objects.create(**one._asdict())


def leave(connection_ids: Iterable[str]) -> None:
    Onlooker.objects.filter(connection_id__in=list(connection_ids)).delete()


def renew(there: Collection[There]) -> None:
    """And forget those whose process does it no more. One that was forgotten, because its process could not say so for long, is there
    again; not where its session, or who looks, is gone."""
    known = Onlooker.objects.filter(connection_id__in=[one.connection_id for one in there])
    if known.update(seen_at=Now()) < len(there):
        kept = set(known.values_list("connection_id", flat=True))
        for one in there:
            if one.connection_id not in kept:
                with contextlib.suppress(IntegrityError), transaction.atomic():
                    come(one)
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
