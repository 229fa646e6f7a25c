"""Waiting for you: what somebody of the staff has to look at, with what to do about it in place; and its count in the menu."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from sessions_app import hooks
from sessions_app.admin.changelist import ReadOnlyAdminMixin
from sessions_app.admin.deciding import MAX_REASON_CHARS, may_decide
from sessions_app.admin.pages import visitor_name
from sessions_app.errors import DecisionRefused, SessionsError
from sessions_app.models import AttentionKind, InboxItem
from sessions_app.review.inbox import CAN_RUN_AGAIN, TITLES, row_of
from sessions_app.selectors.inbox import (
    MOST_COUNTED,
    PAGE_ITEMS,
    count_by_kind,
    count_waiting,
    dismiss,
    open_items,
    place_of,
    read_inbox,
)

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
    count = count_waiting()
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
            path("<int:item_id>/open/", view(self.open_view), name="sessions_app_inboxitem_open"),
            path("<int:item_id>/act/", view(self.act_view), name="sessions_app_inboxitem_act"),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not may_see(request):
            raise PermissionDenied
        kind = request.GET.get("kind", "")
        kind = kind if kind in AttentionKind.values else ""
        counts = count_by_kind()
        rows = [row_of(waiting, who=visitor_name(waiting.item.session)) for waiting in read_inbox(kind=kind)]
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": "Waiting for you",
            "rows": rows,
            "kind": kind,
            "tabs": [
                ("", "All", badge_words(sum(counts.values()))),
                *(
                    (one, TITLES[one], badge_words(counts[one]))
                    for one in AttentionKind
                    if counts[one] or one == kind
                ),
            ],
            "more": len(rows) == PAGE_ITEMS,
            "may_act": may_act(request),
            "may_decide": may_decide(request),
        }
        return TemplateResponse(request, "admin/sessions_app/inbox.html", context)

    def count_view(self, request: HttpRequest) -> HttpResponse:
        return _count(request)

    def open_view(self, request: HttpRequest, item_id: int) -> HttpResponse:
        return _open(request, item_id)

    def act_view(self, request: HttpRequest, item_id: int) -> HttpResponse:
        return _act(request, item_id)


@never_cache
def _count(request: HttpRequest) -> HttpResponse:
    """For a page whose socket cannot be had."""
    if not may_see(request):
        raise PermissionDenied
    count = count_waiting()
    return JsonResponse({"count": count, "words": badge_words(count)})


def _open(request: HttpRequest, item_id: int) -> HttpResponse:
    """To the place in its transcript, also of what does not wait any more. Raises PermissionDenied."""
    if not may_see(request):
        raise PermissionDenied
    item = InboxItem.objects.filter(pk=item_id).first()
    if item is None:
        messages.info(request, "This is gone: it was erased.")
        return HttpResponseRedirect(reverse("admin:sessions_app_inboxitem_changelist"))
    seq = place_of(item)
    page = reverse("admin:sessions_app_session_change", args=[quote(item.session_id)])
    return HttpResponseRedirect(f"{page}?hit={seq}#seq-{seq}")


@require_POST
def _act(request: HttpRequest, item_id: int) -> HttpResponse:
    """Takes ``act`` (approve, refuse, again, dismiss), ``reason`` and ``kind`` (of the list that was shown) from the form.

    Raises PermissionDenied.
    """
    act = request.POST.get("act", "")
    allowed = may_decide(request) if act in ("approve", "refuse") else may_act(request)
    if not (allowed and may_see(request)):
        raise PermissionDenied
    item = open_items().filter(pk=item_id).first()
    if item is None:
        messages.info(request, "Somebody was faster: this does not wait any more.")
    else:
        try:
            messages.success(request, _carry_out(request, item, act))
        except (DecisionRefused, SessionsError) as error:
            messages.error(request, f"Nothing was done. {error.message}")
    kind = request.POST.get("kind", "")
    query = f"?kind={kind}" if kind in AttentionKind.values else ""
    return HttpResponseRedirect(reverse("admin:sessions_app_inboxitem_changelist") + query)


def _carry_out(request: HttpRequest, item: InboxItem, act: str) -> str:
    """What became of it, as a sentence. Raises `DecisionRefused`, `SessionsError`."""
    by = request.user.get_username()
    if act in ("approve", "refuse") and item.kind == AttentionKind.APPROVAL:
        return _decide(request, item, approve=act == "approve")
    if act == "again" and item.kind in CAN_RUN_AGAIN:
        response_id = item.ref if item.kind == AttentionKind.FAILED_ANSWER else ""
        hooks.run_again(hooks.Again(session_id=item.session_id, response_id=response_id, by=by))
        return "The model is asked again." if response_id else "The summary is being written."
    if act == "dismiss" and item.kind != AttentionKind.APPROVAL:
        dismiss(item, by=by)
        return "Put away."
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
    return "Your yes is noted; another person has to say yes, too." if still_waits else "Approved."
