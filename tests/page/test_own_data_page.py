"""Deleting and taking along, from the chat page, in a real browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from sessions_app.models import Session, SessionEvent
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage

pytestmark = pytest.mark.django_db

InDatabase = Callable[[Callable[[], Any]], Any]


def delete(chat: ChatPage, title: str, *, sure: bool = True) -> None:
    entry = chat.sessions.filter(has_text=title)
    entry.hover()
    entry.get_by_role("button", name="Options").click()
    entry.get_by_role("button", name="Delete").click()
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_contain_text(title)
    dialog.get_by_role("button", name="Delete" if sure else "Keep").click()
    expect(dialog).not_to_be_visible()


def texts_of(session_id: str) -> str:
    rows = SessionEvent.objects.filter(session_id=session_id, content__isnull=False)
    return " ".join(map(str, rows.values_list("content", flat=True)))


def test_a_conversation_is_deleted_after_a_question(chat: ChatPage, in_database: InDatabase) -> None:
    chat.ask("echo aubergine one")
    first = chat.page.url.rpartition("/")[2]
    chat.page.get_by_role("link", name="New chat").click()
    chat.ask("echo second thing")
    second = chat.page.url.rpartition("/")[2]
    delete(chat, "aubergine", sure=False)
    expect(chat.sessions).to_have_count(2)
    delete(chat, "aubergine")
    expect(chat.sessions).to_have_count(1)
    assert chat.page.url.endswith(second)
    assert "aubergine" not in in_database(lambda: texts_of(first))
    assert "second thing" in in_database(lambda: texts_of(second))
    chat.page.reload()
    expect(chat.sessions).to_have_count(1)


def test_the_one_that_is_open_is_left_for_a_new_one(chat: ChatPage, open_page: OpenPage) -> None:
    chat.ask("echo courgette")
    address = chat.page.url
    other_tab = open_page(like=chat)
    other_tab.go(address)
    expect(other_tab.answers).to_have_count(1)
    chat.input.fill("a draft")
    delete(chat, "courgette")
    expect(chat.page.locator("#welcome")).to_be_visible()
    assert "/s/" not in chat.page.url
    kept = chat.page.evaluate("() => Object.keys(sessionStorage)")
    assert [key for key in kept if key.endswith(address.rpartition("/")[2])] == []
    expect(other_tab.page.locator("#banner")).to_contain_text("There is no such session here")
    chat.ask("echo and on")


def test_all_are_deleted_from_the_menu(chat: ChatPage, in_database: InDatabase) -> None:
    for text in ("one", "two"):
        chat.ask(f"echo pumpkin {text}")
        chat.page.get_by_role("link", name="New chat").click()
    menu = chat.page.get_by_role("button", name="Your data")
    menu.click()
    chat.page.keyboard.press("Escape")
    expect(chat.page.locator("#own-data")).to_be_hidden()
    menu.click()
    chat.page.get_by_role("button", name="Delete all my conversations").click()
    chat.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(chat.sessions).to_have_count(0, timeout=30_000)  # running ones are let go of first

    def left() -> int:
        return SessionEvent.objects.filter(content__contains="pumpkin").count()

    assert in_database(left) == 0
    assert in_database(lambda: Session.objects.filter(title__contains="pumpkin").count()) == 0


def test_everything_can_be_taken_along(chat: ChatPage, tmp_path: Path) -> None:
    chat.ask("echo celeriac")
    chat.page.get_by_role("button", name="Your data").click()
    with chat.page.expect_download() as download:
        chat.page.get_by_role("link", name="Download my conversations").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["type"] for line in lines[:2]] == ["person", "session"]
    assert any("celeriac" in str(line.get("content")) for line in lines)


def test_what_could_not_be_deleted_is_told_and_stays(chat: ChatPage) -> None:
    chat.ask("echo kohlrabi")
    chat.page.route("**/api/sessions/*", lambda route: route.abort())
    delete(chat, "kohlrabi")
    expect(chat.page.locator("#toasts")).to_contain_text("It could not be deleted.")
    expect(chat.sessions).to_have_count(1)
    chat.complaints.found.clear()


def test_what_was_deleted_in_another_tab_is_not_listed_any_more(chat: ChatPage, open_page: OpenPage) -> None:
    chat.ask("echo parsnip")
    chat.page.get_by_role("link", name="New chat").click()
    chat.ask("echo turnip")
    other_tab = open_page(like=chat)
    other_tab.go("/")
    delete(other_tab, "parsnip")
    expect(other_tab.sessions).to_have_count(1)
    chat.ask("echo and on")
    expect(chat.sessions).to_have_count(1)
    expect(chat.sessions).to_contain_text("turnip")
