"""Signing in and out: a guest's sessions become the user's, and the browser becomes another guest. With the account they are
closed."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import pre_delete
from django.http import HttpRequest, HttpResponseBase

from identity.ends import tell
from identity.guests import GUEST_COOKIE, MAX_AGE_S, issue_guest_id, read_guest_cookie, sign_guest_id
from sessions_app.files.keeping import adopt_files, forget_files, unused_files
from sessions_app.log.lifecycle import Visitor, adopt_sessions, leave_to_nobody

_NEW_GUEST = "is_another_guest"
"""The attribute of a request whose response changes the guest's cookie."""


def set_guest_cookie(response: HttpResponseBase, guest_id: str) -> None:
    response.set_cookie(
        GUEST_COOKIE,
        sign_guest_id(guest_id),
        max_age=MAX_AGE_S,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def with_new_guest(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The response, with another guest's cookie where `connect_signals` heard of a sign-in or a sign-out."""
    if getattr(request, _NEW_GUEST, False):
        set_guest_cookie(response, issue_guest_id())
    return response


def _signed_in(request: HttpRequest | None, user: Any, **_: object) -> None:
    if request is None:
        return
    guest_id = read_guest_cookie(request.COOKIES.get(GUEST_COOKIE)) or ""
    if adopt_sessions(guest_id=guest_id, user_id=user.pk):
        tell()
    adopt_files(guest_id=guest_id, user_id=user.pk)
    setattr(request, _NEW_GUEST, True)


def _signed_out(request: HttpRequest | None, **_: object) -> None:
    if request is not None:
        setattr(request, _NEW_GUEST, True)


def _deleted(instance: Any, **_: object) -> None:
    leave_to_nobody(user_id=instance.pk)
    forget_files(unused_files(Visitor(user_id=instance.pk)))


def connect_signals() -> None:
    pre_delete.connect(_deleted, sender=get_user_model(), dispatch_uid="identity.adoption.deleted")
    user_logged_in.connect(_signed_in, dispatch_uid="identity.adoption.in")
    user_logged_out.connect(_signed_out, dispatch_uid="identity.adoption.out")
