"""The tabs above the session list: those that everybody has, and the saved views, one's own and the team's."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from sessions_app.admin.chips import Chip, chips_of, in_words
from sessions_app.admin.walk import MAX_QUERY_CHARS, list_url
from sessions_app.models import SavedView
from sessions_app.selectors.inbox import MOST_COUNTED, count_mentions_on

VIEW, REVIEW = "sessions_app.view_session", "sessions_app.review_session"
MAX_VIEWS = 30
"""Of one member of staff, and as many are shown."""
_PLACE = ("p", "e")
"""What of the list's address is no filter: the page, and Django's mark of an error."""


@dataclass(frozen=True)
class Tab:
    title: str
    url: str
    current: bool
    view_id: int | None = None
    shared: bool = False
    mine: bool = False


@dataclass(frozen=True)
class Desk:
    """What stands above the list for this member of staff."""

    tabs: list[Tab]
    query: str
    """The filters that are in force, to be saved under a name."""
    may_review: bool
    can_save: bool
    chips: list[Chip]
    """What narrows the list."""

    @property
    def current(self) -> Tab | None:
        return next((tab for tab in self.tabs if tab.current), None)

    @property
    def queue_key(self) -> str:
        """So that *Review next* hands out from what the list shows."""
        tab = self.current
        return str(tab.view_id) if tab and tab.view_id else self.query


_EVERYBODYS = (
    ("Conversations", ""),
    ("To review", "review=new&status__exact=ended"),
    ("Mine", "assignee=me"),
    ("Flagged", "review=flagged"),
)
_ALL = ("With empty ones", "show=all")


def normal(query: str) -> str:
    """The same filters give the same text, whatever page they are on."""
    pairs = parse_qsl(query[:MAX_QUERY_CHARS], keep_blank_values=False)
    return urlencode(sorted(pair for pair in pairs if pair[0] not in _PLACE))


def visible_views(request: HttpRequest) -> QuerySet[SavedView]:
    return SavedView.objects.filter(Q(owner_id=request.user.pk) | Q(shared=True))


def shown_views(request: HttpRequest) -> QuerySet[SavedView]:
    """So many of them as are shown: one's own first, however many the team has; in the order of their names."""
    own_first = Case(When(owner_id=request.user.pk, then=0), default=1)
    shown = visible_views(request).order_by(own_first, "name", "id").values("pk")[:MAX_VIEWS]
    return SavedView.objects.filter(pk__in=shown)


def may_review(request: HttpRequest) -> bool:
    """Whoever reviews reads what is reviewed."""
    return request.user.has_perms([VIEW, REVIEW])


def desk_of(request: HttpRequest) -> Desk:
    query = normal(request.GET.urlencode())
    reviews = may_review(request)
    tabs = [_tab(title, wanted, query) for title, wanted in (*_EVERYBODYS, _ALL)]
    tabs += [
        Tab(
            view.name,
            list_url(view.query),
            view.query == query,
            view.pk,
            view.shared,
            view.owner_id == request.user.pk,
        )
        for view in shown_views(request)
    ]
    return Desk(
        tabs=tabs,
        query=query,
        may_review=reviews,
        can_save=reviews and not any(tab.current for tab in tabs),
        chips=chips_of(query),
    )


def mentions_badge(request: HttpRequest) -> SafeString | str:
    """In the menu: how many notes name the member of staff that they have not seen."""
    if not may_review(request):
        return ""
    count = count_mentions_on(request)
    words = f"{MOST_COUNTED - 1}+" if count == MOST_COUNTED else str(count)
    return format_html('<span class="menu-count" data-count="{}">{}</span>', count, words)


def _tab(title: str, wanted: str, query: str) -> Tab:
    return Tab(title, list_url(wanted), normal(wanted) == query)


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Takes ``name``, ``query`` and ``shared`` from the form; a name of one's own is given its new filters. Raises
    PermissionDenied."""
    _only_reviewers(request)
    name = _name_of(request)
    given = request.POST.get("query", "").replace("\x00", "")
    query = normal(given)
    if not name:
        messages.error(request, "A view needs a name.")
    elif max(len(given), len(query)) > MAX_QUERY_CHARS:  # written anew it may grow: ü is %C3%BC
        messages.error(request, "These filters are too long to be kept. Take some away.")
    elif SavedView.objects.filter(owner_id=request.user.pk).exclude(name=name).count() >= MAX_VIEWS:
        messages.error(request, f"You have {MAX_VIEWS} views. Remove one first.")
    else:
        SavedView.objects.update_or_create(
            owner_id=request.user.pk,
            name=name,
            defaults={"query": query, "shared": bool(request.POST.get("shared"))},
        )
        messages.success(request, f"Saved as “{name}”.")
    return HttpResponseRedirect(list_url(query))


@require_POST
def remove(request: HttpRequest, view_id: int) -> HttpResponse:
    """One's own. Raises PermissionDenied."""
    _only_reviewers(request)
    removed, _ = SavedView.objects.filter(pk=view_id, owner_id=request.user.pk).delete()
    if removed:
        messages.success(request, "The view is gone; its sessions are not.")
    else:
        messages.error(request, "Only who made a view can remove it.")
    return HttpResponseRedirect(list_url(""))


@require_POST
def rename(request: HttpRequest, view_id: int) -> HttpResponse:
    """One's own; takes ``name`` and ``shared`` from the form. Raises PermissionDenied."""
    _only_reviewers(request)
    mine = SavedView.objects.filter(owner_id=request.user.pk)
    view, name = mine.filter(pk=view_id).first(), _name_of(request)
    if view is None:
        messages.error(request, "Only who made a view can change it.")
        return HttpResponseRedirect(list_url(""))
    if not name:
        messages.error(request, "A view needs a name.")
    elif mine.filter(name=name).exclude(pk=view_id).exists():
        messages.error(request, f"You have a view called “{name}” already.")
    else:
        view.name, view.shared = name, bool(request.POST.get("shared"))
        view.save(update_fields=["name", "shared"])
        whose = "your colleagues have it, too" if view.shared else "it is yours alone"
        messages.success(request, f"Saved as “{name}”: {whose}.")
    return HttpResponseRedirect(list_url(view.query))


def _name_of(request: HttpRequest) -> str:
    return " ".join(request.POST.get("name", "").replace("\x00", "").split())[:60]


def _only_reviewers(request: HttpRequest) -> None:
    if not may_review(request):
        raise PermissionDenied


def number_of(text: str) -> int | None:
    """The number of a row that an address or a form names; None: no row can have it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@dataclass(frozen=True)
class Source:
    """What the queue hands out from."""

    key: str
    """As an address has it: a saved view's id, a list's filters, or nothing."""
    name: str
    query: str


def source_of(request: HttpRequest, key: str) -> Source:
    """All conversations where the key says nothing, or a view that may not be used here."""
    number = number_of(key)
    view = None if number is None else visible_views(request).filter(pk=number).first()
    if view:
        return Source(str(view.pk), view.name, view.query)
    query = normal(key) if "=" in key else ""
    if not query:
        return Source("", "All conversations", "")
    names = {normal(wanted): title for title, wanted in (*_EVERYBODYS, _ALL)}
    return Source(query, names.get(query) or in_words(query) or "A list", query)
