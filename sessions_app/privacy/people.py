"""Whose sessions: a person as the log knows them."""

from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from sessions_app.models import Session


class UnknownPerson(Exception):
    """Nobody here has that name."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A signed-in user, a guest's cookie, or both (a guest who signed in). A session that is nobody's in particular is in
    nobody's list."""

    user_id: int | None = None
    guest_id: str = ""

    def sessions(self) -> QuerySet[Session]:
        """Every one of them, erased ones too; none of anybody else's."""
        return Session.objects.filter(self._owns()).order_by("session_id")

    def _owns(self) -> Q:
        """A further kind of owner (a shop's own id for its user) is one condition more."""
        mine = Q(pk__in=[])
        if self.user_id is not None:
            mine |= Q(user_id=self.user_id)
        if self.guest_id:
            mine |= Q(user__isnull=True, guest_id=self.guest_id)
        return mine


def user_named(name: str) -> Person:
    """By username, exactly. Raises `UnknownPerson`."""
    users = get_user_model()
    found = users.objects.filter(**{users.USERNAME_FIELD: name}).values_list("pk", flat=True).first()
    if found is None:
        raise UnknownPerson(f"There is no user named {name!r}.")
    return Person(user_id=found)
