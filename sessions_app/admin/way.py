"""How a session was reached, and so where back, next and previous lead: its list, its queue, what waits, its person's page, the
dashboard, the mentions, its own replay."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from sessions_app.admin.changelist import NEWEST_FIRST
from sessions_app.admin.deciding import may_put_away
from sessions_app.admin.person_address import person_at
from sessions_app.admin.saved_views import number_of, source_of
from sessions_app.admin.walk import (
    DASHBOARD,
    FILTERS,
    INBOX,
    MENTIONS,
    PERSON,
    QUEUE,
    beside,
    list_url,
    neighbour,
    said_at,
    session_url,
    way_of,
)
from sessions_app.desk.waiting import BY_STAFF, KEPT
from sessions_app.models import AttentionKind, InboxItem, Session
from sessions_app.review.dashboard import SLOWEST, listed, slowest_places
from sessions_app.review.inbox import TITLES, settled_words
from sessions_app.selectors.figures import last_failures
from sessions_app.selectors.inbox import SETTLED, decisions_of, next_item, place_of

MAX_PLACE_CHARS = 200
OF = "of"
"""In the address of a person's page: the session that it was opened from."""
REPLAY = "replay"
"""In that of a transcript that was opened from its replay: the seq at which it was."""


def way_context(request: HttpRequest) -> dict[str, Any]:
    """For the links of a session's pages."""
    way = way_of(request)
    query = f"?{urlencode(way)}" if way else ""
    back_url, back_words = back_of(request)
    return {
        "way_query": query,
        "way_more": f"{query}&" if query else "?",
        "from_queue": QUEUE in way,
        "queue_view": way.get(QUEUE, ""),
        "list_url": back_url,
        "back_words": back_words,
        "waits": waits_of(way.get(INBOX, "")),
        "may_put_away": may_put_away(request),
    }


def back_of(request: HttpRequest) -> tuple[str, str]:
    """The address and the name of the page that the session was opened from."""
    way = way_of(request)
    if QUEUE in way:
        source = source_of(request, way[QUEUE])
        words = f"Queue: {source.name}" if source.key else "Queue"
        return queue_url(source.key), words
    if INBOX in way:
        kind = _item_and_kind(way[INBOX])[1]
        return inbox_url(kind), "Back to Settled" if kind == SETTLED else "Back to Waiting for you"
    if PERSON in way and (url := _person_page(way[PERSON])):
        return url, "Back to the person"
    if DASHBOARD in way:
        window = way[DASHBOARD].partition(":")[0]
        return f"{reverse('admin:index')}?{urlencode({'window': window})}", "Back to the dashboard"
    if MENTIONS in way:
        return reverse("admin:sessions_app_session_mentions"), "Back to Mentions"
    return list_url(way.get(FILTERS, "")), "Back to list"


def back_to_replay(request: HttpRequest, session: Session) -> dict[str, str]:
    """For the transcript that was opened from its replay: the way back is to where the replay was. Else nothing."""
    at = request.GET.get(REPLAY, "")
    if not (at.isascii() and at.isdigit()):
        return {}
    page = reverse("admin:sessions_app_session_replay", args=[quote(session.pk)])
    return {
        "list_url": f"{page}?{urlencode({**way_of(request), 'at': at[:20]})}",
        "back_words": "Back to the replay",
    }


def place_in(request: HttpRequest) -> dict[str, str]:
    """At which message a session was opened, with what was looked for, and from where in its replay."""
    return {
        name: request.GET[name][:MAX_PLACE_CHARS]
        for name in ("hit", "words", "replay")
        if name in request.GET
    }


def back_to_answer(request: HttpRequest, session: Session, seq: int | None) -> dict[str, str]:
    """For the replay that was opened at a place of the transcript: the way back is to that place. Else nothing."""
    if not seq:
        return {}
    url = session_url(session.pk, hit=str(seq), **way_of(request))
    return {"list_url": url, "back_words": "Back to the transcript"}


def back_of_person(request: HttpRequest) -> tuple[str, str]:
    """The same for a person's page."""
    session_id = request.GET.get(OF, "").replace("\x00", "")[:128]
    if session_id:
        return session_url(session_id, **place_in(request), **way_of(request)), "Back to the conversation"
    if PERSON in request.GET and (url := _person_page(request.GET[PERSON])):
        return url, "Back"
    return list_url(request.GET.get(FILTERS, "")), "Back to list"


def _person_page(address: str) -> str:
    """Empty: it is none."""
    kind, _, query = address.partition("?")
    known = kind in ("user", "guest", "external")
    return f"{reverse('admin:sessions_app_session_person', args=[kind])}?{query}" if known else ""


def queue_url(key: str) -> str:
    page = reverse("admin:sessions_app_session_queue")
    return f"{page}?{urlencode({'view': key})}" if key else page


