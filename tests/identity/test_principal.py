"""What a handshake brings becomes one principal, and nothing of what was shown can be read from it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from identity.guests import GUEST_COOKIE, holds_secret, issue_guest_id, resume_token, sign_guest_id
from identity.keys import make_key, make_secret
from identity.models import Scope
from identity.principal import KEY_SUBPROTOCOL, Kind, Principal, principal_of, shown
from identity.tokens import CredentialsRefused

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


def of_key(value: str) -> Principal:
    return principal_of(shown({"authorization": f"Bearer {value}"}))


def test_by_nothing_nobody_is_anybody() -> None:
    for headers in ({}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer guest"}):
        principal = principal_of(shown(headers))
        assert (principal.kind, principal.user_id, principal.guest_id) == (Kind.NOBODY, None, "")


def test_by_a_cookie_a_guest_and_a_user(ada: User) -> None:
    guest_id = issue_guest_id()
    cookie = f"{GUEST_COOKIE}={sign_guest_id(guest_id)}"
    assert principal_of(shown({"cookie": cookie})).guest_id == guest_id
    client = Client()
    client.force_login(ada)
    session_key = client.cookies["sessionid"].value
    principal = principal_of(shown({"cookie": f"{cookie}; sessionid={session_key}"}))
    assert (principal.kind, principal.user_id, principal.guest_id) == (Kind.LOGIN, ada.pk, guest_id)
    assert session_key not in repr(principal)


@pytest.mark.parametrize(
    "other",
    ['prefs={"theme": "dark"}', "name=J\xfcrgen", "path=/shop", "flag", "words=two of them", "a[b]=1", "=5"],
)
def test_a_cookie_of_another_application_keeps_nobody_out(ada: User, other: str) -> None:
    """One host name has the cookies of all that was ever served there, and those of the domains above it."""
    guest_id = issue_guest_id()
    client = Client()
    client.force_login(ada)
    session_key = client.cookies["sessionid"].value
    ours = f"{GUEST_COOKIE}={sign_guest_id(guest_id)}; sessionid={session_key}"
    for cookie in (f"{other}; {ours}", f"{ours}; {other}", ours.replace("; ", f"; {other}; ")):
        principal = principal_of(shown({"cookie": cookie}))
        assert (principal.kind, principal.user_id, principal.guest_id) == (Kind.LOGIN, ada.pk, guest_id)


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        (Scope.READ, {Scope.READ}),
        (Scope.CHAT, {Scope.READ, Scope.CHAT}),
        (Scope.ADMIN, {Scope.READ, Scope.CHAT, Scope.ADMIN}),
    ],
)
@pytest.mark.parametrize("is_staff", [True, False])
def test_a_key_may_what_its_scope_says(ada: User, scope: Scope, may: set[Scope], is_staff: bool) -> None:
    """Its user's rights as staff come with a key for them alone."""
    User.objects.update(is_staff=is_staff, is_superuser=is_staff)
    principal = of_key(make_key(user=ada, label="x", scope=scope).value)
    assert principal.scopes == may
    assert {one for one in Scope if principal.may(one)} == may
    assert principal.is_staff == (is_staff and scope is Scope.ADMIN)


def test_the_subprotocol_counts_as_the_header(ada: User) -> None:
    value = make_key(user=ada, label="x").value
    by_header = of_key(value)
    assert principal_of(shown({}, ["realtime", KEY_SUBPROTOCOL + value])) == by_header
    assert by_header.kind is Kind.KEY


def test_what_was_shown_is_in_no_representation(ada: User) -> None:
    key = make_key(user=ada, label="x")
    secret = make_secret(key=key.row, external_user_id="kim", seconds=60, session={})
    for value in (key.value, secret.value):
        given = shown({"authorization": f"Bearer {value}"})
        assert value[13:] not in repr(given) + repr(principal_of(given))


def test_a_staff_users_secret_is_no_staff(ada: User) -> None:
    User.objects.update(is_staff=True)
    key = make_key(user=ada, label="x", scope=Scope.ADMIN).row
    principal = of_key(make_secret(key=key, external_user_id="kim", seconds=60, session={}).value)
    assert not principal.is_staff
    assert not principal.may(Scope.ADMIN)
    assert not principal.is_same_person(of_key(make_key(user=ada, label="y").value))


@pytest.mark.parametrize(
    "value", ["", "sk-nobodys", "rta_", "ek_x", "rta_abcdefgh_" + "A" * 43, "é", "a.b.c"]
)
def test_what_is_no_key_of_ours_lets_nobody_in(value: str) -> None:
    with pytest.raises(CredentialsRefused) as refused:
        of_key(value)
    assert not value or value not in str(refused.value)


def test_a_session_is_entered_by_its_own_secret_alone() -> None:
    assert holds_secret("s1", resume_token("s1"))
    for session_id, token in (("s2", resume_token("s1")), ("s1", ""), ("s1", "é"), ("s1", ":"), ("", "")):
        assert not holds_secret(session_id, token)
    assert set(resume_token("s1")) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
