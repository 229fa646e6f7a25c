"""The page's own addresses, without a browser."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.conf import conf
from identity.guests import GUEST_COOKIE, issue_guest_id, read_guest_cookie, sign_guest_id
from sessions_app.models import Session

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def no_guests(settings: Any) -> None:
    settings.CHAT_GUESTS_ALLOWED = False
    assert not conf().guests_allowed


def guest_of(response: Any) -> str | None:
    return read_guest_cookie(response.cookies[GUEST_COOKIE].value)


def test_a_visitor_becomes_a_guest_and_stays_the_same_one(client: Client) -> None:
    first = client.get("/")
    cookie = first.cookies[GUEST_COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["max-age"] == 365 * 24 * 3600
    assert not cookie["secure"]
    assert guest_of(first)
    assert guest_of(client.get("/s/any")) == guest_of(first)


def test_the_cookie_is_for_https_alone_where_the_session_cookie_is(client: Client, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    assert client.get("/").cookies[GUEST_COOKIE]["secure"]


def test_a_forged_cookie_is_replaced(client: Client) -> None:
    forged = "0" * 32 + ":x:y"
    client.cookies[GUEST_COOKIE] = forged
    assert guest_of(client.get("/")) not in (None, "0" * 32)


def test_a_user_needs_no_guest_id(client: Client) -> None:
    client.force_login(User.objects.create_user("ada"))
    response = client.get("/")
    assert GUEST_COOKIE not in response.cookies
    assert "Sign out" in response.content.decode()


def test_the_shell_tells_nothing_about_the_session(client: Client) -> None:
    Session.objects.create(session_id="real", user=User.objects.create_user("ada"), title="Secret plans")
    client.get("/")
    real, none = (client.get(f"/s/{name}").content.decode() for name in ("real", "none"))
    assert _without_token(real.replace("/s/real", "/s/none")) == _without_token(none)


def _without_token(html: str) -> str:
    return "\n".join(line for line in html.splitlines() if "csrf" not in line)


@pytest.mark.parametrize("path", ["/s/", "/s/a/b", "/s/" + "a" * 129, "/s/a%20b", "/s/%3Cscript%3E"])
def test_what_cannot_be_a_session_id_is_not_found(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/s/abc", "/login/"])
def test_pages_carry_their_policy(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    for rule in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert rule in policy
    assert "connect-src 'self' ws://testserver wss://testserver;" in policy
    assert headers["Referrer-Policy"] == "same-origin"
    assert "private" in headers["Cache-Control"] or "no-store" in headers["Cache-Control"]


def test_without_guests_the_way_leads_through_signing_in(client: Client, no_guests: None) -> None:
    response = client.get("/s/abc?x=1")
    assert (response.status_code, response.headers["Location"]) == (302, "/login/?next=/s/abc%3Fx%3D1")
    assert GUEST_COOKIE not in response.cookies
    assert client.get("/api/sessions").status_code == 401


@pytest.mark.parametrize(
    "target", ["https://evil.invalid/", "//evil.invalid", "javascript:alert(1)", "\\\\evil.invalid"]
)
def test_signing_in_leads_nowhere_else(client: Client, target: str) -> None:
    User.objects.create_user("ada", password="pw")
    response = client.post("/login/", {"username": "ada", "password": "pw", "next": target})
    assert (response.status_code, response.headers["Location"]) == (302, "/")


def test_signing_out_takes_a_post(client: Client) -> None:
    client.force_login(User.objects.create_user("ada"))
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").headers["Location"] == "/"
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("path", ["/", "/s/abc", "/api/sessions"])
def test_pages_are_read_only(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


# The list of sessions


def make_sessions(count: int, **owner: Any) -> list[str]:
    began_at = datetime(2026, 3, 1, tzinfo=UTC)
    made = [
        Session(
            session_id=f"s{number:03}",
            start_time=began_at + timedelta(minutes=number),
            user_messages=1,
            title=f"No. {number}",
            **owner,
        )
        for number in range(count)
    ]
    return [session.session_id for session in reversed(Session.objects.bulk_create(made))]


def test_a_guest_is_listed_their_own_page_by_page(client: Client) -> None:
    guest_id = issue_guest_id()
    wanted = make_sessions(7, guest_id=guest_id)
    Session.objects.create(session_id="other", guest_id=issue_guest_id(), user_messages=1)
    Session.objects.create(session_id="nobodys", user_messages=1)
    client.cookies[GUEST_COOKIE] = sign_guest_id(guest_id)
    found: list[str] = []
    query = "?limit=3"
    for _ in range(3):
        answer = client.get(f"/api/sessions{query}").json()
        found += [session["id"] for session in answer["sessions"]]
        query = f"?limit=3&cursor={answer['next_cursor']}"
    assert found == wanted
    assert answer["next_cursor"] is None


def test_what_is_listed_of_a_session(client: Client) -> None:
    client.force_login(user := User.objects.create_user("ada"))
    make_sessions(1, user=user)
    response = client.get("/api/sessions")
    (session,) = response.json()["sessions"]
    assert session.keys() == {
        *("id", "title", "named", "pinned", "started_at", "last_word_at", "last_event_at"),
        *("status", "assistant", "summary", "excerpt"),
    }
    assert (session["id"], session["title"], session["status"]) == ("s000", "No. 0", "active")
    assert session["started_at"] == "2026-03-01T00:00:00+00:00"
    assert "no-store" in response.headers["Cache-Control"]


def test_nobody_in_particular_is_listed_nothing(client: Client) -> None:
    make_sessions(2)
    assert client.get("/api/sessions").json() == {"sessions": [], "next_cursor": None}


@pytest.mark.parametrize(
    "cursor", ["x", "%00", "eA", "MjAyNi0wMy0wMSBh", "MCAyMDI2LTAzLTAxVDAwOjAwOjAwKzAwOjAwIAA"]
)
def test_a_cursor_that_is_none_of_ours_is_refused(client: Client, cursor: str) -> None:
    client.cookies[GUEST_COOKIE] = sign_guest_id(issue_guest_id())
    response = client.get(f"/api/sessions?cursor={cursor}")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_cursor"


@pytest.mark.parametrize(("limit", "count"), [("0", 1), ("-1", 30), ("x", 30), ("1000", 100), ("9" * 50, 30)])
def test_the_page_size_is_bounded(client: Client, limit: str, count: int) -> None:
    client.force_login(user := User.objects.create_user("ada"))
    make_sessions(101, user=user)
    assert len(client.get(f"/api/sessions?limit={limit}").json()["sessions"]) == count
