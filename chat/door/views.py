"""Signing in and out; the pages around them are django-allauth's, in our templates."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.forms import LoginForm
from allauth.account.views import LoginView
from allauth.mfa.base.views import AuthenticateView, IndexView
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LogoutView
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from chat.conf import conf
from chat.door.adapter import RETRY_AFTER, TOO_MANY, AccountAdapter
from chat.door.attempts import code_refused
from identity.second_factor import counts_as_staff, second_factor_missing

_CODES_WINDOW_S = 300
"""The library's, for five wrong codes of one user."""
_RETRY_AFTER_S = 60
"""For the pages whose bounds are the library's: its windows are a minute long."""

View = Callable[..., HttpResponseBase]


class SignInForm(LoginForm):  # type: ignore[misc]  # allauth has no types
    def add_prefix(self, field_name: str) -> str:
        """The library calls the name ``login``; browsers, scripts and Django's own page say ``username``."""
        prefixed: str = super().add_prefix("username" if field_name == "login" else field_name)
        return prefixed


class SignIn(LoginView):  # type: ignore[misc]  # allauth has no types
    """``next`` is followed within this host only (Django's own rule). 429 with ``Retry-After`` after too many attempts."""

    form_class = SignInForm
    template_name = "account/login.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        if (wait_s := getattr(self.request, RETRY_AFTER, None)) is not None:
            response.status_code = 429
            response["Retry-After"] = str(wait_s)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        known: dict[str, Any] = super().get_context_data(**kwargs)
        return known | {
            "guests_allowed": conf().guests_allowed,
            "sign_up_allowed": conf().sign_up_allowed,
            "has_email": conf().has_email,
        }


class AskSecondFactor(AuthenticateView):  # type: ignore[misc]
    """After too many wrong codes of one user: 429 with ``Retry-After``, as for passwords."""

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        if any(form.has_error(field, TOO_MANY) for field in form.fields):
            code_refused(self.stage.login.user.get_username(), AccountAdapter().get_client_ip(self.request))
            response.status_code = 429
            response["Retry-After"] = str(_CODES_WINDOW_S)
        return response


class SignOut(LogoutView):
    next_page = "chat:page"


@never_cache
def staff_sign_in(request: HttpRequest, index_url: str) -> HttpResponseBase:
    """The admin's own sign-in: the same door, and for who is in already, what is still missing."""
    if not request.user.is_authenticated:
        view: View = SignIn.as_view(success_url=index_url)
        return view(request)
    if counts_as_staff(request, request.user):
        return redirect(index_url)
    if second_factor_missing(request, request.user):
        return _ask_for_second_factor(request, index_url)
    return render(request, "account/no_staff.html", status=403)


def _ask_for_second_factor(request: HttpRequest, index_url: str) -> HttpResponseBase:
    from allauth.account.utils import get_next_redirect_url
    from allauth.mfa.models import Authenticator

    back = urlencode({"next": get_next_redirect_url(request) or index_url})
    types = set(Authenticator.objects.filter(user_id=request.user.pk).values_list("type", flat=True))
    if Authenticator.Type.TOTP in types:
        return redirect(f"{reverse('mfa_reauthenticate')}?{back}")
    if Authenticator.Type.WEBAUTHN in types:
        return redirect(f"{reverse('mfa_reauthenticate_webauthn')}?{back}")
    return redirect(f"{reverse('mfa_index')}?{back}")


class SecondFactors(IndexView):  # type: ignore[misc]
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        missing = second_factor_missing(self.request, self.request.user)
        known: dict[str, Any] = super().get_context_data(**kwargs)
        return known | {"staff_needs_one": missing}


@login_required
def account(request: HttpRequest) -> HttpResponseBase:
    return redirect("mfa_index")


def with_email_only(view: View) -> View:
    """Pages that are there only where e-mail can be sent."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not conf().has_email:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """Of the bounds that django-allauth keeps by itself."""
    response = render(request, "429.html", status=429)
    response["Retry-After"] = str(_RETRY_AFTER_S)
    return response
