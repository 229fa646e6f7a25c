"""Who is signed in by a session cookie: those who come at the same time by two queries for all of them."""

from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user,
    get_user_model,
    load_backend,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string


def signed_in(session_keys: Collection[str]) -> dict[str, tuple[HttpRequest, Any]]:
    """By its session key, each one's request with its session, and its user. Whoever is missing is not signed in.

    Django decides about a single login (`django.contrib.auth.get_user`). What is read here for many is only taken where it leaves
    nothing to decide; another kind of backend and another place for sessions are Django's. A hash of an older ``SECRET_KEY`` counts as
    it does there, but the session keeps its key: a new one could not be told to the browser here.
    """
    requests = _requests(session_keys)
    users = _users([request.session for request in requests.values()])
    found = {}
    for key, request in requests.items():
        user = _user_of(request.session, users) or get_user(request)
        if user.is_authenticated:
            found[key] = request, user
    return found


def _requests(session_keys: Collection[str]) -> dict[str, HttpRequest]:
    engine = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    if not (issubclass(engine, SessionStore) and engine.load is SessionStore.load):
        return {key: _request(engine(key)) for key in session_keys}
    rows = engine.get_model_class().objects.filter(
        session_key__in=set(session_keys), expire_date__gt=timezone.now()
    )
    return {
        key: _request(_loaded(engine(key), data))
        for key, data in rows.values_list("session_key", "session_data")
    }


def _request(store: Any) -> HttpRequest:
    request = HttpRequest()
    request.session = store
    return request


def _loaded(store: Any, data: str) -> Any:
    """Its `load` asks the database at the first look into it; here it is told what it would find."""
    store.load = store.decode(data).copy
    return store


def _users(sessions: Collection[Any]) -> Mapping[Any, Any]:
    pk = get_user_model()._meta.pk
    ids = {pk.to_python(session[SESSION_KEY]) for session in sessions if SESSION_KEY in session}
    return get_user_model()._default_manager.in_bulk(ids)


def _user_of(session: Any, users: Mapping[Any, Any]) -> Any | None:
    path, digest = session.get(BACKEND_SESSION_KEY), session.get(HASH_SESSION_KEY)
    if not digest or path not in settings.AUTHENTICATION_BACKENDS:
        return None
    backend = load_backend(path)
    if not isinstance(backend, ModelBackend) or type(backend).get_user is not ModelBackend.get_user:
        return None
    user = users.get(get_user_model()._meta.pk.to_python(session.get(SESSION_KEY)))
    if user is None or not backend.user_can_authenticate(user):
        return None
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return user if any(constant_time_compare(digest, one) for one in hashes) else None
