"""A visitor's own sessions: those that they keep at the top, then by when somebody last spoke in them, a page at a time."""

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Left, NullIf

from sessions_app.log.events import UserMessage
from sessions_app.models import Session, SessionEvent
from sessions_app.selectors.said import SPOKEN, cuts, with_words

_TITLE_CHARS = 120
_COLUMNS = (
    "session_id",
    "shown_title",
    "named",
    "pinned",
    "start_time",
    "word_at",
    "last_event_at",
    "status",
    "assistant",
    "summary",
)


class InvalidCursor(ValueError):
    """The cursor is none of ours."""


@dataclass(frozen=True, kw_only=True)
class RecentSession:
    session_id: str
    title: str
    """What the user calls it, else the summary's title; until that is written, the beginning of what the user said first."""
    named: bool
    pinned: bool
    started_at: datetime
    last_word_at: datetime
    """When the user or a model last said something."""
    last_event_at: datetime
    status: str
    assistant: str
    """By its name in addresses; empty: the server's own."""
    summary: str
    """Of the last end that has one, as Markdown."""
    cut: str = ""
    """Where the words that were looked for were said last (`sessions_app.selectors.said.cuts`); empty: nowhere."""


@dataclass(frozen=True, kw_only=True)
class RecentSessions:
    sessions: list[RecentSession]
    next_cursor: str | None
    """Ask with it for the page after this one; None: this is the last."""


@dataclass(frozen=True, order=True)
class _Place:
    pinned: bool
    at: datetime
    session_id: str


def recent_sessions(
    *,
    user_id: int | None,
    guest_id: str,
    external_user_id: str = "",
    words: str = "",
    as_begun: bool = False,
    cursor: str | None = None,
    limit: int = 30,
) -> RecentSessions:
    """The sessions of the user (or of one user of theirs), or of the guest's cookie, or of both (a guest who signed in), in
    which somebody spoke; with ``words``, those that are called so or in which they were said.

    A session that is nobody's in particular is in no list: its id is the key to it. One query per kind of owner, so
    that each follows its own index whatever the size of the table; all of one person's are looked at to sort them.
    ``as_begun``: newest first, by the index alone, for an owner who has no end of them. Raises `InvalidCursor`, and
    TimeoutError for words that are too common.
    """
    place = _decode_cursor(cursor) if cursor else None
    found: list[RecentSession] = []
    said: dict[str, int] = {}
    for owner in _owners(user_id, guest_id, external_user_id):
        sessions = Session.objects.filter(owner, user_messages__gt=0, erased_at__isnull=True)
        if words:
            said |= with_words(sessions, words)
            sessions = sessions.filter(pk__in=said)
        found += _page(sessions, place, limit + 1, as_begun=as_begun)
    found.sort(key=lambda one: _place_of(one, as_begun=as_begun), reverse=True)
    more = len(found) > limit
    page = found[:limit]
    next_cursor = _encode_cursor(_place_of(page[-1], as_begun=as_begun)) if more else None
    if words:
        cut = cuts([said[one.session_id] for one in page], words)
        page = [replace(one, cut=cut.get(one.session_id, "")) for one in page]
    return RecentSessions(sessions=page, next_cursor=next_cursor)


def one_session(session: QuerySet[Session]) -> RecentSession | None:
    """As the list has it; None where it is not there any more."""
    return next(iter(_read(session.filter(erased_at__isnull=True))), None)


def _owners(user_id: int | None, guest_id: str, external_user_id: str) -> list[Q]:
    owners = []
    if user_id is not None:
        whose = Q(external_user_id=external_user_id) if external_user_id else Q()
        owners.append(Q(whose, user_id=user_id))
    if guest_id:
        owners.append(Q(user_id__isnull=True, guest_id=guest_id))
    return owners


def _page(
    sessions: QuerySet[Session], place: _Place | None, limit: int, *, as_begun: bool
) -> list[RecentSession]:
    if as_begun:
        if place:
            sessions = sessions.filter(
                Q(start_time__lt=place.at) | Q(start_time=place.at, session_id__lt=place.session_id),
                start_time__lte=place.at,  # what the index can use; the line above it cannot
            )
        return _read(sessions.order_by("-start_time", "-session_id")[:limit])
    sessions = sessions.alias(word_at=_last_word_at())
    if place:
        later = Q(word_at__lt=place.at) | Q(word_at=place.at, session_id__lt=place.session_id)
        same = Q(later, pinned=place.pinned)
        sessions = sessions.filter(same | Q(pinned=False) if place.pinned else same)
    return _read(sessions.order_by("-pinned", "-word_at", "-session_id")[:limit])


def _read(sessions: QuerySet[Session]) -> list[RecentSession]:
    rows = sessions.annotate(shown_title=_title(), word_at=_last_word_at()).values_list(*_COLUMNS)
    return [
        RecentSession(
            session_id=key,
            title=title,
            named=named,
            pinned=pinned,
            started_at=started,
            last_word_at=word,
            last_event_at=last,
            status=status,
            assistant=assistant,
            summary=summary,
        )
        for key, title, named, pinned, started, word, last, status, assistant, summary in rows
    ]


def _title() -> Coalesce:
    messages = SessionEvent.objects.filter(
        session_id=OuterRef("session_id"), event_type=UserMessage.event_type
    )
    beginning = messages.order_by("seq").values(beginning=Left("content", _TITLE_CHARS))[:1]
    called = [NullIf(F(name), Value("")) for name in ("title", "first_words")]
    return Coalesce(
        *called, Subquery(beginning), Value("")
    )  # the log tells for a row that was written without first words


def _last_word_at() -> Coalesce:
    """By the log and not by `last_event_at`, which moves when somebody only looks in."""
    said = SessionEvent.objects.filter(session_id=OuterRef("session_id"), event_type__in=SPOKEN)
    return Coalesce(Subquery(said.order_by("-seq").values("created_at")[:1]), F("start_time"))


def _place_of(session: RecentSession, *, as_begun: bool) -> _Place:
    if as_begun:
        return _Place(False, session.started_at, session.session_id)
    return _Place(session.pinned, session.last_word_at, session.session_id)


def _encode_cursor(place: _Place) -> str:
    text = f"{place.pinned:d} {place.at.isoformat()} {place.session_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> _Place:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        pinned, at, session_id = text.split(" ")
        place = _Place(pinned == "1", datetime.fromisoformat(at), session_id)
    except (ValueError, binascii.Error) as error:
        raise InvalidCursor("The cursor is not one that this server gave.") from error
    if place.at.tzinfo is None or "\x00" in session_id:
        raise InvalidCursor("The cursor is not one that this server gave.")
    return place
