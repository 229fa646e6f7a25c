"""The admin: whom it lets in, and its sign-in and its page for another password, which are everybody's."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from unfold.sites import UnfoldAdminSite

View = Callable[..., HttpResponseBase]
_KEYS = re.compile(rb'<script src="[^"]*/admin_sessions/early[^"]*"></script>')


class StaffAdminConfig(AdminConfig):
    default = False
    default_site = "realtime_ai.staff_site.StaffSite"


class StaffSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    def admin_view(self, view: View, cacheable: bool = False) -> View:
        shown: View = super().admin_view(view, cacheable)

        @wraps(shown)
        def with_keys_first(*args: Any, **kwargs: Any) -> HttpResponseBase:
            response = shown(*args, **kwargs)
            if isinstance(response, SimpleTemplateResponse):
                response.add_post_render_callback(_keys_first)
            elif isinstance(response, HttpResponse):
                _keys_first(response)
            return response

        return with_keys_first

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


def _keys_first(response: HttpResponse) -> None:
    """The script that keeps what is typed while a page comes stands before all others: keys that are pressed while those are read
    would be nobody's. unfold has no place for one there."""
    if found := _KEYS.search(response.content):
        before, head, after = response.content.partition(b"<head>")
        response.content = before + head + found[0] + after.replace(found[0], b"", 1)
