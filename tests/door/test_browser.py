"""The front door in a real Chromium, with a passkey of its own."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Complaints
from tests.support.server import ServerProcess

PASSWORD = "a-long-password-for-tests"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(transactional_db: None) -> Iterator[ServerProcess]:
    server = ServerProcess(STAFF_SECOND_FACTOR="required").start()
    yield server
    server.stop()
    server.close()


@pytest.fixture
def page(browser: Browser, server: ServerProcess) -> Iterator[Page]:
    """On this machine's name, as browsers want it for passkeys; with a finger that is always the right one."""
    context = browser.new_context(base_url=server.url.replace("127.0.0.1", "localhost"))
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
    }
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": options | {"isUserVerified": True, "automaticPresenceSimulation": True}},
    )
    complaints = Complaints(page)
    yield page
    context.close()
    assert complaints.found == []


def test_staff_sets_a_passkey_up_and_then_comes_in_with_nothing_else(page: Page) -> None:
    hashed = PBKDF2PasswordHasher().encode(
        PASSWORD, "salt", iterations=1
    )  # the suite's own is not the server's
    User.objects.create(username="root", is_staff=True, is_superuser=True, password=hashed)
    page.goto("/admin/")
    page.get_by_label("User name").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status")).to_contain_text("Staff needs a second factor here")
    page.get_by_role("link", name="Add one").click()
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert").first).to_contain_text("This password is not right")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name", exact=True).fill("My laptop")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    expect(page.locator(".codes li")).to_have_count(10)
    page.get_by_role("link", name="Admin").click()
    expect(page).to_have_title("Dashboard | Realtime AI")
    page.context.clear_cookies()
    page.goto("/admin/login/?next=/admin/auth/user/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(re.compile("/admin/auth/user/$"))


def test_a_passkey_that_does_not_work_is_told_in_words(page: Page) -> None:
    page.goto("/login/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was chosen, or it took too long")
