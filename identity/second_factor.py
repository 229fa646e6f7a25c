"""Whether a signed-in session has shown a second factor, and whether its staff has to."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from identity.conf import conf


class StaffSecondFactor(StrEnum):
    """``STAFF_SECOND_FACTOR``."""

    OFF = "off"  #: whoever has set one up is asked for it
    REQUIRED = "required"  #: staff is no staff before it has shown one


def staff_has_to_show_one() -> bool:
    """So nobody is staff by being a user who is: what they came in by has to be looked at."""
    return conf().staff_second_factor == StaffSecondFactor.REQUIRED


def counts_as_staff(request: HttpRequest, user: Any) -> bool:
    """Whether this session may do what staff may: the admin's pages, another's session on a socket.

    A session that a password alone has opened is an ordinary user's where staff has to show a second factor.
    """
    if not (user.is_active and user.is_staff):
        return False
    return not staff_has_to_show_one() or bool(factors_shown(request, user))


def second_factor_missing(request: HttpRequest, user: Any) -> bool:
    """Staff that would be let in if it showed one."""
    return bool(user.is_active and user.is_staff) and not counts_as_staff(request, user)


def factors_that_count(request: HttpRequest, user: Any) -> frozenset[int]:
    """What this session's rights as staff hang on; empty where they hang on none."""
    if not (user.is_staff and staff_has_to_show_one()):
        return frozenset()
    return factors_shown(request, user)


def factors_shown(request: HttpRequest, user: Any) -> frozenset[int]:
    """Authenticators that are still the user's: one that was taken away takes its sessions with it."""
    from allauth.account.internal.flows.login import get_authentication_records

    records = get_authentication_records(request, user)
    ids = {record.get("id") for record in records if record.get("method") == "mfa"} - {None}
    if not ids:
        return frozenset()
    return frozenset(factors(ids).filter(user_id=user.pk).values_list("pk", flat=True))


def factors(ids: Collection[int]) -> "QuerySet[Any]":
    from allauth.mfa.models import Authenticator

    found: QuerySet[Any] = Authenticator.objects.filter(pk__in=ids)
    return found
