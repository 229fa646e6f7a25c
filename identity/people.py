"""The user that an issuer's person is here: made on first sight, found again by the subject alone."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from identity.models import ExternalIdentity
from identity.tokens import Claims

_SEEN_EVERY = timedelta(hours=1)
_USERNAME_CHARS = 150


def user_of(claims: Claims) -> Any:
    """The user, who may have been deactivated here. An e-mail address links nobody to anybody: it is only kept to be read."""
    found = _find(claims)
    if found is None:
        try:
            with transaction.atomic():
                found = _make(claims)
        except IntegrityError:  # two sockets of a new user at once
            found = _find(claims)
            assert found is not None
    _note(found, claims)
    return found.user


def _find(claims: Claims) -> ExternalIdentity | None:
    found = ExternalIdentity.objects.select_related("user")
    return found.filter(issuer=claims.issuer, subject=claims.subject).first()


def _make(claims: Claims) -> ExternalIdentity:
    """The user has no password, and no e-mail address that a password could be reset by."""
    users = get_user_model()._default_manager
    user = users.create_user(username=_free_username(claims.subject))
    return ExternalIdentity.objects.create(
        issuer=claims.issuer,
        subject=claims.subject,
        user=user,
        email=claims.email,
        is_anonymous=claims.is_anonymous,
    )


def _free_username(subject: str) -> str:
    """The subject, a UUID at Supabase; where a user of that name is here already, it is another's."""
    users = get_user_model()._default_manager
    own = get_user_model().normalize_username(subject)[: _USERNAME_CHARS - 8]  # as `create_user` keeps it
    name, number = own, 1
    while users.filter(username=name).exists():
        number += 1
        name = f"{own}-{number}"
    return name


def _note(identity: ExternalIdentity, claims: Claims) -> None:
    """An anonymous user may have become a known one; that somebody was seen is written once an hour."""
    changed = (identity.email, identity.is_anonymous) != (claims.email, claims.is_anonymous)
    if changed or identity.last_seen_at is None or identity.last_seen_at < timezone.now() - _SEEN_EVERY:
        ExternalIdentity.objects.filter(pk=identity.pk).update(
            email=claims.email, is_anonymous=claims.is_anonymous, last_seen_at=Now()
        )
