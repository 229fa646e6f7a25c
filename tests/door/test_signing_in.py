"""Who gets in, who does not, and what an attacker learns: by words, by codes, by headers."""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from prometheus_client import REGISTRY

from chat.conf import conf
from tests.support.server import ServerProcess

PASSWORD = "a-long-password-for-tests"
pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", "ada@example.com", PASSWORD)


def sign_in(client: Client, name: str = "ada", password: str = PASSWORD, **extra: Any) -> Any:
    return client.post("/login/", {"username": name, "password": password}, **extra)


def said(response: Any) -> str:
    """The alert's words, without the token that each page has of its own."""
    found = re.search(
        r'<div class="banner" role="alert">.*?<p>(.*?)</p>', response.content.decode(), re.DOTALL
    )
    return found[1] if found else ""


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("chat_sign_ins_total", {"outcome": outcome}) or 0.0


def test_a_wrong_password_an_unknown_name_and_a_switched_off_account_look_the_same(ada: User) -> None:
    User.objects.create_user("off", password=PASSWORD, is_active=False)
    answers = [
        sign_in(Client(), "ada", "wrong"),
        sign_in(Client(), "nobody", "wrong"),
        sign_in(Client(), "off", "wrong"),
        sign_in(Client(), "off", PASSWORD),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({said(answer) for answer in answers}) == 1
    assert "correct username and password" in said(answers[0])


def test_a_hash_is_computed_for_a_name_that_nobody_has(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time tells nothing: as many computations as for a wrong password."""
    hashed: list[str] = []
    from django.contrib.auth.hashers import MD5PasswordHasher

    encode = MD5PasswordHasher.encode

    def noted(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", noted)
    for name in ("ada", "nobody"):
        sign_in(Client(), name, f"guess for {name}")
    assert hashed == ["guess for ada", "guess for nobody"]


def test_a_name_is_held_up_after_its_tries_from_whichever_address(ada: User, settings: Any) -> None:
    settings.CHAT_SIGN_IN_TRIES_PER_NAME = 3
    for number in range(3):
        assert (
            sign_in(
                Client(), "ADA " if number else "ada", "wrong", REMOTE_ADDR=f"198.51.100.{number}"
            ).status_code
            == 200
        )
    refused = sign_in(Client(), REMOTE_ADDR="198.51.100.9")
    assert refused.status_code == 429
    assert 200 < int(refused["Retry-After"]) <= 300
    assert re.match(r"Too many wrong attempts\. Try again in [45] minutes\.", said(refused))
    assert "_auth_user_id" not in refused.client.session
    assert sign_in(Client(), "somebody-else", "wrong", REMOTE_ADDR="198.51.100.9").status_code == 200


def test_a_name_that_nobody_has_is_held_up_like_any(settings: Any) -> None:
    settings.CHAT_SIGN_IN_TRIES_PER_NAME = 2
    assert [sign_in(Client(), "nobody", "x").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    "addresses",
    [
        ["203.0.113.7"] * 4,
        ["2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:2:3::9", "2001:db8:1:2::8"],
    ],
)
def test_an_address_is_held_up_whatever_the_names(ada: User, settings: Any, addresses: list[str]) -> None:
    settings.CHAT_SIGN_IN_TRIES_PER_ADDRESS = 3
    codes = [
        sign_in(Client(), f"name-{number}", "x", REMOTE_ADDR=address).status_code
        for number, address in enumerate(addresses)
    ]
    assert codes == [200, 200, 200, 429]
    assert sign_in(Client(), REMOTE_ADDR="203.0.113.8").status_code == 302


def test_an_address_that_is_held_up_does_not_use_up_a_strangers_name(ada: User, settings: Any) -> None:
    settings.CHAT_SIGN_IN_TRIES_PER_ADDRESS, settings.CHAT_SIGN_IN_TRIES_PER_NAME = 2, 4
    for _ in range(9):
        sign_in(Client(), password="wrong", REMOTE_ADDR="203.0.113.7")
    assert sign_in(Client(), REMOTE_ADDR="203.0.113.8").status_code == 302


def test_headers_that_anybody_can_send_change_no_address(ada: User, settings: Any) -> None:
    settings.CHAT_SIGN_IN_TRIES_PER_ADDRESS = 2
    codes = [
        sign_in(
            Client(),
            f"name-{number}",
            "x",
            HTTP_X_FORWARDED_FOR=f"198.51.100.{number}",
            HTTP_X_REAL_IP=f"198.51.100.{number}",
            HTTP_FORWARDED=f"for=198.51.100.{number}",
        ).status_code
        for number in range(3)
    ]
    assert codes == [200, 200, 429]


def test_a_right_password_does_not_count_and_clears_nothing(ada: User, settings: Any) -> None:
    """Else somebody with an account of their own could guess at others' for ever, signing in between."""
    settings.CHAT_SIGN_IN_TRIES_PER_ADDRESS = 3
    assert [sign_in(Client()).status_code for _ in range(5)] == [302] * 5
    codes = []
    for number in range(4):
        codes.append(sign_in(Client(), f"victim-{number}", "x").status_code)
        sign_in(Client())
    assert codes == [200, 200, 200, 429]


def test_what_failed_is_logged_and_counted(
    ada: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHAT_SIGN_IN_TRIES_PER_NAME = 1
    before = {outcome: counted(outcome) for outcome in ("ok", "wrong_password", "limited")}
    with caplog.at_level(logging.WARNING, logger="chat.door"):
        sign_in(Client(), "eve\nFORGED line", "secret-guess", REMOTE_ADDR="203.0.113.7")
        sign_in(Client(), "eve\nFORGED line", "secret-guess", REMOTE_ADDR="203.0.113.7")
    sign_in(Client())
    assert caplog.messages[0] == "sign-in failed: name 'eve\\nFORGED line', from 203.0.113.7"
    assert caplog.messages[1].startswith(
        "sign-in refused, too many attempts: name 'eve\\nFORGED line', from 203.0.113.7"
    )
    assert "secret-guess" not in caplog.text
    assert {outcome: counted(outcome) - was for outcome, was in before.items()} == dict.fromkeys(before, 1.0)


def test_the_session_gets_a_new_key(ada: User) -> None:
    client = Client()
    client.get("/login/")
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    planted = session.session_key
    sign_in(client)
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert client.session.session_key != planted


@pytest.mark.parametrize(
    "target",
    ["https://evil.invalid/", "//evil.invalid", "javascript:alert(1)", "/\\evil.invalid", "///evil.invalid"],
)
@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_next_leads_nowhere_else(ada: User, path: str, target: str) -> None:
    answer = Client().post(path, {"username": "ada", "password": PASSWORD, "next": target})
    assert answer.headers["Location"] in ("/", "/admin/")
    signed_in = Client()
    signed_in.force_login(ada)
    assert signed_in.get("/login/", {"next": target}).headers["Location"] == "/"


def test_the_admins_sign_in_is_the_same_door(ada: User, settings: Any) -> None:
    settings.CHAT_SIGN_IN_TRIES_PER_NAME = 1
    page = Client().get("/admin/login/")
    assert "require-trusted-types-for" in page["Content-Security-Policy"]
    User.objects.create_user("staff", password=PASSWORD, is_staff=True)
    inside = Client().post("/admin/login/", {"username": "staff", "password": PASSWORD})
    assert inside.headers["Location"] == "/admin/"
    assert Client().post("/admin/login/", {"username": "staff", "password": "wrong"}).status_code == 200
    assert Client().post("/admin/login/", {"username": "staff", "password": PASSWORD}).status_code == 429
    assert sign_in(Client(), "staff").status_code == 429


def test_who_is_no_staff_is_told_so(ada: User) -> None:
    client = Client()
    client.force_login(ada)
    answer = client.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "no member of staff" in answer.content.decode()


def test_accounts_are_made_by_the_operator_alone_unless_told_otherwise(settings: Any) -> None:
    form = {"username": "eve", "password1": "kN9-river-lamp", "password2": "kN9-river-lamp"}
    closed = Client().post("/account/sign-up/", form)
    assert "No new accounts" in closed.content.decode()
    assert not User.objects.exists()
    settings.CHAT_SIGN_UP_ALLOWED = True
    assert Client().post("/account/sign-up/", form).status_code == 302
    made = User.objects.get()
    assert (made.username, made.is_staff, made.is_superuser) == ("eve", False, False)


def test_a_new_password_is_mailed_only_where_mail_is_set_up(ada: User, settings: Any) -> None:
    settings.CHAT_HAS_EMAIL = False
    assert Client().get("/account/new-password/").status_code == 404
    assert Client().post("/account/new-password/", {"email": "ada@example.com"}).status_code == 404
    assert "Forgotten" not in Client().get("/login/").content.decode()
    settings.CHAT_HAS_EMAIL = True
    assert "Forgotten" in Client().get("/login/").content.decode()
    answers = [
        Client().post("/account/new-password/", {"email": address})
        for address in ("ada@example.com", "no@example.com")
    ]
    assert [answer.headers["Location"] for answer in answers] == ["/account/new-password/sent/"] * 2
    assert [message.to for message in mail.outbox] == [["ada@example.com"], ["no@example.com"]]
    link = re.search(r"http://testserver(/account/new-password/\S+)", str(mail.outbox[0].body))
    assert link
    client = Client()
    form = client.get(link[1])
    answer = client.post(
        form.headers["Location"], {"password1": "kN9-river-lamp", "password2": "kN9-river-lamp"}
    )
    assert answer.headers["Location"] == "/account/new-password/done/"
    assert "_auth_user_id" not in client.session
    assert sign_in(Client(), password="kN9-river-lamp").status_code == 302
    assert "set-password" not in Client().get(link[1]).headers.get("Location", "")


def test_whoever_has_no_account_is_led_to_a_page_for_one_only_where_it_is_open(settings: Any) -> None:
    settings.CHAT_HAS_EMAIL = True
    for open_to_all, language in ((False, "en"), (False, "de"), (True, "en")):
        settings.CHAT_SIGN_UP_ALLOWED = open_to_all
        asked = {"email": "no@example.com"}
        Client().post("/account/new-password/", asked, headers={"Accept-Language": language})
        words = str(mail.outbox.pop().body)
        assert "no@example.com" in words
        assert ("/account/sign-up/" in words, "link below" in words) == (open_to_all, open_to_all)
        assert ("any record" in words) == (language == "en")


def test_asking_for_new_passwords_is_bounded(ada: User, settings: Any) -> None:
    settings.CHAT_HAS_EMAIL = True
    codes = [
        Client().post("/account/new-password/", {"email": "ada@example.com"}).status_code for _ in range(6)
    ]
    assert codes == [302] * 5 + [429]


@pytest.mark.parametrize("page", ["/account/password/", "/admin/password_change/"])
def test_the_present_password_is_not_guessed_on_the_page_for_another_one(ada: User, page: str) -> None:
    """The admin's own page for it had no bound: whoever finds an open session of staff could try as often as they like."""
    User.objects.update(is_staff=True)
    client = Client()
    client.force_login(ada)
    new = {"password1": "kN9-river-lamp", "password2": "kN9-river-lamp"}
    theirs = {"new_password1": "kN9-river-lamp", "new_password2": "kN9-river-lamp"}  # as Django calls them
    codes = []
    for old in (*map(str, range(5)), PASSWORD):
        form = {"oldpassword": old, "old_password": old, **new, **theirs}
        shown = client.get(page, follow=True).request["PATH_INFO"]
        codes.append(client.post(shown, form).status_code)
    ada.refresh_from_db()
    assert (codes, ada.check_password(PASSWORD)) == ([200] * 5 + [429], True)


def test_the_admins_page_for_another_password_is_the_doors_and_leads_back(ada: User) -> None:
    User.objects.update(is_staff=True)
    client = Client()
    client.force_login(ada)
    old = {"old_password": PASSWORD, "new_password1": "kN9-river-lamp", "new_password2": "kN9-river-lamp"}
    assert client.post("/admin/password_change/", old).headers["Location"].startswith("/account/password/")
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    asked = client.get("/admin/password_change/", follow=True)
    assert 'name="next" value="/admin/"' in asked.content.decode()
    mine = {"oldpassword": PASSWORD, "password1": "kN9-river-lamp", "password2": "kN9-river-lamp"}
    assert client.post("/account/password/", {**mine, "next": "/admin/"}).headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_refusals_are_pages_of_ours(ada: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    stale = strict.post("/login/", {"username": "ada", "password": PASSWORD})
    assert (stale.status_code, "Nothing was changed" in stale.content.decode()) == (403, True)
    nowhere = strict.get("/nowhere")
    assert (nowhere.status_code, "There is nothing here" in nowhere.content.decode()) == (404, True)
    for answer in (stale, nowhere, strict.get("/api/sessions"), strict.get("/admin/", follow=True)):
        assert "default-src 'none'" in answer["Content-Security-Policy"]
        assert "camera=()" in answer["Permissions-Policy"]
        scripts = next(
            rule for rule in answer["Content-Security-Policy"].split("; ") if rule.startswith("script-src")
        )
        assert scripts == "script-src 'self'"


@pytest.fixture(scope="module")
def two_servers(django_db_setup: None) -> Iterator[list[ServerProcess]]:
    servers = [ServerProcess(SIGN_IN_TRIES_PER_NAME="5", ALLOWED_HOSTS="*").start() for _ in range(2)]
    yield servers
    for server in servers:
        server.stop()
        server.close()


@pytest.mark.django_db(transaction=True)
def test_two_processes_share_one_count_however_many_ask_at_once(two_servers: list[ServerProcess]) -> None:
    import urllib.error
    import urllib.parse
    import urllib.request

    User.objects.create_user("ada", password=PASSWORD)
    connection.close()

    def attempt(number: int) -> int:
        server = two_servers[number % 2]
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        page = opener.open(f"{server.url}/login/", timeout=30).read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token
        form = {"username": "ada", "password": f"guess {number}", "csrfmiddlewaretoken": token[1]}
        try:
            return int(
                opener.open(f"{server.url}/login/", urllib.parse.urlencode(form).encode(), timeout=30).status
            )
        except urllib.error.HTTPError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(attempt, range(16)))
    assert sorted(codes) == [200] * 5 + [429] * 11


def test_the_bounds_are_what_the_settings_say() -> None:
    assert (conf().sign_in_tries_per_name, conf().sign_in_tries_per_address) == (10, 50)
