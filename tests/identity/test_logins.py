"""Those who come at the same time are the same people whom Django finds one by one, in two queries."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, get_user
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as Login
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.module_loading import import_string

from identity.logins import signed_in
from identity.principal import Kind, principals_of, shown

pytestmark = pytest.mark.django_db
OTHER_SECRET = "a secret that was replaced, long enough to be one"


class Strict(import_string("django.contrib.auth.backends.ModelBackend")):  # type: ignore[misc]
    """Its users are not those of the table alone."""

    def get_user(self, user_id: int) -> Any:
        return User.objects.filter(pk=user_id).exclude(username="refused").first()


def login(name: str, **changes: Any) -> str:
    user = User.objects.create_user(name, password="a-long-password-for-tests", **changes)
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def changed(key: str, change: Callable[[Any], None]) -> str:
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(key)
    change(store)
    store.save()
    return str(store.session_key)


def alone(key: str) -> Any:
    """Django's own answer."""
    request = HttpRequest()
    request.session = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(key)
    user = get_user(request)
    return user.pk if user.is_authenticated else None


def of_every_kind() -> dict[str, str]:
    keys = {
        name: login(name) for name in ("well", "also_well", "inactive", "password", "gone", "late", "refused")
    }
    User.objects.filter(username="inactive").update(is_active=False)
    User.objects.filter(username="password").update(password="another")
    User.objects.filter(username="gone").delete()
    Login.objects.filter(session_key=keys["late"]).update(expire_date=timezone.now() - timedelta(seconds=1))
    keys["no_user"] = changed(login("no_user"), lambda store: store.clear())
    keys["no_backend"] = changed(login("no_backend"), lambda store: store.pop(BACKEND_SESSION_KEY))
    keys["other_backend"] = changed(
        login("other_backend"), lambda store: store.update({BACKEND_SESSION_KEY: "a.B"})
    )
    keys["no_hash"] = changed(login("no_hash"), lambda store: store.pop("_auth_user_hash"))
    keys["only_hash"] = changed(login("only_hash"), lambda store: store.pop("_auth_user_id"))
    return {**keys, "unknown": "0123456789abcdef0123456789abcdef", "short": "x", "odd": "sessions' \\ %s"}


@pytest.mark.parametrize("engine", ["db", "cached_db", "signed_cookies"])
def test_each_is_who_django_says(settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    keys = of_every_kind()
    together = {key: user.pk for key, (_, user) in signed_in(list(keys.values())).items()}
    names = {name: (together.get(key), alone(key)) for name, key in keys.items()}
    assert {name for name, (ours, djangos) in names.items() if ours != djangos} == set()
    if engine == "db":
        assert {name for name, (ours, _) in names.items() if ours} == {"well", "also_well", "refused"}


def test_another_backend_decides_for_its_own(settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{Strict.__module__}.{Strict.__qualname__}"]
    keys = [login("well"), login("refused")]
    assert list(signed_in(keys)) == keys[:1]


def test_a_login_from_before_the_secret_was_changed_holds(settings: Any) -> None:
    secret, settings.SECRET_KEY = settings.SECRET_KEY, OTHER_SECRET
    keys = [login("ada"), login("bob")]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secret, [OTHER_SECRET]
    assert [user.username for _, user in signed_in(keys).values()] == ["ada", "bob"]
    settings.SECRET_KEY_FALLBACKS = []
    assert signed_in(keys) == {}


def test_eight_in_two_queries_each_with_its_own() -> None:
    keys = [login(f"user {number}", is_staff=number == 3) for number in range(7)]
    given = [shown({"cookie": f"sessionid={key}"}) for key in [*keys, "nobody's"]]
    with CaptureQueriesContext(connection) as queries:
        found = principals_of(given)
    assert len(queries) == 2
    people = [one for one in found if not isinstance(one, Exception)]
    assert [one.reference for one in people] == [*keys, ""]
    assert [one.is_staff for one in people] == [number == 3 for number in range(8)]
    assert [one.kind for one in people] == [*[Kind.LOGIN] * 7, Kind.NOBODY]
