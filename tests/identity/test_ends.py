"""A credential's end is the socket's end, in the process where it happens and in others, and a fresh one goes on."""

import asyncio
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as Login
from django.db import connection
from django.http import HttpRequest
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.session.opening import for_its_owner
from identity.ends import ended_of, on_change
from identity.keys import make_key, make_secret, revoke_key
from identity.models import ApiKey, ClientSecret, Scope
from identity.principal import Principal, principal_of, shown
from sessions_app.log.lifecycle import Owner, Visitor, adopt_sessions
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, realtime

from .conftest import as_guest, bearer, made_key, made_user, signed_in

V1 = "/v1/realtime"
SOON_S = 20.0
"""The tests' servers look every second; a look that came from nowhere else than the clock is what they wait for."""


@pytest.fixture
def watching(start_server: StartServer) -> ServerProcess:
    return start_server(DJANGO_SETTINGS_MODULE="tests.identity.settings")


async def ended(client: Realtime) -> tuple[str, int | None]:
    """The code of the error that it was told, and that of the close."""
    async with asyncio.timeout(SOON_S):
        error = await client.until("error", timeout_s=SOON_S)
        return error["error"]["code"], await client.closed()


def of_cookie(value: str) -> Principal:
    return principal_of(shown({"cookie": f"sessionid={value}"}))


def of_key(value: str) -> Principal:
    return principal_of(shown({"authorization": f"Bearer {value}"}))


def login(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


# Which credentials have ended


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password="a-long-password-for-tests")


