"""A visitor's own sessions, newest first, a page at a time."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Left, NullIf

from sessions_app.log.events import UserMessage
from sessions_app.models import Session, SessionEvent

_TITLE_CHARS = 120


class InvalidCursor(ValueError):
    """The cursor is none of ours."""


@dataclass(frozen=True, kw_only=True)
class RecentSession:
    session_id: str
    title: str
    """The summary's title; until it is written, the beginning of what the user said first."""
    started_at: datetime
    last_event_at: datetime
    status: str
    assistant: str
    """By its name in addresses; empty: the server's own."""


@dataclass(frozen=True, kw_only=True)
class RecentSessions:
    sessions: list[RecentSession]
    next_cursor: str | None
    """Ask with it for the page after this one; None: this is the last."""


def recent_sessions(
    *,
    user_id: int | None,
    guest_id: str,
    external_user_id: str = "",
    cursor: str | None = None,
    limit: int = 30,
) -> RecentSessions:
    """The sessions of the user (or of one user of theirs), or of the guest's cookie, or of both (a guest who signed in), in
    which somebody spoke.

    A session that is nobody's in particular is in no list: its id is the key to it. One query per kind of owner, so
    that each follows its own index whatever the size of the table. Raises `InvalidCursor`.
    """
    place = _decode_cursor(cursor) if cursor else None
    found = [
        session
        for owner in _owners(user_id, guest_id, external_user_id)
        for session in _page(owner, place, limit + 1)
    ]
    found.sort(key=lambda one: (one.started_at, one.session_id), reverse=True)
    more = len(found) > limit
    page = found[:limit]
    return RecentSessions(sessions=page, next_cursor=_encode_cursor(page[-1]) if more else None)


def _owners(user_id: int | None, guest_id: str, external_user_id: str) -> list[Q]:
    owners = []
    if user_id is not None:
        whose = Q(external_user_id=external_user_id) if external_user_id else Q()
        owners.append(Q(whose, user_id=user_id))
    if guest_id:
        owners.append(Q(user_id__isnull=True, guest_id=guest_id))
    return owners


def _page(owner: Q, place: tuple[datetime, str] | None, limit: int) -> list[RecentSession]:
    sessions = Session.objects.filter(owner, user_messages__gt=0, erased_at__isnull=True)
    if place:
        started_at, session_id = place
        sessions = sessions.filter(
            Q(start_time__lt=started_at) | Q(start_time=started_at, session_id__lt=session_id),
            start_time__lte=started_at,  # what the index can use; the line above it cannot
        )
    rows = sessions.annotate(shown_title=_title()).order_by("-start_time", "-session_id")[:limit]
    return [
        RecentSession(
            session_id=key,
            title=title,
            started_at=started,
            last_event_at=last,
            status=status,
            assistant=assistant,
        )
        for key, title, started, last, status, assistant in rows.values_list(
            "session_id", "shown_title", "start_time", "last_event_at", "status", "assistant"
        )
    ]


def _title() -> Coalesce:
    messages = SessionEvent.objects.filter(
        session_id=OuterRef("session_id"), event_type=UserMessage.event_type
    )
    first_words = messages.order_by("seq").values(beginning=Left("content", _TITLE_CHARS))[:1]
    return Coalesce(NullIf(F("title"), Value("")), Subquery(first_words), Value(""))


def _encode_cursor(session: RecentSession) -> str:
    text = f"{session.started_at.isoformat()} {session.session_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        started_at, _, session_id = text.partition(" ")
        place = datetime.fromisoformat(started_at), session_id
    except (ValueError, binascii.Error) as error:
        raise InvalidCursor("The cursor is not one that this server gave.") from error
    if place[0].tzinfo is None or "\x00" in session_id:
        raise InvalidCursor("The cursor is not one that this server gave.")
    return place
