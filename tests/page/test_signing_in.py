"""Signing in and out, and whose sessions are listed to whom."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.support.server import ServerProcess

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-enough-password"
InDatabase = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def username(in_database: InDatabase) -> str:
    name = f"ada-{uuid4().hex[:8]}"
    password = PBKDF2PasswordHasher().encode(
        PASSWORD, "salt", iterations=1
    )  # the suite's own hasher is not the server's
    in_database(lambda: User.objects.create(username=name, password=password))
    return name


def sign_in(chat: ChatPage, username: str, password: str = PASSWORD) -> None:
    chat.page.get_by_label("User name").fill(username)
    chat.page.get_by_label("Password").fill(password)
    chat.page.get_by_role("button", name="Sign in").click()


def test_signing_in_leads_back_and_the_session_is_the_users(
    chat: ChatPage, open_page: OpenPage, username: str
) -> None:
    chat.page.get_by_role("link", name="Sign in").click()
    sign_in(chat, username, "wrong")
    expect(chat.page.get_by_role("alert")).to_contain_text("correct username and password")
    sign_in(chat, username)
    expect(chat.page.locator(".who")).to_have_text(username)
    chat.expect_connection("Ready")
    answer = chat.ask("Show my profile")
    expect(answer.locator(".tool-card")).to_have_attribute("data-state", "completed")
    expect(answer).to_contain_text(username)
    address = chat.page.url
    guest = open_page()
    guest.go(address)
    expect(guest.page.locator("#banner")).to_contain_text("not yours")
    chat.page.get_by_role("button", name="Sign out").click()
    expect(chat.page.locator(".who")).to_have_text("Guest")
    expect(chat.page.locator("#session-list-status")).to_be_visible()
    chat.go(address)
    expect(chat.page.locator("#banner")).to_contain_text("not yours")


def test_what_was_about_to_be_said_is_not_for_whoever_comes_after_a_sign_out(
    chat: ChatPage, username: str
) -> None:
    chat.input.fill("of the guest")
    chat.page.get_by_role("link", name="Sign in").click()
    sign_in(chat, username)
    expect(chat.page.locator(".who")).to_have_text(username)
    chat.expect_connection("Ready")
    expect(chat.input).to_have_value("of the guest")
    chat.input.fill("of ada alone")
    chat.page.reload()
    chat.expect_connection("Ready")
    expect(chat.input).to_have_value("of ada alone")
    chat.page.get_by_role("button", name="Sign out").click()
    expect(chat.page.locator(".who")).to_have_text("Guest")
    chat.expect_connection("Ready")
    expect(chat.input).to_have_value("")
    assert (
        chat.page.evaluate("() => Object.keys(sessionStorage).filter((key) => key.startsWith('chat.draft.'))")
        == []
    )


def test_a_guest_who_signs_in_keeps_the_sessions_of_before(chat: ChatPage, username: str) -> None:
    chat.ask("Count to 3")
    address = chat.page.url
    chat.page.get_by_role("link", name="Sign in").click()
    sign_in(chat, username)
    expect(chat.page).to_have_url(address)
    expect(chat.messages.first).to_contain_text("Count to 3")
    expect(chat.sessions).to_have_count(1)
    assert chat.answers.count() == 1


def test_who_signs_in_in_another_tab_can_go_on_in_this_one(
    chat: ChatPage, open_page: OpenPage, username: str
) -> None:
    chat.ask("Count to 3")
    other = open_page(like=chat)
    other.go("/")
    other.page.get_by_role("link", name="Sign in").click()
    sign_in(other, username)
    expect(other.page.locator(".who")).to_have_text(username)
    for act in ("Pin", "Delete"):
        chat.sessions.hover()
        chat.sessions.get_by_role("button", name="Options").click()
        chat.sessions.get_by_role("button", name=act, exact=True).click()
        if act == "Pin":
            expect(chat.sessions.locator(".pinned")).to_be_visible()
    chat.page.locator("#confirm-delete").get_by_role("button", name="Delete").click()
    expect(chat.sessions).to_have_count(0)


def test_the_list_shows_ones_own_sessions_newest_first(chat: ChatPage, open_page: OpenPage) -> None:
    for number in (3, 4):
        chat.page.locator(".new-chat").click()
        chat.expect_connection("Ready")
        chat.ask(f"Count to {number}")
    chat.page.reload()
    expect(chat.sessions).to_have_text([re.compile("Count to 4"), re.compile("Count to 3")])
    expect(chat.sessions.first.locator("a[href^='/s/']")).to_have_attribute("aria-current", "page")
    stranger = open_page()
    stranger.go("/")
    expect(stranger.page.locator("#session-list-status")).to_be_visible()
    expect(stranger.sessions).to_have_count(0)


def test_without_guests_one_signs_in_first(
    start_server: Callable[..., ServerProcess], open_page: OpenPage, username: str
) -> None:
    chat = open_page(server=start_server(GUESTS_ALLOWED="0"))
    chat.go("/s/some-session")
    expect(chat.page).to_have_url(re.compile(r"/login/\?next=/s/some-session$"))
    expect(chat.page.get_by_text("Go on as a guest")).to_have_count(0)
    sign_in(chat, username)
    expect(chat.page).to_have_url(re.compile(r"/s/some-session$"))
    expect(chat.page.locator("#banner")).to_contain_text("no such session")
    chat.page.context.clear_cookies()
    chat.page.locator("#banner").get_by_role("link", name="New chat").click()
    chat.input.fill("Hello")  # the first word is what connects
    chat.input.press("Enter")
    expect(chat.page.locator("#banner").get_by_role("link", name="Sign in")).to_be_visible()
    chat.complaints.found.clear()  # the list of sessions answered 401
