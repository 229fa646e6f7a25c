"""Where the page of a person is, and who is meant by such an address: a user, a guest, or one of a shop's own users."""

from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from sessions_app.log.lifecycle import ACCOUNT_DELETED
from sessions_app.models import Session
from sessions_app.privacy.people import Person

USER, GUEST, EXTERNAL = "user", "guest", "external"
MAX_WAY_CHARS = 1_500
"""A way that is longer is forgotten, before the address gets too long for a server."""


def person_url(session: Session, **way: str) -> str:
    """The page of who talked in this session, with the way back; empty where nobody knows them."""
    if session.erased_at or session.external_user_id == ACCOUNT_DELETED:
        return ""
    if session.user_id and session.external_user_id:
        return address(EXTERNAL, f"{session.user_id}:{session.external_user_id}", **way)
    if session.user_id:
        return address(USER, str(session.user_id), **way)
    return address(GUEST, session.guest_id, **way) if session.guest_id else ""


def address(kind: str, key: str, **way: str) -> str:
    """The key goes in the query: in a path a shop's own ids, with line ends or dots in them, would not come back whole."""
    kept = way if sum(map(len, way.values())) <= MAX_WAY_CHARS else {}
    page = reverse("admin:sessions_app_session_person", args=[kind])
    return f"{page}?{urlencode({'key': key, **kept})}"


def person_at(kind: str, key: str) -> Person | None:
    """None: nobody can be called so. Whether there is an account of that number is not looked up."""
    if kind == GUEST and key:
        return Person(guest_id=key)
    user_id, _, external = key.partition(":")
    if kind not in (USER, EXTERNAL) or not (user_id.isascii() and user_id.isdigit() and len(user_id) < 10):
        return None
    fields: dict[str, Any] = {"external_user_id": external} if kind == EXTERNAL else {}
    return Person(user_id=int(user_id), **fields)
