"""What a visitor names without its session: a response, an item, a request that comes again. Another's is as none at all."""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Now

from sessions_app.log.events import (
    Event,
    ItemDeleted,
    Record,
    ResponseDone,
    ResponseQueued,
    ResponseStarted,
    ToolApproval,
    ToolResult,
)
from sessions_app.log.journal_sql import beginning_of
from sessions_app.log.lifecycle import Visitor, visible_to
from sessions_app.log.replay import read_history
from sessions_app.log.rows import COLUMNS, Row, decode_row
from sessions_app.log.state import SessionState
from sessions_app.models import BEGUN_EVENTS, ITEM_EVENTS, Session, SessionEvent

_KNOWN_AGAIN = timedelta(hours=24)
_OURS = re.compile(r"item_[0-9a-f]{24}")
"""An id that nobody guesses: who knows one of nobody's session was told it."""


class Place(NamedTuple):
    """Where the log tells of a response first."""

    session_id: str
    response_id: str
    seq: int
    is_nobodys: bool = False
    """Its session has no owner: who knows the response's id was told it, and may come back by it."""


class KeptSession(NamedTuple):
    session_id: str
    created_at: float
    """Unix seconds."""
    state: SessionState


def find_response(*, response_id: str, visitor: Visitor) -> Place | None:
    """None as well where the client has deleted it."""
    began = SessionEvent.objects.filter(event_type__in=BEGUN_EVENTS)
    began = began.annotate(response=KT("payload__response_id")).filter(response=response_id)
    found = _place(began.filter(_mine(visitor) | _NOBODYS).order_by("seq"))
    return None if found is None or _is_deleted(found) else found


def find_request(*, request_keys: Sequence[str], visitor: Visitor) -> Place | None:
    """The last response that was asked for by that request, in the last day."""
    asked = SessionEvent.objects.filter(
        payload__has_key="request_key", created_at__gt=Now() - _KNOWN_AGAIN
    ).annotate(key=KT("payload__request_key"))
    return _place(
        asked.filter(_mine(visitor) | _NOBODYS, key__in=request_keys).order_by("-created_at", "-seq")
    )


def steered_from(place: Place) -> Place | None:
    """The response that takes up what was said into this one."""
    asked = SessionEvent.objects.filter(
        session_id=place.session_id,
        event_type=ResponseQueued.event_type,
        seq__gt=place.seq,
        payload__options__asked__steers=place.response_id,
    )
    return _place(asked.order_by("seq"))


def find_session(*, session_id: str, visitor: Visitor) -> KeptSession | None:
    mine = Session.objects.filter(visible_to(visitor), session_id=session_id)
    created_at = mine.values_list("created_at", flat=True).first()
    if created_at is None:
        return None
    state = SessionState(read_history(session_id=session_id))
    return KeptSession(session_id, created_at.timestamp(), state)


_LATELY = 50


def begun_with(*, text: str, visitor: Visitor) -> list[str]:
    """Of a user's last sessions those that began with it, as far as `Session.first_words` tells; the newest first."""
    if visitor.user_id is None:
        return []
    mine = Session.objects.filter(user_id=visitor.user_id)
    if visitor.external_user_id:
        mine = mine.filter(external_user_id=visitor.external_user_id)
    lately = mine.order_by("-start_time").values_list(
        "session_id", "external_user_id", "first_words", "erased_at"
    )[:_LATELY]
    wanted = visitor.external_user_id, beginning_of(text), None
    return [session_id for session_id, *about in lately if tuple(about) == wanted]


def is_there(*, session_id: str, visitor: Visitor) -> bool:
    """A session that the visitor may open."""
    return Session.objects.filter(visible_to(visitor), session_id=session_id).exists()


def has_words(*, session_id: str) -> bool:
    """Somebody has said something in that session."""
    return Session.objects.filter(session_id=session_id, user_messages__gt=0).exists()


def denied_in(*, session_id: str) -> list[str]:
    """The approval requests of a session that somebody has said no to."""
    said = SessionEvent.objects.filter(session_id=session_id, event_type=ToolApproval.event_type)
    return list(said.filter(payload__approve=False).values_list(KT("payload__approval_id"), flat=True))


def settled_in(*, session_id: str) -> set[str]:
    """The approval requests of a session that are decided about: a no, or the last yes that was missing."""
    said = SessionEvent.objects.filter(session_id=session_id, event_type=ToolApproval.event_type)
    rows = said.filter(Q(payload__approve=False) | Q(payload__missing__isnull=True) | Q(payload__missing=0))
    return set(rows.values_list(KT("payload__approval_id"), flat=True))


_MOST_PARTS = 64


def answer_of(*, session_id: str) -> list[Place]:
    """The last answer of a conversation: the responses that it is made of, the first one first. One that a dead process left is told
    by the response that was tried first; one that waited for a person's yes goes on in another. Empty where there is none."""
    began = SessionEvent.objects.filter(session_id=session_id, event_type__in=BEGUN_EVENTS)
    began = began.annotate(response=KT("payload__response_id"), about=KT("payload__options__conversation"))
    rows = began.filter(Q(about__isnull=True) | ~Q(about="none"))
    places: list[Place] = []
    for _ in range(_MOST_PARTS):
        columns = rows.order_by("-seq").values_list(*COLUMNS).first()
        if columns is None:
            break
        event = decode_row(Row(*columns))[0].event
        assert isinstance(event, ResponseQueued | ResponseStarted)
        is_same = isinstance(event, ResponseStarted) and event.attempt > 1
        if not is_same:
            seq = began.filter(response=event.response_id).order_by("seq").values_list("seq", flat=True)[0]
            places.insert(0, Place(session_id, event.response_id, seq))
        before = event.retry_of if is_same else event.continues
        if before is None:
            break
        rows = began.filter(response=before)
    return places


