"""The admin: whom it lets in, and its sign-in, which is everybody's."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from unfold.sites import UnfoldAdminSite


class StaffAdminConfig(AdminConfig):
    default = False
    default_site = "realtime_ai.staff_site.StaffSite"


class StaffSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    def has_permission(self, request: HttpRequest) -> bool:
        from identity.second_factor import counts_as_staff

        return counts_as_staff(request, request.user)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        from chat.door.views import staff_sign_in

        return staff_sign_in(request, reverse(f"{self.name}:index"))
