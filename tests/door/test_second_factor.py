"""Second factors: setting one up, being asked for it, and that staff cannot come in without where it has to have one."""

import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client

from chat.wire.auth import identify

PASSWORD = "a-long-password-for-tests"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def required(settings: Any) -> None:
    settings.IDENTITY_STAFF_SECOND_FACTOR = "required"


def code_of(secret: str, *, later: int = 0) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + later)))


def with_totp(user: User) -> str:
    secret = str(generate_totp_secret())
    TOTP.activate(user, secret)
    return secret


def password_alone(user: User, path: str = "/login/") -> Client:
    client = Client()
    client.post(path, {"username": user.username, "password": PASSWORD})
    return client


def is_staff_on_a_socket(client: Client) -> bool:
    name = django_settings.SESSION_COOKIE_NAME
    morsel = client.cookies.get(name)
    headers = {"cookie": f"{name}={morsel.value}"} if morsel else {}
    return async_to_sync(identify)(headers, []).is_staff


def test_without_the_demand_a_password_is_enough(staff: User) -> None:
    client = password_alone(staff)
    assert client.get("/admin/").status_code == 200
    assert is_staff_on_a_socket(client)


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_staff_with_a_password_alone_is_no_staff_anywhere(staff: User, required: None, path: str) -> None:
    client = password_alone(staff, path)
    assert client.session["_auth_user_id"] == str(staff.pk)
    for page in (
        "/admin/",
        "/admin/sessions_app/session/",
        f"/admin/auth/user/{staff.pk}/change/",
        "/admin/jsi18n/",
    ):
        answer = client.get(page)
        assert (answer.status_code, answer.content) == (302, b"")
        assert answer.headers["Location"].startswith("/admin/login/?next=")
    assert client.post("/admin/auth/group/add/", {"name": "new"}).status_code == 302
    assert not is_staff_on_a_socket(client)
    told = client.get("/admin/", follow=True)
    assert told.redirect_chain[-1][0].startswith("/account/second-factor/")
    assert "Staff needs a second factor" in told.content.decode()


def test_setting_one_up_wants_the_password_again_and_then_opens_the_admin(
    staff: User, required: None
) -> None:
    client = password_alone(staff)
    asked = client.get("/account/second-factor/totp/activate/")
    assert asked.headers["Location"].startswith("/account/confirm/")
    client.post("/account/confirm/", {"password": PASSWORD})
    client.get("/account/second-factor/totp/activate/")
    secret = client.session["mfa.totp.secret"]
    wrong = client.post("/account/second-factor/totp/activate/", {"code": "000000"})
    assert "This code is not right" in wrong.content.decode()
    client.post("/account/second-factor/totp/activate/", {"code": code_of(secret)})
    assert Authenticator.objects.filter(user=staff, type="totp").exists()
    assert client.get("/admin/").status_code == 200
    assert is_staff_on_a_socket(client)


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_who_has_one_is_asked_for_it_and_is_nobody_before(staff: User, required: None, path: str) -> None:
    secret = with_totp(staff)
    client = password_alone(staff, path)
    assert "_auth_user_id" not in client.session
    assert client.get("/admin/").status_code == 302
    assert not is_staff_on_a_socket(client)
    wrong = client.post("/account/second-factor/authenticate/", {"code": "000000"})
    assert "This code is not right" in wrong.content.decode()
    assert "_auth_user_id" not in client.session
    client.post("/account/second-factor/authenticate/", {"code": code_of(secret)})
    assert client.get("/admin/").status_code == 200
    assert is_staff_on_a_socket(client)


def test_a_code_opens_once(staff: User) -> None:
    secret = with_totp(staff)
    code = code_of(secret)
    first, second = password_alone(staff), password_alone(staff)
    first.post("/account/second-factor/authenticate/", {"code": code})
    second.post("/account/second-factor/authenticate/", {"code": code})
    assert "_auth_user_id" in first.session
    assert "_auth_user_id" not in second.session


def test_a_recovery_code_opens_once(staff: User, required: None) -> None:
    with_totp(staff)
    code = RecoveryCodes.activate(staff).get_unused_codes()[0]
    first, second = password_alone(staff), password_alone(staff)
    first.post("/account/second-factor/authenticate/", {"code": code})
    second.post("/account/second-factor/authenticate/", {"code": code})
    assert first.get("/admin/").status_code == 200
    assert "_auth_user_id" not in second.session


def test_codes_cannot_be_guessed(staff: User) -> None:
    secret = with_totp(staff)
    for _ in range(5):
        client = password_alone(staff)
        client.post("/account/second-factor/authenticate/", {"code": "000000"})
    client = password_alone(staff)
    answer = client.post("/account/second-factor/authenticate/", {"code": code_of(secret)})
    assert (answer.status_code, answer["Retry-After"]) == (429, "300")
    assert "Too many wrong attempts" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_a_session_of_before_is_asked_for_it(staff: User, required: None) -> None:
    client = Client()
    client.force_login(staff)
    secret = with_totp(staff)
    asked = client.get("/admin/", follow=True)
    path, _ = asked.redirect_chain[-1]
    assert path.startswith("/account/second-factor/reauthenticate/?next=")
    client.post("/account/second-factor/reauthenticate/", {"code": code_of(secret), "next": "/admin/"})
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "path", ["recovery-codes/", "recovery-codes/generate/", "totp/deactivate/", "webauthn/add/"]
)
def test_a_session_of_before_and_the_password_change_no_factor(staff: User, path: str) -> None:
    client = Client()
    client.force_login(staff)
    secret = with_totp(staff)
    code = RecoveryCodes.activate(staff).get_unused_codes()[0]
    client.post("/account/confirm/", {"password": PASSWORD})
    asked = client.get(f"/account/second-factor/{path}")
    assert asked.headers["Location"].startswith("/account/second-factor/reauthenticate/")
    assert code not in client.get(f"/account/second-factor/{path}", follow=True).content.decode()
    client.post("/account/second-factor/totp/deactivate/")
    assert Authenticator.objects.filter(user=staff, type="totp").exists()
    client.post("/account/second-factor/reauthenticate/", {"code": code_of(secret), "next": "/"})
    assert client.get(f"/account/second-factor/{path}").status_code == 200


def test_somebody_elses_factor_counts_for_nobody_else(staff: User, required: None) -> None:
    """A session that changes hands does not keep what the one before has shown."""
    other = User.objects.create_superuser("other", password=PASSWORD)
    secret = with_totp(other)
    client = password_alone(other)
    client.post("/account/second-factor/authenticate/", {"code": code_of(secret)})
    assert client.get("/admin/").status_code == 200
    client.force_login(staff)
    assert client.get("/admin/").status_code == 302


def test_a_factor_that_is_taken_away_takes_its_sessions_with_it(staff: User, required: None) -> None:
    secret = with_totp(staff)
    client = password_alone(staff)
    client.post("/account/second-factor/authenticate/", {"code": code_of(secret)})
    assert client.get("/admin/mfa/authenticator/").status_code == 200
    Authenticator.objects.filter(user=staff).delete()
    assert client.get("/admin/").status_code == 302


def test_the_admin_shows_whose_but_not_what(staff: User) -> None:
    secret = with_totp(staff)
    client = Client()
    client.force_login(staff)
    pk = Authenticator.objects.get().pk
    for page in ("/admin/mfa/authenticator/", f"/admin/mfa/authenticator/{pk}/change/"):
        answer = client.get(page, follow=True)
        assert answer.status_code == 200
        assert secret not in answer.content.decode()
    client.post(
        "/admin/mfa/authenticator/", {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
    )
    assert not Authenticator.objects.exists()
