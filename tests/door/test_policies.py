"""Each page of ours and of the admin in a real Chromium: nothing breaks the page's own policies."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Literal

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page

from tests.admin.conftest import signed_in
from tests.admin.rows import turn, write_session
from tests.support.browser import Complaints
from tests.support.server import ServerProcess

Scheme = Literal["light", "dark"]
DOOR = [
    "/login/",
    "/account/sign-up/",
    "/account/new-password/",
    "/account/new-password/sent/",
    "/account/switched-off/",
]
OWN = [
    "/account/second-factor/",
    "/account/password/",
    "/account/second-factor/webauthn/",
    "/account/confirm/?next=/",
]
ADMIN = [
    "/admin/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/group/",
    "/admin/auth/group/add/",
    "/admin/mfa/authenticator/",
    "/admin/procrastinate/procrastinatejob/",
    "/admin/sessions_app/session/",
    "/nowhere",
]


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    server = ServerProcess(SIGN_UP="1", DEBUG="0").start()
    yield server
    server.stop()
    server.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.django_db(transaction=True)
def test_no_page_breaks_its_policies(browser: Browser, server: ServerProcess, scheme: Scheme) -> None:
    user = User.objects.create_superuser("root", password="a-long-password-for-tests")
    write_session(turn(1), session_id="known")
    group = user.groups.create(name="Readers")
    inside = [
        *ADMIN,
        f"/admin/auth/user/{user.pk}/change/",
        f"/admin/auth/user/{user.pk}/password/",
        f"/admin/auth/user/{user.pk}/history/",
        f"/admin/auth/group/{group.pk}/change/",
        f"/admin/auth/group/{group.pk}/delete/",
        "/admin/sessions_app/session/known/change/",
        "/admin/sessions_app/session/known/events/",
    ]
    context = browser.new_context(base_url=server.url, color_scheme=scheme)
    page = context.new_page()
    complaints = Complaints(page)
    found = visit(page, complaints, [*DOOR, "/admin/login/", "/"])
    cookie = signed_in(user).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": server.url}])
    found |= visit(page, complaints, [*OWN, "/", *inside])
    context.close()
    assert found == {}


def visit(page: Page, complaints: Complaints, paths: list[str]) -> dict[str, list[str]]:
    """What each path's page complained of."""
    found = {}
    for path in paths:
        page.goto(path, wait_until="load")
        page.wait_for_function("() => document.readyState === 'complete'")
        page.wait_for_timeout(150)
        expected = "404" if path == "/nowhere" else "\0"
        if words := [one for one in complaints.found if expected not in one]:
            found[path] = words[:4]
        complaints.found.clear()
    return found


@pytest.mark.parametrize(
    ("env", "subdomains", "preload"),
    [({}, False, False), ({"HSTS_INCLUDE_SUBDOMAINS": "1", "HSTS_PRELOAD": "1"}, True, True)],
)
def test_what_other_hosts_are_told_of_https_is_the_operators_choice(
    env: dict[str, str], subdomains: bool, preload: bool
) -> None:
    program = (
        "from realtime_ai.settings import production as p; import json; "
        "print(json.dumps([p.SECURE_HSTS_SECONDS, p.SECURE_HSTS_INCLUDE_SUBDOMAINS, p.SECURE_HSTS_PRELOAD, "
        "p.EMAIL_HOST, p.EMAIL_PORT, p.EMAIL_USE_TLS, p.CHAT_HAS_EMAIL]))"
    )
    given = {
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "kN9-river-lamp-" + "0123456789abcdefghij" * 3,
        "ALLOWED_HOSTS": "chat.example.com",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "EMAIL_URL": "smtp+tls://me:pass%2Fword@smtp.example.com:587",
    }
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | given | env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout) == [31_536_000, subdomains, preload, "smtp.example.com", 587, True, True]
