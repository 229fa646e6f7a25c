"""The machine room's page, in place of the list of server processes."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin

from sessions_app.admin.changelist import ReadOnlyAdminMixin
from sessions_app.models import ServerProcess
from sessions_app.review.machine_room import machine_room


@admin.register(ServerProcess)
class MachineRoomAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name="sessions_app_serverprocess_changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": "Machine room",
            "room": machine_room(),
        }
        return TemplateResponse(request, "admin/sessions_app/machine_room.html", context)
