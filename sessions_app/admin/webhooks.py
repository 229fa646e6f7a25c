"""Webhooks and e-mails in the admin: who is told of what, and what became of it."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Now
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from sessions_app import hooks
from sessions_app.admin.changelist import BoundedChangeList, BoundedPaginator, ReadOnlyAdminMixin, column
from sessions_app.admin.deliveries import may_deliver_again, row_of
from sessions_app.admin.inbox import may_see
from sessions_app.admin.saved_views import number_of
from sessions_app.models import DeliveryState, MailSubscription, Topic, Webhook, WebhookDelivery
from sessions_app.notices.deliveries import counts_of_a_day, deliver_ping, failing
from sessions_app.notices.renewal import renew
from sessions_app.notices.secrets import new_secret, sealed
from sessions_app.review import humanize

_CHOICES = [(topic.value, topic.label[0].upper() + topic.label[1:]) for topic in Topic]
FAILING = "failing"
LAST = 10
"""So many deliveries stand on the page of a webhook."""
PAUSES = ((1, "every minute"), (15, "every 15 minutes"), (60, "once an hour"), (1440, "once a day"))


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]  # cannot be subscripted at run time
    topics = forms.MultipleChoiceField(
        choices=_CHOICES, widget=UnfoldAdminCheckboxSelectMultipleWidget, label="Tell it when"
    )

    class Meta:
        model = Webhook
        fields = ("name", "url", "topics", "with_words", "active")
        help_texts: ClassVar = {
            "with_words": "Send along what people and models said: summaries, comments, what tools are asked. Else only "
            "that it happened, and where.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "url" in self.fields:  # not where the page may only be looked at
            only_https = ", by https" if hooks.address_problem("http://webhooks.example/") else ""
            self.fields["url"].help_text = f"Where messages are posted to{only_https}."

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if problem := hooks.address_problem(url):
            raise ValidationError(problem)
        return url


class HealthFilter(admin.SimpleListFilter):
    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        return (FAILING, "Failing"), ("ok", "Not failing")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> QuerySet[Webhook]:
        if self.value() == FAILING:
            return failing(queryset)
        return queryset.exclude(pk__in=failing(queryset)) if self.value() == "ok" else queryset


class WebhookChangeList(BoundedChangeList):
    """Each row has its ``counts``: how many messages of the last day are in which state."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)
        counts = counts_of_a_day([row.pk for row in self.result_list])
        for row in self.result_list:
            row.counts = counts.get(row.pk, {})