_LAST_BEGUN = 64
"""More turns than may wait."""


def goes_on(*, session_id: str) -> bool:
    """Whether a response runs or waits, as far as the log tells: one of the last ones has no end."""
    return bool(_without_end(session_id, SessionEvent.objects.all()))


def open_answers(*, session_id: str) -> list[str]:
    """The responses of the conversation that run or wait, the newest first."""
    about = SessionEvent.objects.annotate(about=KT("payload__options__conversation"))
    return _without_end(session_id, about.filter(Q(about__isnull=True) | ~Q(about="none")))


def _without_end(session_id: str, rows: QuerySet[SessionEvent]) -> list[str]:
    begun = rows.filter(session_id=session_id, event_type__in=BEGUN_EVENTS).order_by("-seq")
    seqs = dict(begun.values_list(KT("payload__response_id"), "seq")[:_LAST_BEGUN])
    if not seqs:
        return []
    ends = SessionEvent.objects.filter(session_id=session_id, event_type=ResponseDone.event_type)
    ended = set(ends.filter(seq__gt=min(seqs.values())).values_list(KT("payload__response_id"), flat=True))
    return [response_id for response_id in seqs if response_id not in ended]


def find_items(*, item_ids: Iterable[str], visitor: Visitor) -> dict[str, Record]:
    """By their ids, those that there are and that were not deleted; of an id that several sessions know, the newest."""
    named = list(item_ids)
    ours = [item_id for item_id in named if _OURS.fullmatch(item_id)]
    rows = SessionEvent.objects.filter(event_type__in=ITEM_EVENTS).annotate(item=KT("payload__item_id"))
    rows = rows.filter(_mine(visitor) | Q(_NOBODYS, item__in=ours), item__in=named)
    return _not_deleted(rows.order_by("created_at", "seq"))


def _not_deleted(rows: QuerySet[SessionEvent]) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for item_id, *columns in rows.values_list("item", *COLUMNS):
        record = decode_row(Row(*columns))[0]
        if isinstance(record.event, ItemDeleted):
            found.pop(item_id, None)
        else:
            found[item_id] = record
    return found


def results_of(*, session_id: str, item_ids: Sequence[str]) -> dict[str, Record]:
    """What tools gave: the server's by the items of their calls, a client's by their own."""
    rows = SessionEvent.objects.filter(session_id=session_id, event_type=ToolResult.event_type)
    rows = rows.annotate(item=KT("payload__item_id")).filter(item__in=item_ids).order_by()
    return {item_id: decode_row(Row(*columns))[0] for item_id, *columns in rows.values_list("item", *COLUMNS)}


class KeptItem(NamedTuple):
    event: Event
    result: Event | None
    """Of a call of the server's, as far as there is one."""


def items_of(*, session_id: str, item_ids: Sequence[str]) -> dict[str, KeptItem]:
    """Those of a session that the visitor may see, in that order; what was deleted is left out."""
    rows = SessionEvent.objects.filter(session_id=session_id, event_type__in=ITEM_EVENTS)
    rows = rows.annotate(item=KT("payload__item_id")).filter(item__in=item_ids).order_by("seq")
    made = _not_deleted(rows)
    results = results_of(session_id=session_id, item_ids=item_ids)
    found: dict[str, KeptItem] = {}
    for item_id in item_ids:
        result = results[item_id].event if item_id in results else None
        if item_id in made:
            found[item_id] = KeptItem(made[item_id].event, result)
        elif result:
            found[item_id] = KeptItem(result, None)
    return found


_NOBODYS = Q(
    session__erased_at__isnull=True,
    session__user__isnull=True,
    session__guest_id="",
    session__external_user_id="",
)


def _mine(visitor: Visitor) -> Q:
    return visible_to(visitor, at="session__")


def _place(rows: QuerySet[SessionEvent]) -> Place | None:
    nobodys = ExpressionWrapper(_NOBODYS, output_field=BooleanField())
    row = rows.annotate(nobodys=nobodys).values_list("session_id", "payload__response_id", "seq", "nobodys")
    found = row.first()
    return Place(*found) if found else None


def _is_deleted(place: Place) -> bool:
    rows = SessionEvent.objects.filter(event_type=ItemDeleted.event_type, session_id=place.session_id)
    return rows.annotate(item=KT("payload__item_id")).filter(item=place.response_id).exists()


class ItemPage(NamedTuple):
    records: list[Record]
    has_more: bool


_GIVEN = Q(event_type__in=[one for one in ITEM_EVENTS if one != "item_deleted"]) | Q(
    ~Q(payload__has_key="response_id"), event_type=ToolResult.event_type
)


def item_page(*, session_id: str, after: str | None, limit: int, descending: bool) -> ItemPage:
    """The items of a session in the order in which they came into it, after that one; deleted ones left out."""
    rows = SessionEvent.objects.filter(_GIVEN, session_id=session_id).annotate(item=KT("payload__item_id"))
    rows = rows.order_by("-seq" if descending else "seq")
    if after is not None:
        seq = rows.filter(item=after).values_list("seq", flat=True).first()
        if seq is None:
            return ItemPage([], False)
        rows = rows.filter(seq__lt=seq) if descending else rows.filter(seq__gt=seq)
    gone = SessionEvent.objects.filter(session_id=session_id, event_type=ItemDeleted.event_type)
    deleted = set(gone.annotate(item=KT("payload__item_id")).values_list("item", flat=True))
    found = rows.exclude(item__in=deleted).values_list(*COLUMNS)[: limit + 1]
    records = [decode_row(Row(*columns))[0] for columns in found]
    return ItemPage(records[:limit], len(records) > limit)
