"""What django-allauth tells of second factors."""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed, authenticator_added, authenticator_used
from django.dispatch import receiver
from django.http import HttpRequest

from chat import metrics
from chat.door.adapter import AccountAdapter
from chat.door.attempts import SignInOutcome, code_failed


@receiver(authentication_failed, dispatch_uid="chat.door.code_failed")
def on_code_failed(request: HttpRequest, user: Any, **_: Any) -> None:
    code_failed(user.get_username(), AccountAdapter(request).get_client_ip(request))


@receiver(authenticator_used, dispatch_uid="chat.door.used")
def on_used(passwordless: bool = False, **_: Any) -> None:
    if passwordless:
        metrics.sign_ins.labels(outcome=SignInOutcome.OK).inc()


@receiver(authenticator_added, dispatch_uid="chat.door.added")
def on_added(request: HttpRequest, user: Any, authenticator: Authenticator, **_: Any) -> None:
    """Whoever sets one up has just shown it: it counts for this session."""
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)
