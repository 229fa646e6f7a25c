"""Whose sessions: a person as the log knows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from sessions_app.models import Session


class UnknownPerson(Exception):
    """Nobody here has that name."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A signed-in user, a guest's cookie, or both (a guest who signed in); or one of a user's own users. A session that is
    nobody's in particular is in nobody's list."""

    user_id: int | None = None
    guest_id: str = ""
    external_user_id: str = ""
    """Of the user's own users: theirs alone, not all that is the user's."""

    def sessions(self) -> QuerySet[Session]:
        """Every one of them, erased ones too; none of anybody else's."""
        return Session.objects.filter(self._owns()).order_by("session_id")

    def _owns(self) -> Q:
        mine = Q(pk__in=[])
        if self.user_id is not None:
            theirs = Q(external_user_id=self.external_user_id) if self.external_user_id else Q()
            mine |= Q(user_id=self.user_id) & theirs
        if self.guest_id:
            mine |= Q(user__isnull=True, guest_id=self.guest_id)
        return mine


def user_named(name: str, *, external_user_id: str = "") -> Person:
    """By username, exactly; or one of that user's own users. Raises `UnknownPerson`."""
    users = get_user_model()
    found = users.objects.filter(**{users.USERNAME_FIELD: name}).values_list("pk", flat=True).first()
    if found is None:
        raise UnknownPerson(f"There is no user named {name!r}.")
    return Person(user_id=found, external_user_id=external_user_id)


def person_of(options: Mapping[str, str | None]) -> Person:
    """Whom a command's ``--user`` (with ``--external``) or ``--guest`` means. Raises `UnknownPerson`."""
    name, external, guest = (options.get(one) or "" for one in ("user", "external", "guest"))
    if external and not name:
        raise UnknownPerson("--external goes with --user: whose user it is.")
    return user_named(name, external_user_id=external) if name else Person(guest_id=guest)
