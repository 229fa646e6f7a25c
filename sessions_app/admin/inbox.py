"""Waiting for you: what somebody of the staff has to look at, with what to do about it in place; and its count in the menu."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from sessions_app import hooks
from sessions_app.admin.changelist import ReadOnlyAdminMixin
from sessions_app.admin.deciding import MAX_REASON_CHARS, may_decide, may_put_away
from sessions_app.admin.saved_views import number_of
from sessions_app.admin.walk import session_url
from sessions_app.admin.way import inbox_url, item_url
from sessions_app.desk.waiting import KEPT, bring_back, put_away, ran_again
from sessions_app.errors import DecisionRefused, SessionsError
from sessions_app.models import AttentionKind, InboxItem, Webhook
from sessions_app.notices.deliveries import failing
from sessions_app.review.inbox import CAN_RUN_AGAIN, TITLES, row_of, together
from sessions_app.review.text import visitor_name
from sessions_app.selectors.inbox import (
    MOST_COUNTED,
    PAGE_ITEMS,
    SETTLED,
    count_by_kind,
    count_waiting,
    count_waiting_on,
    next_item,
    open_items,
    read_inbox,
    read_settled,
)

IN_PLACE = "X-Desk"
"""A request header of the list's script: its page stays."""
GONE = "Somebody was faster: this does not wait any more."
MAY_SEE = "sessions_app.view_session"
MAY_ACT = "sessions_app.operate_session"


def may_see(request: HttpRequest) -> bool:
    return request.user.has_perm(MAY_SEE)


def may_act(request: HttpRequest) -> bool:
    return may_see(request) and request.user.has_perm(MAY_ACT)


def badge_words(count: int) -> str:
    return f"{MOST_COUNTED - 1}+" if count >= MOST_COUNTED else str(count)


def badge(request: HttpRequest) -> SafeString | str:
    """In the menu of every page; ``inbox.js`` keeps it up to date."""
    if not may_see(request):
        return ""
    count = count_waiting_on(request)
    return format_html(
        '<span id="inbox-count" data-count="{}" data-poll="{}">{}</span>',
        count,
        reverse("admin:sessions_app_inboxitem_count"),
        badge_words(count),
    )


@admin.register(InboxItem)
class InboxAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return may_see(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_see(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="sessions_app_inboxitem_changelist"),
            path("count/", view(self.count_view), name="sessions_app_inboxitem_count"),
            path("many/", view(self.many_view), name="sessions_app_inboxitem_many"),
            path("<int:item_id>/open/", view(self.open_view), name="sessions_app_inboxitem_open"),
            path("<int:item_id>/act/", view(self.act_view), name="sessions_app_inboxitem_act"),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not may_see(request):
            raise PermissionDenied
        kind = request.GET.get("kind", "")
        kind = kind if kind in (*AttentionKind.values, SETTLED) else ""
        me = request.user.get_username()
        counts = count_by_kind(me)
        found = read_settled() if kind == SETTLED else read_inbox(me, kind=kind)
        rows = [row_of(waiting, who=visitor_name(waiting.item.session)) for waiting in found]
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": "Waiting for you",
            "rows": rows if kind == SETTLED else together(rows),
            "kind": kind,
            "settled": kind == SETTLED,
            "tabs": _tabs(kind, counts),
            "webhooks_failing": _webhooks_failing(request),
            "more": len(found) == PAGE_ITEMS,
            "may_act": may_act(request),
            "may_put_away": may_put_away(request),
            "may_decide": may_decide(request),
        }
        return TemplateResponse(request, "admin/sessions_app/inbox.html", context)

    def count_view(self, request: HttpRequest) -> HttpResponse:
        return _count(request)

    def open_view(self, request: HttpRequest, item_id: int) -> HttpResponse:
        return _open(request, item_id)

    def many_view(self, request: HttpRequest) -> HttpResponse:
        return _many(request)

    def act_view(self, request: HttpRequest, item_id: int) -> HttpResponse:
        return _act(request, item_id)


def _webhooks_failing(request: HttpRequest) -> int:
    """They wait for no answer and are not counted among what does; for who may see them."""
    if not request.user.has_perm("sessions_app.view_webhook"):
        return 0
    return failing(Webhook.objects.all()).count()


def _tabs(kind: str, counts: dict[str, int]) -> list[tuple[str, str, str]]:
    """(kind, title, how many); of what is settled nobody counts."""
    shown = [one for one in AttentionKind if counts[one] or one == kind]
    return [
        ("", "All", badge_words(sum(counts.values()))),
        *((one, TITLES[one], badge_words(counts[one])) for one in shown),
        (SETTLED, "Settled", ""),
    ]


@never_cache
def _count(request: HttpRequest) -> HttpResponse:
    """For a page whose socket cannot be had."""
    if not may_see(request):
        raise PermissionDenied
    count = count_waiting(request.user.get_username())
    return JsonResponse({"count": count, "words": badge_words(count)})


def _open(request: HttpRequest, item_id: int) -> HttpResponse:
    """To the place in its transcript, also of what does not wait any more. Takes ``kind`` (of the list that was shown) from the
    address. Raises PermissionDenied."""
    if not may_see(request):
        raise PermissionDenied
    item = InboxItem.objects.filter(pk=item_id).first()
    if item is None:
        messages.info(request, "This is gone: it was erased.")
        return HttpResponseRedirect(reverse("admin:sessions_app_inboxitem_changelist"))
    return HttpResponseRedirect(item_url(item, _kind(request.GET)))


def _kind(given: QueryDict) -> str:
    kind = given.get("kind", "")
    return kind if kind in (*AttentionKind.values, SETTLED) else ""