def test_all_are_asked_for_in_one_query(ada: User) -> None:
    bob = User.objects.create(username="bob")
    key = make_key(user=ada, label="x")
    secret = make_secret(key=key.row, external_user_id="kim", seconds=60, session={})
    principals = [of_cookie(login(ada)), of_cookie(login(bob)), of_key(key.value), of_key(secret.value)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert ended_of(principals) == set()
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        assert ended_of([Principal(kind="guest", guest_id="g")]) == set()  # type: ignore[arg-type]
    assert len(queries) == 0


ENDS: dict[str, tuple[Callable[[], object], set[str]]] = {
    "signed out": (lambda: Login.objects.all().delete(), {"login"}),
    "sign-in expired": (lambda: Login.objects.update(expire_date=timezone.now()), {"login"}),
    "new password": (lambda: User.objects.update(password="another"), {"login"}),
    "deactivated": (lambda: User.objects.update(is_active=False), {"login", "key", "secret"}),
    "made staff": (lambda: User.objects.update(is_staff=True), {"login", "key", "secret"}),
    "made superuser": (lambda: User.objects.update(is_superuser=True), {"login", "key", "secret"}),
    "deleted": (lambda: User.objects.all().delete(), {"login", "key", "secret"}),
    "key revoked": (lambda: ApiKey.objects.update(revoked_at=timezone.now()), {"key", "secret"}),
    "key expired": (lambda: ApiKey.objects.update(expires_at=timezone.now()), {"key", "secret"}),
    "key deleted": (lambda: ApiKey.objects.all().delete(), {"key", "secret"}),
    "secret expired": (lambda: ClientSecret.objects.update(expires_at=timezone.now()), {"secret"}),
    "another name": (lambda: User.objects.update(first_name="Ada", last_login=timezone.now()), set()),
    "nothing": (lambda: None, set()),
}


@pytest.mark.parametrize("what", ENDS)
def test_what_ends_ends_what_hangs_on_it(ada: User, what: str) -> None:
    key = make_key(user=ada, label="x")
    secret = make_secret(key=key.row, external_user_id="kim", seconds=60, session={})
    principals = {
        "login": of_cookie(login(ada)),
        "key": of_key(key.value),
        "secret": of_key(secret.value),
    }
    end, expected = ENDS[what]
    end()
    found = ended_of(principals.values())
    assert {name for name, one in principals.items() if one in found} == expected


def test_a_sign_in_ends_with_the_last_second_factor_that_it_has_shown(settings: Any, db: None) -> None:
    settings.IDENTITY_STAFF_SECOND_FACTOR = "required"
    boss = User.objects.create_user("boss", is_staff=True)
    made = [Authenticator.objects.create(user=boss, type=type_, data={}) for type_ in ("totp", "webauthn")]
    client = Client()
    client.force_login(boss)
    request = HttpRequest()
    request.session = client.session
    for one in made:
        record_authentication(request, boss, "mfa", id=one.pk)
    request.session.save()
    principal = of_cookie(client.cookies["sessionid"].value)
    assert principal.is_staff
    told: list[None] = []
    forget = on_change(lambda: told.append(None))
    for left, one in ((1, made[0]), (0, made[1])):
        with TestCase.captureOnCommitCallbacks(execute=True):
            one.delete()
        assert ended_of([principal]) == (set() if left else {principal})
    forget()
    assert len(told) == 2


@pytest.mark.django_db
def test_a_sign_in_is_the_end_of_nothing_and_a_sign_out_is() -> None:
    """Else each sign-in has every process look at all its sockets."""
    ada = User.objects.create_user("ada", password="a-password-of-hers")
    client = Client()
    session = client.session
    session["looked"] = "at something"  # a nameless session, which the sign-in deletes
    session.save()
    told: list[None] = []
    forget = on_change(lambda: told.append(None))
    try:
        with TestCase.captureOnCommitCallbacks(execute=True):
            assert client.login(username="ada", password="a-password-of-hers")
        assert User.objects.get(pk=ada.pk).last_login
        assert told == []
        with TestCase.captureOnCommitCallbacks(execute=True):
            client.logout()
        assert told
    finally:
        forget()


@pytest.mark.parametrize(("factor", "is_staff"), [("off", True), ("required", False)])
def test_who_is_not_there_is_staff_only_where_a_password_makes_one(
    settings: Any, factor: str, is_staff: bool
) -> None:
    settings.IDENTITY_STAFF_SECOND_FACTOR = factor
    owner = Owner(visitor=Visitor(user_id=1), is_staff=True)
    assert for_its_owner("s1", owner).is_staff is is_staff


# Open sockets


async def test_a_revoked_key_ends_its_sockets_by_the_clock_alone(watching: ServerProcess) -> None:
    """The server hears nothing of it: it happens in this process."""
    row, value = await made_key("ada")
    _, other = await made_key("ada")
    async with (
        realtime(watching.ws_url, V1, additional_headers=bearer(value)) as client,
        realtime(watching.ws_url, V1, additional_headers=bearer(other)) as stays,
    ):
        await in_db_thread(revoke_key, row)
        assert await ended(client) == ("credentials_ended", 4401)
        await stays.ask("count to 3")


async def test_a_deactivated_user_is_out_by_every_way(watching: ServerProcess) -> None:
    _, value = await made_key("ada")
    cookies = await signed_in(watching, await made_user("ada"))
    async with (
        realtime(watching.ws_url, V1, additional_headers=bearer(value)) as by_key,
        realtime(watching.ws_url, V1, additional_headers=cookies) as by_cookie,
        realtime(watching.ws_url, V1, additional_headers=as_guest(watching)) as guest,
    ):
        await in_db_thread(lambda: User.objects.update(is_active=False))
        assert await ended(by_key) == ("credentials_ended", 4401)
        assert await ended(by_cookie) == ("credentials_ended", 4401)
        await guest.ask("count to 3")


@pytest.mark.parametrize("what", ["sign-out", "password", "role"])
async def test_what_is_done_in_a_page_of_this_process_ends_sockets_at_once(
    start_server: StartServer, what: str
) -> None:
    """By its own signals: this server would look at the clock in an hour."""
    server = start_server(DJANGO_SETTINGS_MODULE="tests.identity.patient_settings")
    user = await made_user("ada")
    await made_user("root", is_staff=True, is_superuser=True)
    cookies = await signed_in(server, user)
    root = await signed_in(server, await made_user("root"))
    async with realtime(server.ws_url, V1, additional_headers=cookies) as client:
        began = time.monotonic()
        match what:
            case "sign-out":
                await in_db_thread(post_form, server, "/logout/", cookies, {})
            case "password":
                fields = {"password1": "a-new-password-x1", "password2": "a-new-password-x1"}
                fields["usable_password"] = "true"
                await in_db_thread(post_form, server, f"/admin/auth/user/{user.pk}/password/", root, fields)
            case "role":
                fields = {"username": "ada", "is_active": "on", "is_staff": "on"}
                fields |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
                await in_db_thread(post_form, server, f"/admin/auth/user/{user.pk}/change/", root, fields)
        assert await ended(client) == ("credentials_ended", 4401)
        assert time.monotonic() - began < SOON_S


async def test_a_key_revoked_in_another_process_that_shares_redis_is_out_at_once(
    start_server: StartServer, redis_url: str
) -> None:
    patient = {"DJANGO_SETTINGS_MODULE": "tests.identity.patient_settings", "REDIS_URL": redis_url}
    one, two = start_server(**patient), start_server(**patient)
    row, value = await made_key("ada")
    root = await signed_in(one, await made_user("root", is_staff=True, is_superuser=True))
    async with realtime(two.ws_url, V1, additional_headers=bearer(value)) as client:
        fields = {"action": "revoke", "_selected_action": str(row.pk)}
        await in_db_thread(post_form, one, "/admin/identity/apikey/", root, fields)
        assert await ended(client) == ("credentials_ended", 4401)


async def test_an_expiry_needs_no_look(start_server: StartServer) -> None:
    server = start_server(DJANGO_SETTINGS_MODULE="tests.identity.patient_settings")
    row, value = await made_key("ada")
    made = await in_db_thread(make_secret, key=row, external_user_id="kim", seconds=2, session={})
    async with (
        realtime(server.ws_url, V1, additional_headers=bearer(value)) as stays,
        realtime(server.ws_url, V1, additional_headers=bearer(made.value)) as client,
    ):
        assert await ended(client) == ("credentials_ended", 4401)
        await stays.ask("count to 3")


async def test_a_deleted_session_is_gone_for_everybody(watching: ServerProcess) -> None:
    _, value = await made_key("ada")
    async with realtime(watching.ws_url, V1, additional_headers=bearer(value)) as client:
        await client.ask("count to 3")
        await in_db_thread(Session.objects.filter(pk=client.session_id).delete)
        assert await ended(client) == ("session_not_found", 4404)


async def test_a_new_session_without_a_word_is_not_taken_for_a_deleted_one(watching: ServerProcess) -> None:
    async with realtime(watching.ws_url) as client:
        await asyncio.sleep(2.5)
        await client.ask("count to 3")


async def test_a_guests_tab_ends_when_the_session_becomes_a_users(watching: ServerProcess) -> None:
    guest_id = "0123456789abcdef" * 2
    user = await made_user("ada")
    cookies = await signed_in(watching, user)
    async with realtime(watching.ws_url, V1, additional_headers=as_guest(watching, guest_id)) as client:
        await client.ask("count to 3")
        path = f"{V1}?session_id={client.session_id}"
        back = f"{V1}?{client.back}"
        assert await in_db_thread(adopt_sessions, guest_id=guest_id, user_id=user.pk) == 1
        async with realtime(watching.ws_url, path, additional_headers=cookies) as own:
            assert own.created["type"] == "session.created"
            assert await ended(client) == ("credentials_ended", 4401)
            await own.ask("count to 3")
            for headers in (as_guest(watching, guest_id), {}):
                async with realtime(watching.ws_url, back, additional_headers=headers) as other:
                    assert other.created["error"]["code"] == "session_not_found"


# Renewing


async def test_a_fresh_secret_on_the_open_socket_goes_on(start_server: StartServer) -> None:
    server = start_server(DJANGO_SETTINGS_MODULE="tests.identity.patient_settings")
    row, _ = await made_key("ada")

    async def secret(name: str, seconds: int) -> str:
        made = await in_db_thread(make_secret, key=row, external_user_id=name, seconds=seconds, session={})
        return str(made.value)

    short, long = await secret("kim", 8), await secret("kim", 600)
    ends_at = time.monotonic() + 8
    async with realtime(server.ws_url, V1, additional_headers=bearer(short)) as client:
        for wrong in (await secret("lee", 600), "rta_wrong", "guest", "x" * 9000):
            await client.send(type="session.update", session={"type": "realtime", "x_token": wrong})
            code = (await client.until("error"))["error"]["code"]
            assert code == ("invalid_event" if len(wrong) > 8192 else "token_refused")
        await client.send(type="session.update", session={"type": "realtime", "x_token": long})
        await client.until("session.updated")
        assert time.monotonic() < ends_at
        await asyncio.sleep(ends_at + 0.5 - time.monotonic())
        await client.ask("count to 3")
    events = await in_db_thread(lambda: list(Session.objects.get(pk=client.session_id).events.values()))
    for shown_value in (short, long):
        assert shown_value not in str(events) + str(client.frames)
    assert "session_updated" not in [event["event_type"] for event in events]


async def test_a_key_for_reading_does_not_become_one_for_talking_by_the_way(server: ServerProcess) -> None:
    """It does when its user shows one, and back."""
    _, chat = await made_key("ada")
    _, read = await made_key("ada", Scope.READ)
    async with realtime(server.ws_url, V1, additional_headers=bearer(chat)) as client:
        await client.send(type="session.update", session={"type": "realtime", "x_token": read})
        await client.until("session.updated")
        await client.send(type="response.create")
        assert (await client.until("error"))["error"]["code"] == "read_only_key"


async def test_a_key_without_the_rights_of_staff_does_not_keep_those_of_another(
    server: ServerProcess,
) -> None:
    await made_user("boss", is_staff=True)
    _, admin = await made_key("boss", Scope.ADMIN)
    _, other = await made_key("boss", Scope.ADMIN)
    _, chat = await made_key("boss", Scope.CHAT)
    async with realtime(server.ws_url, V1, additional_headers=bearer(admin)) as client:
        await client.send(type="session.update", session={"type": "realtime", "x_token": chat})
        assert (await client.until("error"))["error"]["code"] == "token_refused"
        await client.send(type="session.update", session={"type": "realtime", "x_token": other})
        await client.until("session.updated")


def post_form(server: ServerProcess, path: str, headers: dict[str, str], fields: dict[str, Any]) -> None:
    """As a browser on that page does it, to the running server."""

    token = "0123456789abcdefghijklmnopqrstuv"
    request = urllib.request.Request(
        server.url + path,
        data=urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token}).encode(),
        headers={**headers, "Cookie": f"{headers['Cookie']}; csrftoken={token}"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        page = response.read().decode()
    assert response.status == 200
    assert "errornote" not in page, page
