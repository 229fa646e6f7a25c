"""Assistants in the admin: each save is a version, one of them is what people get, and any of them can be looked at first."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from sessions_app.admin.assistant_form import AssistantForm, changes, settings_of
from sessions_app.admin.changelist import BoundedChangeList, BoundedPaginator, column
from sessions_app.admin.saved_views import number_of
from sessions_app.assistant import AssistantSettings
from sessions_app.desk.assistants import publish, retire, save_version
from sessions_app.models import Assistant, AssistantVersion

MOST_VERSIONS_SHOWN = 50


@admin.register(Assistant)
class AssistantAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    list_display = ("name_in_addresses", "title", "state_label", "address")
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    actions = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assistant]:
        return Assistant.objects.prefetch_related("versions")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Sessions go on with the version that they were begun with."""
        return False

    @column("Name in addresses", ordering="slug")
    def name_in_addresses(self, assistant: Assistant) -> str:
        return assistant.slug

    @column("Name", empty_value="-")
    def title(self, assistant: Assistant) -> str:
        live = next((one for one in assistant.versions.all() if one.number == assistant.live), None)
        return str(live.settings.get("name", "")) if live else ""

    @column("State", tones={"live": "success", "draft": "info", "retired": "neutral"})
    def state_label(self, assistant: Assistant) -> tuple[str, str]:
        if not assistant.active:
            return "retired", "Retired"
        return ("live", f"Version {assistant.live}") if assistant.live else ("draft", "Draft alone")

    @column("Page")
    def address(self, assistant: Assistant) -> SafeString | str:
        if not (assistant.active and assistant.live):
            return ""
        return format_html(
            '<a href="{}" target="_blank">Open</a>', reverse("chat:assistant", args=[assistant.slug])
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<str:object_id>/publish/", view(self.publish_view), name="sessions_app_assistant_publish"),
            path("<str:object_id>/retire/", view(self.retire_view), name="sessions_app_assistant_retire"),
            *super().get_urls(),
        ]

    # One assistant

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._edit(request, None, AssistantSettings(), [])

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        assistant = Assistant.objects.filter(pk=unquote(object_id).replace("\x00", "")).first()
        if assistant is None:
            raise Http404
        versions = list(assistant.versions.order_by("-number")[: MOST_VERSIONS_SHOWN + 1])
        if request.method == "POST" and not self.has_change_permission(request):
            raise PermissionDenied
        return self._edit(request, assistant, _wanted(request, assistant, versions), versions)

    def _edit(
        self,
        request: HttpRequest,
        assistant: Assistant | None,
        kept: AssistantSettings,
        versions: list[AssistantVersion],
    ) -> HttpResponse:
        is_post = request.method == "POST"
        data = (request.POST, request.FILES) if is_post else (None, None)
        form = AssistantForm(*data, kept=kept, is_new=assistant is None)
        if is_post and form.is_valid():
            slug = assistant.slug if assistant else form.cleaned_data["slug"]
            if assistant is None and Assistant.objects.filter(pk=slug).exists():
                form.add_error("slug", "There is an assistant of this name.")
            else:
                return self._save(request, slug, form.settings)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": assistant.slug if assistant else "New assistant",
            "opts": self.opts,
            "assistant": assistant,
            "form": form,
            "logo": kept.logo,
            "versions": _rows(versions),
            "seen": request.POST.get("seen") or (versions[0].number if versions else 0),
            "may_save": self.has_change_permission(request) if assistant else True,
            "may_change": self.has_change_permission(request),
        }
        return TemplateResponse(request, "admin/sessions_app/assistant.html", context)

    def _save(self, request: HttpRequest, slug: str, settings: AssistantSettings) -> HttpResponse:
        by = request.user.get_username()
        version = save_version(slug=slug, settings=settings, by=by)
        if other := _meanwhile(request, version):
            words = f"{other.made_by} saved version {other.number} meanwhile, and what it changed is not in yours."
            messages.warning(
                request,
                f"Kept as version {version.number}, and not published: {words} Look at both, then publish.",
            )
        elif "publish" in request.POST and self.has_change_permission(request):
            publish(slug=slug, version=version.number, by=by)
            messages.success(request, f"Version {version.number} is what visitors get from now on.")
        else:
            messages.success(
                request, f"Kept as version {version.number}. Visitors get it once you publish it."
            )
        return _back_to(slug)

    def publish_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._act(request, object_id, self._publish)

    def retire_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._act(request, object_id, self._retire)

    def _act(self, request: HttpRequest, slug: str, act: Any) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        response: HttpResponse = require_POST(act)(request, slug)
        return response

    def _publish(self, request: HttpRequest, slug: str) -> HttpResponse:
        number = request.POST.get("version", "")
        try:
            version = int(number) if number.isdecimal() and len(number) < 9 else 0
            publish(slug=slug, version=version, by=request.user.get_username())
        except (Assistant.DoesNotExist, AssistantVersion.DoesNotExist):
            raise Http404 from None
        messages.success(request, f"Version {version} is what visitors get from now on.")
        return _back_to(slug)

    def _retire(self, request: HttpRequest, slug: str) -> HttpResponse:
        retire(slug=slug)
        messages.success(request, "No conversation begins with it any more. Those that go on keep it.")
        return _back_to(slug)


def _back_to(slug: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:sessions_app_assistant_change", args=[slug]))


def _meanwhile(request: HttpRequest, saved: AssistantVersion) -> AssistantVersion | None:
    """The last version that came while the form was open, which whoever saved has not seen."""
    seen = number_of(request.POST.get("seen", ""))
    if seen is None:
        return None
    others = AssistantVersion.objects.filter(assistant_id=saved.assistant_id, number__lt=saved.number)
    return others.filter(number__gt=seen).order_by("-number").first()


def _wanted(
    request: HttpRequest, assistant: Assistant, versions: list[AssistantVersion]
) -> AssistantSettings:
    """What the form begins with: the version that is asked for, else the last one."""
    number = request.GET.get("version", "")
    if number.isdecimal() and len(number) < 9:
        found = assistant.versions.filter(number=int(number)).first()
        if found is None:
            raise Http404
        return settings_of(found.settings)
    return settings_of(versions[0].settings) if versions else AssistantSettings()


def _rows(versions: list[AssistantVersion]) -> list[dict[str, Any]]:
    befores = [one.settings for one in versions[1:]]
    if len(versions) <= MOST_VERSIONS_SHOWN:
        befores.append({})
    shown = zip(versions[:MOST_VERSIONS_SHOWN], befores, strict=False)
    return [{"version": one, "changed": changes(before, one.settings)} for one, before in shown]
