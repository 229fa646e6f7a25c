"""Users and the state of their accounts."""

import re
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Coalesce

from sessions_app.models import SessionStatus

_ID = re.compile(r"(?P<surely>id:)?(?:user_)?(?P<id>[0-9]{1,18})", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class UserProfile:
    user_id: int
    username: str
    name: str
    email: str
    active: bool
    staff: bool
    superuser: bool
    date_joined: datetime
    last_login: datetime | None
    sessions: int
    open_sessions: int
    messages: int
    """Written by the user, in all sessions."""
    tokens: int
    last_session_at: datetime | None


def user_profile(*, user_id: int) -> UserProfile | None:
    return next(iter(_profiles(Q(pk=user_id), limit=1)), None)


def find_users(*, reference: str, limit: int = 5) -> list[UserProfile]:
    """The users whom a reference may mean: ``user_123``, ``123``, a username, an email; at most ``limit``, one query.

    Names and emails are compared without case. ``id:123`` means the id and nothing else.
    """
    return _profiles(_meant_by(reference.strip().replace("\x00", "")), limit=limit)


def name_of(*, user_id: int | None) -> str:
    """Empty: there is no such user."""
    users = get_user_model()._default_manager.filter(pk=user_id or 0)
    return users.values_list(get_user_model().USERNAME_FIELD, flat=True).first() or ""


def is_active_staff(*, user_id: int | None) -> bool:
    """Whether the user is staff now, whatever they were when they connected."""
    if user_id is None:
        return False
    return get_user_model().objects.filter(pk=user_id, is_active=True, is_staff=True).exists()


def has_permission(*, user_id: int | None, permission: str) -> bool:
    """Whether the user has it now ("app.codename"); nobody has one who is a guest or not active."""
    user = None if user_id is None else get_user_model().objects.filter(pk=user_id).first()
    return user is not None and user.has_perm(permission)


def _meant_by(reference: str) -> Q:
    if not reference:
        return Q(pk__in=[])
    found = _ID.fullmatch(reference)
    by_id = Q(pk=int(found["id"])) if found else Q(pk__in=[])
    if found and found["surely"]:
        return by_id
    return by_id | Q(username__iexact=reference) | Q(email__iexact=reference)


def _profiles(which: Q, *, limit: int) -> list[UserProfile]:
    users = get_user_model().objects.filter(which).defer("password").order_by("pk")
    counted = users.annotate(
        sessions=Count("ai_sessions"),
        open_sessions=Count("ai_sessions", filter=Q(ai_sessions__status=SessionStatus.ACTIVE)),
        messages=Coalesce(Sum("ai_sessions__user_messages"), 0),
        tokens=Coalesce(Sum(F("ai_sessions__input_tokens") + F("ai_sessions__output_tokens")), 0),
        last_session_at=Max("ai_sessions__last_event_at"),
    )
    return [
        UserProfile(
            user_id=user.pk,
            username=user.username,
            name=user.get_full_name(),
            email=user.email,
            active=user.is_active,
            staff=user.is_staff,
            superuser=user.is_superuser,
            date_joined=user.date_joined,
            last_login=user.last_login,
            sessions=user.sessions,
            open_sessions=user.open_sessions,
            messages=user.messages,
            tokens=user.tokens,
            last_session_at=user.last_session_at,
        )
        for user in counted[:limit]
    ]
