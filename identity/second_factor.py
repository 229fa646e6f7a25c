"""Whether a signed-in session has shown a second factor, and whether its staff has to."""

from enum import StrEnum
from typing import Any

from django.http import HttpRequest

from identity.conf import conf


class StaffSecondFactor(StrEnum):
    """``STAFF_SECOND_FACTOR``."""

    OFF = "off"  #: whoever has set one up is asked for it
    REQUIRED = "required"  #: staff is no staff before it has shown one


def counts_as_staff(request: HttpRequest, user: Any) -> bool:
    """Whether this session may do what staff may: the admin's pages, another's session on a socket.

    A session that a password alone has opened is an ordinary user's where staff has to show a second factor.
    """
    if not (user.is_active and user.is_staff):
        return False
    return conf().staff_second_factor != StaffSecondFactor.REQUIRED or _shown(request, user)


def second_factor_missing(request: HttpRequest, user: Any) -> bool:
    """Staff that would be let in if it showed one."""
    return bool(user.is_active and user.is_staff) and not counts_as_staff(request, user)


def _shown(request: HttpRequest, user: Any) -> bool:
    """By an authenticator that is still the user's: one that was taken away takes its sessions with it."""
    from allauth.account.internal.flows.login import get_authentication_records
    from allauth.mfa.models import Authenticator

    records = get_authentication_records(request, user)
    ids = {record.get("id") for record in records if record.get("method") == "mfa"} - {None}
    return bool(ids) and Authenticator.objects.filter(user_id=user.pk, pk__in=ids).exists()
