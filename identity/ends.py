"""The end of a credential: which of many have ended, asked in one query; and who is told at once when one may have.

What Django saves and deletes in this process is heard of; what else happens (another process, SQL) is seen by those who
ask from time to time.
"""

from collections.abc import Callable, Collection
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session as Login
from django.db import transaction
from django.db.models import CharField, F, Model, QuerySet, Value
from django.db.models.functions import Cast, Now
from django.db.models.signals import post_delete, post_save

from identity.keys import valid_keys
from identity.models import ApiKey, ClientSecret
from identity.principal import Kind, Principal, state_of
from identity.second_factor import factors
from sessions_app.models import Session

_Row = tuple[str, str, bool, bool, str]
"""What it is, its id; of a user also whether staff, whether superuser, and the password's hash."""


def ended_of(principals: Collection[Principal]) -> set[Principal]:
    """Those whose credential lets nobody in any more, its expiry apart: the cookie was signed out, the key revoked, the
    user deactivated, given another role or, where it counts, another password. One query."""
    known = [one for one in principals if one.user_id is not None]
    if not known:
        return set()
    found: dict[tuple[str, str], _Row] = {(row[0], row[1]): row for row in _rows_of(known)}
    return {one for one in known if not _holds(one, found)}


def _holds(principal: Principal, found: dict[tuple[str, str], _Row]) -> bool:
    user = found.get(("user", str(principal.user_id)))
    if user is None:
        return False
    state = state_of(principal.kind, is_staff=user[2], is_superuser=user[3], password=user[4])
    if state != principal.user_state:
        return False
    match principal.kind:
        case Kind.LOGIN:
            return ("login", principal.reference) in found and _factor_holds(principal, found)
        case Kind.KEY:
            return ("key", str(principal.key_id)) in found
        case Kind.CLIENT_SECRET:
            return ("secret", principal.reference) in found
    return True


def _factor_holds(principal: Principal, found: dict[tuple[str, str], _Row]) -> bool:
    return not principal.factors or any(("factor", str(one)) in found for one in principal.factors)


def _rows_of(principals: Collection[Principal]) -> Any:
    def ids(kind: Kind) -> set[str]:
        return {one.reference for one in principals if one.kind is kind}

    users = get_user_model()._default_manager.filter(
        pk__in={one.user_id for one in principals}, is_active=True
    )
    logins = Login.objects.filter(session_key__in=ids(Kind.LOGIN), expire_date__gt=Now())
    keys = ApiKey.objects.filter(valid_keys(), pk__in={one.key_id for one in principals if one.key_id})
    secrets = ClientSecret.objects.filter(
        valid_keys("key__"), pk__in=ids(Kind.CLIENT_SECRET), expires_at__gt=Now()
    )
    others = [_plain("login", logins), _plain("key", keys), _plain("secret", secrets)]
    if shown := {one for principal in principals for one in principal.factors}:
        others.append(_plain("factor", factors(shown)))
    return _columns("user", users, F("is_staff"), F("is_superuser"), F("password")).union(*others, all=True)


def _plain(name: str, rows: "QuerySet[Any]") -> Any:
    return _columns(name, rows, Value(False), Value(False), Value(""))


def _columns(name: str, rows: "QuerySet[Any]", staff: Any, superuser: Any, password: Any) -> Any:
    return rows.order_by().values_list(
        Value(name, output_field=CharField()),
        Cast("pk", CharField()),
        staff,
        superuser,
        password,
    )


_listeners: list[Callable[[], None]] = []


def on_change(listener: Callable[[], None]) -> Callable[[], None]:
    """Called in any thread, after the commit, when a credential may have ended or a session's owner changed; returns what
    takes it out again."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def tell() -> None:
    """After the commit of the transaction under way."""
    transaction.on_commit(_tell)


def _tell() -> None:
    for listener in _listeners:
        listener()


def _changed(created: bool = False, update_fields: Collection[str] | None = None, **_: object) -> None:
    """A sign-in is not the end of anything: it notes its time on the user."""
    if not created and set(update_fields or ("all",)) != {"last_login"}:
        tell()


def _signed_out(instance: Login, **_: object) -> None:
    """A sign-in deletes the nameless session that was before it."""
    if SESSION_KEY in instance.get_decoded():
        tell()


def connect_signals() -> None:
    user = get_user_model()
    saved: tuple[type[Model], ...] = (user, ApiKey)
    deleted: tuple[type[Model], ...] = (*saved, ClientSecret, Session)
    post_delete.connect(_changed, sender="mfa.Authenticator", dispatch_uid="identity.ends.factor")
    post_delete.connect(_signed_out, sender=Login, dispatch_uid="identity.ends.sign-out")
    for model in saved:
        post_save.connect(_changed, sender=model, dispatch_uid=f"identity.ends.{model._meta.label}")
    for model in deleted:
        post_delete.connect(_changed, sender=model, dispatch_uid=f"identity.ends.{model._meta.label}")
