"""Sign-in makes a guest's sessions the user's; what the next person at that browser sees is their own."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from identity.guests import GUEST_COOKIE, issue_guest_id, read_guest_cookie
from sessions_app.errors import SessionNotFound
from sessions_app.log.lifecycle import Visitor, open_session, owners_of
from sessions_app.models import Session
from sessions_app.review.text import visitor_name

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-password-for-tests"


@pytest.fixture
def browser() -> Client:
    """At the chat page, as a guest with one session."""
    client = Client()
    client.get("/")
    Session.objects.create(session_id="s1", guest_id=guest_of(client), user_messages=1)
    return client


@pytest.fixture(autouse=True)
def people(db: None) -> dict[str, User]:
    ada = User.objects.create_user("ada", password=PASSWORD)
    bob = User.objects.create_user("bob", password=PASSWORD)
    root = User.objects.create_superuser("root", password=PASSWORD)
    return {"ada": ada, "bob": bob, "root": root}


def guest_of(client: Client) -> str:
    return read_guest_cookie(client.cookies[GUEST_COOKIE].value) or ""


def sign_in(client: Client, username: str, path: str = "/login/") -> None:
    response = client.post(path, {"username": username, "password": PASSWORD})
    assert response.status_code == 302, response.content


def listed(client: Client) -> list[str]:
    return [one["id"] for one in client.get("/api/sessions").json()["sessions"]]


@pytest.mark.parametrize(("username", "path"), [("ada", "/login/"), ("root", "/admin/login/")])
def test_the_guests_sessions_are_the_users_by_whichever_page(
    browser: Client, people: dict[str, User], username: str, path: str
) -> None:
    before = guest_of(browser)
    sign_in(browser, username, path)
    assert Session.objects.get().user == people[username]
    assert guest_of(browser) not in ("", before)
    assert listed(browser) == ["s1"]


def test_the_next_person_at_that_browser_sees_nothing_of_it(browser: Client) -> None:
    sign_in(browser, "ada")
    as_ada = guest_of(browser)
    browser.post("/logout/")
    assert guest_of(browser) not in ("", as_ada)
    assert listed(browser) == []
    sign_in(browser, "bob")
    assert listed(browser) == []
    browser.post("/logout/")
    sign_in(browser, "ada")
    assert listed(browser) == ["s1"]


def test_what_a_guest_does_after_a_sign_out_is_not_the_users(
    browser: Client, people: dict[str, User]
) -> None:
    sign_in(browser, "ada")
    browser.post("/logout/")
    Session.objects.create(session_id="s2", guest_id=guest_of(browser), user_messages=1)
    sign_in(browser, "bob")
    assert Session.objects.get(pk="s1").user == people["ada"]
    assert Session.objects.get(pk="s2").user == people["bob"]


def test_the_old_cookie_is_worth_nothing_after_the_sign_in(browser: Client) -> None:
    stolen = browser.cookies[GUEST_COOKIE].value
    sign_in(browser, "ada")
    thief = Client()
    thief.cookies[GUEST_COOKIE] = stolen
    assert listed(thief) == []


@pytest.mark.parametrize("cookie", [None, "forged", "0123456789abcdef0123456789abcdef:1abcde:x"])
def test_without_a_cookie_of_ours_nothing_is_adopted(cookie: Any) -> None:
    Session.objects.create(session_id="nobodys", user_messages=1)
    Session.objects.create(session_id="anothers", guest_id=issue_guest_id(), user_messages=1)
    client = Client()
    if cookie:
        client.cookies[GUEST_COOKIE] = cookie
    sign_in(client, "ada")
    assert not Session.objects.exclude(user=None).exists()


def test_a_failed_sign_in_changes_nothing(browser: Client) -> None:
    before = guest_of(browser)
    response = browser.post("/login/", {"username": "ada", "password": "wrong"})
    assert response.status_code == 200
    assert guest_of(browser) == before
    assert Session.objects.get().user is None


@pytest.mark.parametrize("delete", [User.delete, lambda user: User.objects.filter(pk=user.pk).delete()])
def test_with_the_account_its_sessions_are_closed_to_whoever_was_let_in_before(
    browser: Client, people: dict[str, User], delete: Callable[[User], object]
) -> None:
    """Neither the guest's cookie from before the sign-in nor the session's secret opens them again."""
    cookie = browser.cookies[GUEST_COOKIE].value
    guest_id = guest_of(browser)
    sign_in(browser, "ada")
    Session.objects.create(session_id="s2", user=people["ada"], external_user_id="kim", user_messages=1)
    delete(people["ada"])
    thief = Client()
    thief.cookies[GUEST_COOKIE] = cookie
    assert listed(thief) == []
    assert thief.delete("/api/sessions/s1").status_code == 404
    for session_id in ("s1", "s2"):
        visitor = Visitor(guest_id=guest_id, secret_of=session_id)
        owner = owners_of(session_ids=[session_id])[session_id]
        assert not visitor.owns(owner.as_owner(), session_id)
        with pytest.raises(SessionNotFound):
            open_session(session_id=session_id, visitor=visitor, process_id="p", model="demo:x", create=False)
    assert "Account deleted" in visitor_name(Session.objects.get(pk="s2"))
