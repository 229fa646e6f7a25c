"""From a session to the one before or after it in the list it was opened from, and back to that list."""

from copy import copy
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR
from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from sessions_app.admin.changelist import BOUND, SessionChangeList
from sessions_app.admin.hits import Hit, rows_of
from sessions_app.admin.search import Found, words_of
from sessions_app.models import Session

FILTERS = "_changelist_filters"
"""Django's own name for the list's query in the address of a page that was opened from it."""
QUEUE = "queue"
"""In the address of a session that the queue handed out: the saved view's id, the filters of a list without a name, or nothing
for the default."""
INBOX = "inbox"
"""Of one that was opened because something of it waits: the item's id, and after a colon the kind that the list showed."""
PERSON = "person"
"""Of one that was opened from a person's page: the rest of that page's address."""
DASHBOARD = "dashboard"
"""Of one that was opened from the dashboard: the period that it showed, and after a colon which of its lists."""
MENTIONS = "mentions"
"""Of one that was opened for a note that names the reader: the note's id."""
WAYS = (FILTERS, QUEUE, INBOX, PERSON, DASHBOARD, MENTIONS)
MAX_QUERY_CHARS = 2_000


class FilteredSessions(SessionChangeList):
    """The sessions of a list, without its page, its counts and its periods."""

    def get_results(self, request: HttpRequest) -> None:
        self.result_list: list[Session] = []


class _Unsaid:
    """In the place of Django's messages: what a list says of itself, as that it has the newest alone, stands above the list and on no
    other page."""

    def add(self, *_args: Any, **_kwargs: Any) -> None:
        pass


def filtered(request: HttpRequest, model_admin: Any, query: str) -> QuerySet[Session]:
    """What the list shows under this query, in its order; all sessions in theirs when the query is none of the list's."""
    asked = copy(request)
    asked.GET = QueryDict(query[:MAX_QUERY_CHARS])
    asked.only_the_sessions = True  # type: ignore[attr-defined]
    asked._messages = _Unsaid()  # type: ignore[attr-defined]
    try:
        sessions: QuerySet[Session] = model_admin.get_changelist_instance(asked).queryset
        request.session_search = getattr(asked, "session_search", None)  # type: ignore[attr-defined]
    except IncorrectLookupParameters:
        return filtered(request, model_admin, "") if query else model_admin.get_queryset(request)
    return sessions


def said_at(request: HttpRequest, session: Session, query: str) -> dict[str, str]:
    """For the address of one of `filtered` that was found by what was said: the place of that, and the words to mark."""
    term = QueryDict(query[:MAX_QUERY_CHARS]).get(SEARCH_VAR, "")
    found: Found | None = getattr(request, "session_search", None)
    if not term or not found:
        return {}
    hit: Hit | None = rows_of([session], found)[0].hit
    return {"hit": str(hit.seq), "words": " ".join(words_of(term))} if hit and hit.seq else {}


def neighbour(
    request: HttpRequest, model_admin: Any, session: Session, query: str, *, forward: bool
) -> Session | None:
    """The next one of the list, or the one before; None at its end. It may itself have left the list meanwhile."""
    sessions = filtered(request, model_admin, query)
    if ORDER_VAR in QueryDict(query[:MAX_QUERY_CHARS]):
        return _in_another_order(sessions, session, forward=forward)
    return beside(sessions, session, forward=forward)


def beside(sessions: QuerySet[Session], session: Session, *, forward: bool) -> Session | None:
    """The next one of ``sessions``, which are in the order of the newest first, or the one before."""
    if forward:
        same = Q(start_time=session.start_time, session_id__lt=session.pk)
        after = sessions.filter(same | Q(start_time__lt=session.start_time))
        return after.filter(start_time__lte=session.start_time).first()
    same = Q(start_time=session.start_time, session_id__gt=session.pk)
    before = sessions.filter(same | Q(start_time__gt=session.start_time))
    return before.filter(start_time__gte=session.start_time).order_by("start_time", "session_id").first()


def _in_another_order(sessions: QuerySet[Session], session: Session, *, forward: bool) -> Session | None:
    """Such a list is a short one: `SessionChangeList` sorts no other. What has left it since stands where it would."""
    ids = list(sessions.values_list("pk", flat=True)[:BOUND])
    if session.pk not in ids:
        with_it = Session.objects.filter(pk__in=[*ids, session.pk]).order_by(*sessions.query.order_by)
        ids = list(with_it.values_list("pk", flat=True))
    place = ids.index(session.pk) + (1 if forward else -1)
    return Session.objects.get(pk=ids[place]) if 0 <= place < len(ids) else None


def way_of(request: HttpRequest) -> dict[str, str]:
    """How the session was reached, to go on in the same way: as its address has it."""
    return {name: request.GET[name][:MAX_QUERY_CHARS] for name in WAYS if name in request.GET}


def list_url(query: str) -> str:
    page = reverse("admin:sessions_app_session_changelist")
    return f"{page}?{query[:MAX_QUERY_CHARS]}" if query else page


def session_url(session_id: str, **query: str) -> str:
    """With those of ``query`` that say something; an empty `QUEUE` does."""
    page = reverse("admin:sessions_app_session_change", args=[quote(session_id)])
    kept = {name: value for name, value in query.items() if value or name == QUEUE}
    return f"{page}?{urlencode(kept)}" if kept else page