def inbox_url(kind: str) -> str:
    page = reverse("admin:sessions_app_inboxitem_changelist")
    return f"{page}?{urlencode({'kind': kind})}" if kind else page


# What waits


@dataclass(frozen=True)
class Waits:
    """What the session was opened for."""

    item: InboxItem
    kind: str

    @property
    def can_be_put_away(self) -> bool:
        return self.item.settled_at is None and self.item.kind not in KEPT

    @property
    def can_come_back(self) -> bool:
        return self.item.settled_how in BY_STAFF

    @property
    def settled(self) -> str:
        """How, and by whom; empty: it waits."""
        if not self.item.settled_at:
            return ""
        return settled_words(self.item, decisions_of([self.item]).get(self.item.pk, ()))


def waits_of(value: str) -> Waits | None:
    number, kind = _item_and_kind(value)
    item = None if number is None else InboxItem.objects.filter(pk=number).first()
    return Waits(item, kind) if item else None


def _item_and_kind(value: str) -> tuple[int | None, str]:
    number, _, kind = value.partition(":")
    return number_of(number), kind if kind in (*AttentionKind.values, SETTLED) else ""


def item_url(item: InboxItem, kind: str) -> str:
    """At the very place in its transcript."""
    seq = place_of(item)
    return f"{session_url(item.session_id, hit=str(seq), **{INBOX: f'{item.pk}:{kind}'})}#seq-{seq}"


# Along them


def walk(request: HttpRequest, model_admin: Any, session: Session, *, forward: bool) -> HttpResponse:
    """To the next one, or the one before."""
    way = way_of(request)
    if INBOX in way:
        return walk_inbox(request, forward=forward)
    return walk_to(request, found_beside(request, model_admin, session, forward=forward), forward=forward)


def walk_inbox(request: HttpRequest, *, forward: bool = True) -> HttpResponse:
    waits = waits_of(way_of(request).get(INBOX, ""))
    me = request.user.get_username()
    found = waits and next_item(waits.item, name=me, kind=waits.kind, forward=forward)
    if not waits or not found:
        kind = waits.kind if waits else ""
        which = {"": "what waits", SETTLED: "what is settled"}.get(kind) or f"“{TITLES[AttentionKind(kind)]}”"
        messages.info(request, f"That was the {'last' if forward else 'first'} of {which}.")
        return HttpResponseRedirect(inbox_url(waits.kind if waits else ""))
    return HttpResponseRedirect(item_url(found, waits.kind))


def found_beside(
    request: HttpRequest, model_admin: Any, session: Session, *, forward: bool = True
) -> Session | None:
    way = way_of(request)
    if DASHBOARD in way:
        return _beside_on_dashboard(way[DASHBOARD], session, forward=forward)
    if PERSON not in way:
        return neighbour(request, model_admin, session, way.get(FILTERS, ""), forward=forward)
    person = _person_of(way[PERSON])
    return person and beside(person, session, forward=forward)


def _beside_on_dashboard(value: str, session: Session, *, forward: bool) -> Session | None:
    """From one that the list has lost meanwhile, on to its first one."""
    window, _, which = value.partition(":")
    ids = listed(window, which)
    place = ids.index(session.pk) if session.pk in ids else -1
    goal = place + (1 if forward else -1)
    found = ids[goal] if 0 <= goal < len(ids) else None
    return Session.objects.defer("summary").filter(pk=found).first() if found else None


def _person_of(address: str) -> Any:
    kind, _, query = address.partition("?")
    person = person_at(kind, QueryDict(query).get("key", "").replace("\x00", ""))
    return person.sessions().defer("summary").order_by(*NEWEST_FIRST) if person else None


def walk_to(request: HttpRequest, found: Session | None, *, forward: bool = True) -> HttpResponse:
    if found is None:
        messages.info(request, f"That was the {'last' if forward else 'first'} session of this list.")
        return HttpResponseRedirect(back_of(request)[0])
    way = way_of(request)
    if DASHBOARD in way:
        hit = _shown_at(way[DASHBOARD], found)
    else:
        hit = said_at(request, found, way.get(FILTERS, ""))
    return HttpResponseRedirect(session_url(found.pk, **hit, **way))


def _shown_at(value: str, session: Session) -> dict[str, str]:
    """The place for which the dashboard's list names it."""
    window, _, which = value.partition(":")
    if which != SLOWEST:
        return went_wrong_at(session)
    seq = slowest_places(window).get(session.pk)
    return {"hit": str(seq)} if seq else {}


def went_wrong_at(session: Session) -> dict[str, str]:
    """For the address of a session that is opened for what went wrong in it: the place of that, as far as it has one."""
    if session.failed_responses:
        seq, _ = last_failures([session.pk]).get(session.pk, (None, ""))
        return {"hit": str(seq)} if seq else {}
    rated = InboxItem.objects.filter(session_id=session.pk, kind=AttentionKind.BAD_RATING).last()
    return {"hit": str(place_of(rated))} if rated else {}
