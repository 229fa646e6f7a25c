"""Where django-allauth asks us: who may sign up, which words an error has, how an attempt is bounded."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.conf import conf
from chat.door import attempts

TOO_MANY = "too_many_login_attempts"
RETRY_AFTER = "retry_after_s"
"""The attribute of a request that was refused: in how many seconds it may be asked again."""


def wait_in_words(seconds: int) -> str:
    if seconds >= 90:
        return _("in {n} minutes").format(n=-(-seconds // 60))
    if seconds > 20:
        return _("in a minute")
    return _("in {n} seconds").format(n=seconds) if seconds > 1 else _("in a second")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": gettext_lazy(
            "Please enter a correct username and password. Mind capital letters."
        ),
        TOO_MANY: gettext_lazy("Too many wrong attempts. Wait some minutes, then try again."),
        "incorrect_code": gettext_lazy("This code is not right. Take the one that is shown now."),
        "incorrect_password": gettext_lazy("This password is not right."),
        "rate_limited": gettext_lazy("Too many attempts. Wait a minute, then try again."),
        "account_inactive": gettext_lazy("This account is switched off."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return conf().sign_up_allowed

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Nobody is led to a page for accounts of one's own that is closed."""
        signup = {} if conf().sign_up_allowed else {"signup_url": ""}
        super().send_mail(template_prefix, email, {**context, **signup})

    def get_client_ip(self, request: HttpRequest) -> str:
        """As the server says: behind `TRUST_PROXY` the client's, which nobody else can set."""
        return request.META.get("REMOTE_ADDR") or "unknown"

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Whoever has a second factor shows that one: else a session of before it, and the password, would be enough to take
        it away or to read the recovery codes."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        second = [method for method in methods if method["id"].startswith("mfa_")]
        return second or methods

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """The user, or None. Raises ValidationError when there were too many attempts."""
        credentials = {name: value for name, value in credentials.items() if name in ("username", "password")}
        try:
            attempt = attempts.begin(credentials.get("username", ""), self.get_client_ip(request))
        except attempts.TooManyAttempts as refused:
            setattr(request, RETRY_AFTER, refused.wait_s)
            raise ValidationError(
                _("Too many wrong attempts. Try again {when}.").format(when=wait_in_words(refused.wait_s)),
                code=TOO_MANY,
            ) from None
        user = authenticate(request, **credentials)
        if user is None:
            attempt.wrong()
        else:
            attempt.right()
        return user


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
    }

    def generate_authenticator_name(self, user: Any, type: Authenticator.Type) -> str:  # noqa: A002 - the library's word
        number = 1 + Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "Passkey" if number == 1 else f"Passkey {number}"

    def get_totp_issuer(self) -> str:
        return f"Realtime AI ({self._get_site_name()})"
