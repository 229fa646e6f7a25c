"""What became of the messages to webhooks: the list of them, one with its tries, and the way to send it again."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from sessions_app.admin.changelist import BoundedChangeList, BoundedPaginator, ReadOnlyAdminMixin, column
from sessions_app.admin.desk import page
from sessions_app.models import DeliveryState, Session, Topic, WebhookDelivery
from sessions_app.notices.deliveries import attempts_of, deliver_again, message_id_of
from sessions_app.notices.messages import PING, message_of
from sessions_app.review import humanize

_TONES = {
    "waiting": "info",
    "delivered": "success",
    "failing": "danger",
    "failed": "danger",
    "replaced": "neutral",
}
AGAIN_AT_ONCE = 500
"""So many messages are delivered again by one action."""


def may_deliver_again(request: HttpRequest) -> bool:
    return request.user.has_perms(("sessions_app.change_webhook", "sessions_app.view_webhookdelivery"))


def what_of(delivery: WebhookDelivery) -> str:
    return "A test" if delivery.topic == PING else str(Topic(delivery.topic).label).capitalize()


def state_of(delivery: WebhookDelivery) -> tuple[str, str]:
    """Its state (one that was tried in vain has a word of its own), and that in words."""
    if delivery.state == DeliveryState.WAITING and delivery.tries > delivery.tries_before:
        return "failing", "Failing"
    return delivery.state, str(DeliveryState(delivery.state).label).capitalize()


def next_try_of(delivery: WebhookDelivery) -> str:
    """When it is tried again, in words; empty: it is not."""
    if delivery.state != DeliveryState.WAITING:
        return ""
    at = delivery.next_try_at
    if at is None or at <= timezone.now():
        return "soon"
    local = timezone.localtime(at)
    today = local.date() == timezone.localdate()
    return f"at {formats.date_format(local, 'H:i:s' if today else 'j M, H:i')}, {humanize.ahead(at)}"


def row_of(delivery: WebhookDelivery) -> dict[str, Any]:
    """What `admin/sessions_app/delivery_state.html` and the tables around it show."""
    state, words = state_of(delivery)
    return {
        "delivery": delivery,
        "what": what_of(delivery),
        "tone": _TONES[state],
        "words": words,
        "next_try": next_try_of(delivery),
        "waits": delivery.state == DeliveryState.WAITING,
    }


class DeliveryChangeList(BoundedChangeList):
    """Each row has its ``heading``, what people call its conversation: one query for the page. That may be what a user said, and
    who may not see sessions has none."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)
        named = ("title", "first_words", "erased_at")
        may_see = request.user.has_perm("sessions_app.view_session")
        ids = [row.session_id for row in self.result_list] if may_see else []
        headings = {one.pk: one.heading for one in Session.objects.filter(pk__in=ids).only(*named)}
        for row in self.result_list:
            row.heading = headings.get(row.session_id, "Open" if may_see else "")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    list_display = ("what", "webhook", "session", "state_label", "tries", "said", "happened", "last_try")
    list_display_links = None
    list_filter = (("state", ChoicesDropdownFilter), "webhook")
    list_filter_submit = True
    list_select_related = ("webhook",)
    ordering = ("-id",)
    search_fields = ("=session_id",)
    search_help_text = "A session's id"
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    actions = ("again",)

    class Media:
        js = (
            Script("admin_sessions/copy.js", type="module"),
            Script("admin_sessions/deliveries.js", type="module"),
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return DeliveryChangeList

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One delivery with its tries. What was sent is for those alone who may see its session."""
        delivery: WebhookDelivery = self.object_or_404(request, object_id, "webhook")
        may_see = request.user.has_perm("sessions_app.view_session")
        may_read = delivery.topic == PING or may_see
        session = Session.objects.filter(pk=delivery.session_id).first() if may_see else None
        attempts = attempts_of(delivery)
        context = {
            **row_of(delivery),
            "title": what_of(delivery),
            "attempts": attempts,
            "message_id": message_id_of(delivery),
            "address": (attempts and attempts[0].url) or delivery.webhook.url,
            "session": session,
            "body": message_of(delivery).decode() if may_read else None,
            "may_send": may_deliver_again(request),
            "may_see_webhook": request.user.has_perm("sessions_app.view_webhook"),
            "media": self.media,
        }
        return page(request, self, "delivery", context)

    def has_again_permission(self, request: HttpRequest) -> bool:
        return may_deliver_again(request)

    @admin.action(description="Deliver again", permissions=["again"])
    def again(self, request: HttpRequest, deliveries: QuerySet[WebhookDelivery]) -> HttpResponse | None:
        """Takes from the form ``sure``, where some of them were taken already, and ``back``, the page to go on to."""
        chosen = list(deliveries.select_related("webhook")[: AGAIN_AT_ONCE + 1])
        if len(chosen) > AGAIN_AT_ONCE:
            messages.error(request, f"At most {AGAIN_AT_ONCE} at once. Choose fewer.")
            return None
        back = request.POST.get("back", "") or request.get_full_path()
        if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
            back = reverse("admin:sessions_app_webhookdelivery_changelist")
        taken = [(one, what_of(one)) for one in chosen if one.state == DeliveryState.DELIVERED]
        if taken and "sure" not in request.POST:
            name = ACTION_CHECKBOX_NAME
            context = {"title": "Deliver again", "chosen": chosen, "taken": taken, "back": back, "name": name}
            return page(request, self, "deliver_again", context)
        sent = sum(deliver_again(delivery) for delivery in chosen)
        if sent:
            messages.success(request, f"On their way again: {sent}.")
        else:
            words = "They are on their way already, or told by the next one."
            messages.info(request, f"On their way again: 0. {words}")
        return HttpResponseRedirect(back)

    @column("What")
    def what(self, delivery: WebhookDelivery) -> SafeString:
        url = reverse("admin:sessions_app_webhookdelivery_change", args=[delivery.pk])
        waits = " data-waits" if delivery.state == DeliveryState.WAITING else ""
        return format_html('<a href="{}"{}>{}</a>', url, SafeString(waits), what_of(delivery))

    @column("Conversation", empty_value="-")
    def session(self, delivery: Any) -> SafeString | None:
        if not delivery.session_id:
            return None
        if not delivery.heading:
            return format_html('<code class="sx-id">{}</code>', delivery.session_id)
        address = reverse("admin:sessions_app_session_change", args=[quote(delivery.session_id)])
        return format_html('<a href="{}?hit={}">{}</a>', address, delivery.seq, delivery.heading)

    @column("Answer", empty_value="-")
    def said(self, delivery: WebhookDelivery) -> str:
        return " ".join(filter(None, (str(delivery.status_code or ""), delivery.answer)))

    @column("Happened", ordering="id")
    def happened(self, delivery: WebhookDelivery) -> str:
        return formats.date_format(timezone.localtime(delivery.at), "j M, H:i:s")

    @column("Last try", empty_value="-")
    def last_try(self, delivery: WebhookDelivery) -> str | None:
        at = delivery.tried_at
        return formats.date_format(timezone.localtime(at), "j M, H:i:s") if at else None

    @column("State", tones=_TONES)
    def state_label(self, delivery: WebhookDelivery) -> tuple[str, str]:
        state, words = state_of(delivery)
        return state, f"{words}: tried again {next_try_of(delivery)}" if state == "failing" else words