def _items(given: QueryDict) -> list[int]:
    """No page has more."""
    each = " ".join(given.getlist("item")[:PAGE_ITEMS]).split()[:PAGE_ITEMS]
    return [number for one in each if (number := number_of(one)) is not None]


@require_POST
def _many(request: HttpRequest) -> HttpResponse:
    """Takes ``item`` (each row's ids), ``act`` (dismiss, back) and ``kind`` (of the list that was shown) from the form.

    Raises PermissionDenied.
    """
    if not may_put_away(request):
        raise PermissionDenied
    ids = _items(request.POST)
    back = request.POST.get("act") == "back"
    if request.headers.get(IN_PLACE):
        return _many_in_place(request, ids, back=back)
    if back:
        _bring_back(request, ids)
    else:
        _put_away(request, ids)
    return _back(request)


def _many_in_place(request: HttpRequest, ids: list[int], *, back: bool) -> JsonResponse:
    """The same for `away.js`, whose page stays: the words, and what the tabs now count."""
    if back:
        words = _waits_again(bring_back(ids))
    else:
        changed = len(put_away(ids, by=request.user.get_username()))
        words = GONE if not changed else "Put away." if changed == 1 else f"{changed} put away."
    counts = count_by_kind(request.user.get_username())
    told = {"": sum(counts.values()), **counts}  # a kind of which none is left has a tab on the page
    return JsonResponse(
        {"words": words, "counts": {kind: badge_words(count) for kind, count in told.items()}}
    )


def _waits_again(count: int) -> str:
    if not count:
        return "That is settled by what happened in the conversation."
    return "It waits again." if count == 1 else f"{count} wait again."


def _put_away(request: HttpRequest, ids: list[int], opened: InboxItem | None = None) -> None:
    """The words of it have a button that takes it back, and leads to the page of the one that was ``opened``."""
    changed = put_away(ids, by=request.user.get_username())
    if not changed:
        messages.info(request, GONE if ids else "Nothing was chosen.")
        return
    told = {"ids": changed, "kind": _kind(request.POST), "opened": opened}
    messages.success(request, render_to_string("admin/sessions_app/inbox_undo.html", told, request=request))


def _bring_back(request: HttpRequest, ids: list[int]) -> None:
    count = bring_back(ids)
    (messages.success if count else messages.info)(request, _waits_again(count))


def _back(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(inbox_url(_kind(request.POST)))


@require_POST
def _act(request: HttpRequest, item_id: int) -> HttpResponse:
    """Takes ``act`` (approve, refuse, again, dismiss, back), ``item`` (what else is put away with it), ``reason``, ``kind`` (of the list that was shown) and ``then`` (next: to
    the page of the next one; stay: to its own) from the form.

    Raises PermissionDenied.
    """
    act = request.POST.get("act", "")
    may = {"approve": may_decide, "refuse": may_decide, "dismiss": may_put_away, "back": may_put_away}
    if not (may.get(act, may_act)(request) and may_see(request)):
        raise PermissionDenied
    item = InboxItem.objects.filter(pk=item_id).first()
    if item is None or (item.settled_at is not None and act != "back"):
        messages.info(request, GONE)
    else:
        try:
            _carry_out(request, item, act)
        except (DecisionRefused, SessionsError) as error:
            messages.error(request, f"Nothing was done. {error.message}")
    then = request.POST.get("then")
    if item and then == "next":
        found = next_item(item, name=request.user.get_username(), kind=_kind(request.POST))
        return HttpResponseRedirect(item_url(found, _kind(request.POST))) if found else _back(request)
    return (
        HttpResponseRedirect(item_url(item, _kind(request.POST)))
        if item and then == "stay"
        else _back(request)
    )


def _carry_out(request: HttpRequest, item: InboxItem, act: str) -> None:
    """And say what became of it. Raises `DecisionRefused`, `SessionsError`."""
    if act in ("approve", "refuse") and item.kind == AttentionKind.APPROVAL:
        messages.success(request, _decide(request, item, approve=act == "approve"))
    elif act == "again" and item.kind in CAN_RUN_AGAIN:
        response_id = item.ref if item.kind == AttentionKind.FAILED_ANSWER else ""
        by = request.user.get_username()
        hooks.run_again(hooks.Again(session_id=item.session_id, response_id=response_id, by=by))
        ran_again(item.pk, by=by)
        words = "The model is asked again." if response_id else "The summary is being written."
        link = format_html('<a href="{}">Look at the conversation</a>', session_url(item.session_id))
        messages.success(request, format_html("{} {}", words, link))
    elif act == "dismiss" and item.kind not in KEPT:
        opened = item if request.POST.get("then") == "next" else None
        _put_away(request, sorted({item.pk, *_items(request.POST)}), opened)
    elif act == "back":
        _bring_back(request, sorted({item.pk, *_items(request.POST)}))
    else:
        raise DecisionRefused("That cannot be done with it.")


def _decide(request: HttpRequest, item: InboxItem, *, approve: bool) -> str:
    hooks.decide_approval(
        hooks.Decision(
            session_id=item.session_id,
            approval_id=item.ref,
            approve=approve,
            by=request.user.get_username(),
            staff_id=request.user.pk,
            reason=request.POST.get("reason", "").replace("\x00", "").strip()[:MAX_REASON_CHARS],
        )
    )
    if not approve:
        return "Refused: the assistant is told."
    still_waits = open_items().filter(pk=item.pk).exists()
    if still_waits:
        return "Your yes is noted; another person has to say yes, too."
    return "Approved: the tool runs now. If it fails, it comes back here."
