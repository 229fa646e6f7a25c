"""The admin: whom it lets in, and its sign-in and its page for another password, which are everybody's."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
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

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """The door's page, where the present password cannot be guessed: Django's own has no bound."""
        back = urlencode({"next": reverse(f"{self.name}:index")})
        return redirect(f"{reverse('account_change_password')}?{back}")
