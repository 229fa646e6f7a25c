"""What our middlewares of Django's share: one class serves views that are coroutines and such that are not, without a hop to a
thread for either (Django's own mixin makes one a request)."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers

from chat.page.words import language_of
from identity.adoption import with_new_guest


class Middleware:
    """`refused` looks at what comes in, `finished` at what goes out; neither may wait for anything."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._answer(request)
        return self.refused(request) or self.finished(request, self._get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        return self.refused(request) or self.finished(request, await self._get_response(request))

    def refused(self, request: HttpRequest) -> HttpResponseBase | None:
        """An answer in place of the view's."""
        return None

    def finished(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return response


class GuestCookieMiddleware(Middleware):
    """Changes the guest's cookie after a sign-in or a sign-out, by whichever page it came."""

    def finished(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return with_new_guest(request, response)


class LanguageMiddleware(Middleware):
    """The front door, and pages about what went wrong, are in the browser's language; the admin is in English, and the chat page
    chooses by itself."""

    _DOOR = ("/login/", "/logout/", "/account/")
    _STAFF = "/admin/"

    def refused(self, request: HttpRequest) -> HttpResponseBase | None:
        if not request.path_info.startswith(self._STAFF):
            translation.activate(language_of(request, ""))
        return None

    def finished(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        translation.deactivate()
        if request.path_info.startswith(self._DOOR):
            patch_vary_headers(response, ["Accept-Language"])
        return response