@admin.register(Webhook)
class WebhookAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    form = WebhookForm
    list_display = ("name", "url", "topics_in_words", "active", "health", "lately")
    list_filter = (HealthFilter, "active")
    warn_unsaved_form = True
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    paginator = BoundedPaginator
    actions = ("renew",)
    change_form_outer_after_template = "admin/sessions_app/webhook_deliveries.html"

    class Media:
        js = (
            Script("admin_sessions/copy.js", type="module"),
            Script("admin_sessions/deliveries.js", type="module"),
        )

    def get_urls(self) -> list[URLPattern]:
        test, renew = map(self.admin_site.admin_view, (self.test_view, self.renew_view))
        urls: list[URLPattern] = super().get_urls()
        return [
            path("<int:webhook_id>/test/", test, name="sessions_app_webhook_test"),
            path("<int:webhook_id>/secret/", renew, name="sessions_app_webhook_renew"),
            *urls,
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        number = number_of(object_id)
        last = WebhookDelivery.objects.filter(webhook_id=number)[:LAST] if number is not None else ()
        renewed = Webhook.objects.filter(pk=number or 0, old_until__gt=Now())
        context = {
            "last": [row_of(one) for one in last],
            "old_until": renewed.values_list("old_until", flat=True).first(),
            "may_see_deliveries": request.user.has_perm("sessions_app.view_webhookdelivery"),
            "may_send": may_deliver_again(request),
            **(extra_context or {}),
        }
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    @method_decorator(require_POST)
    def test_view(self, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """Send a message that tries the way. Raises PermissionDenied, Http404."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        sent = deliver_ping(get_object_or_404(Webhook, pk=webhook_id))
        messages.success(request, "A test is on its way: look below what became of it.")
        here = reverse("admin:sessions_app_webhook_change", args=[webhook_id])
        return HttpResponseRedirect(f"{here}#delivery-{sent.pk}")

    @method_decorator(require_POST)
    def renew_view(self, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """Make a new secret, which the page shows once; the old one works for a day more. Raises PermissionDenied, Http404."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        self.renew(request, Webhook.objects.filter(pk=get_object_or_404(Webhook, pk=webhook_id).pk))
        return HttpResponseRedirect(reverse("admin:sessions_app_webhook_change", args=[webhook_id]))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return WebhookChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        tried = WebhookDelivery.objects.filter(webhook=OuterRef("pk"), tried_at__isnull=False).order_by(
            "-tried_at"
        )
        found: QuerySet[Webhook] = super().get_queryset(request)
        return found.annotate(last_try=Subquery(tried.values("tried_at")[:1]))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """The webhooks alone. What was delivered goes with them: it may be much, and nobody deletes it by itself."""
        return [str(webhook) for webhook in objs], {str(self.opts.verbose_name_plural): len(objs)}, set(), []

    @column("Told when")
    def topics_in_words(self, webhook: Webhook) -> str:
        return ", ".join(label for value, label in _CHOICES if value in webhook.topics)

    @column("Health", tones={"ok": "success", FAILING: "danger", "off": "neutral", "none": "neutral"})
    def health(self, webhook: Any) -> tuple[str, str]:
        if not webhook.active:
            return "off", "Switched off"
        if webhook.failing_since:
            since = formats.date_format(timezone.localtime(webhook.failing_since), "j M, H:i")
            return FAILING, f"Failing since {since}"
        if webhook.last_try is None:
            return "none", "Nothing sent yet"
        return "ok", f"Taken {humanize.ago(webhook.last_try)}"

    @column("Last 24 hours", empty_value="-")
    def lately(self, webhook: Any) -> SafeString | None:
        told = [
            f"{webhook.counts[state]:,} {label}"
            for state, label in DeliveryState.choices
            if state in webhook.counts
        ]
        if not told:
            return None
        those = {
            "webhook__id__exact": webhook.pk,
            "at__gte": (timezone.now() - timedelta(days=1)).isoformat(),
        }
        url = f"{reverse('admin:sessions_app_webhookdelivery_changelist')}?{urlencode(those)}"
        return format_html('<a href="{}">{}</a>', url, ", ".join(told))

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        if not change:
            secret = new_secret()
            obj.secret = sealed(secret)
            _show_secret(request, obj, secret)
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """To a page that shows the secret once, and that no browser keeps, as it keeps none of the admin's."""
        goes_on = "_continue" in request.POST and self.has_change_permission(request, obj)
        response: HttpResponse = (
            HttpResponseRedirect(reverse("admin:sessions_app_webhook_change", args=[obj.pk]))
            if goes_on
            else self.response_post_save_add(request, obj)
        )
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Make a new secret", permissions=["change"])
    def renew(self, request: HttpRequest, webhooks: QuerySet[Webhook]) -> None:
        for webhook in webhooks:
            _show_secret(request, webhook, renew(webhook))


def _show_secret(request: HttpRequest, webhook: Webhook, secret: str) -> None:
    told = {"name": webhook.name, "secret": secret}
    messages.warning(request, render_to_string("admin/sessions_app/webhook_secret.html", told))


class MailForm(forms.ModelForm):  # type: ignore[type-arg]
    topics = forms.MultipleChoiceField(
        choices=_CHOICES, widget=forms.CheckboxSelectMultiple, label="Tell me when", required=False
    )
    minutes = forms.TypedChoiceField(choices=PAUSES, coerce=int, label="At most")

    class Meta:
        model = MailSubscription
        fields = ("topics", "minutes")


@admin.register(MailSubscription)
class MailSubscriptionAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]
    """Everybody's own choice; there is no list of them, and it goes with its user."""

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("auth.delete_user")

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return may_see(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.mine_view)
        return [path("", view, name="sessions_app_mailsubscription_changelist")]

    def mine_view(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not (may_see(request) and user.is_authenticated):
            raise PermissionDenied
        mine = MailSubscription.objects.filter(user=user).first()
        form = MailForm(request.POST or None, instance=mine or MailSubscription(user=user))
        if request.method == "POST" and form.is_valid():
            # not the form's own save: two tabs may both be the first, and the worker writes a column of its own
            MailSubscription.objects.update_or_create(user=user, defaults=form.cleaned_data)
            messages.success(request, "Kept.")
            return HttpResponseRedirect(reverse("admin:sessions_app_mailsubscription_changelist"))
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": "E-mails to me",
            "form": form,
            "address": user.email,
        }
        return TemplateResponse(request, "admin/sessions_app/mails.html", context)
