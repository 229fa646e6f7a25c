"""A message said anew and an answer asked for again, on the page: what is chosen is shown, in every tab and after a reload."""

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage

pytestmark = pytest.mark.django_db


def edit(chat: ChatPage, text: str) -> None:
    chat.messages.last.get_by_role("button", name="Edit this message").click()
    chat.say(text)


def pager(entry: Locator) -> Locator:
    return entry.get_by_role("group", name="Versions")


def expect_shown(chat: ChatPage, *words: str) -> None:
    """These messages, each with the answer to it: the demo model repeats what it was asked."""
    expect(chat.messages.locator(".message-text")).to_have_text(list(words))
    expect(chat.answers).to_contain_text(list(words))


def test_the_last_message_is_said_anew_and_one_can_go_back(chat: ChatPage, open_page: OpenPage) -> None:
    chat.ask("echo one")
    chat.ask("echo two")
    expect(chat.page.get_by_role("button", name="Edit this message")).to_have_count(1)
    edit(chat, "echo three")
    expect_shown(chat, "echo one", "echo three")
    expect(pager(chat.messages.last)).to_contain_text("2 / 2")
    pager(chat.messages.last).get_by_role("button", name="Previous version").click()
    expect_shown(chat, "echo one", "echo two")
    expect(pager(chat.messages.last)).to_contain_text("Version 1 of 2")
    expect(pager(chat.messages.last).get_by_role("button", name="Previous version")).to_be_focused()
    other = open_page(like=chat)
    other.go(chat.page.url)
    for tab in (chat, other):
        expect_shown(tab, "echo one", "echo two")
    chat.page.reload()
    expect_shown(chat, "echo one", "echo two")
    pager(other.messages.last).get_by_role("button", name="Next version").press("ArrowRight")
    for tab in (chat, other):
        expect_shown(tab, "echo one", "echo three")


def test_another_answer_stands_in_the_place_of_the_first(chat: ChatPage) -> None:
    chat.ask("echo hello")
    for number in (2, 3):
        chat.answers.last.get_by_role("button", name="Another answer").click()
        expect(pager(chat.answers.last)).to_contain_text(f"{number} / {number}")
        chat.expect_ended(chat.answers.last)
    expect_shown(chat, "echo hello")
    pager(chat.answers.last).get_by_role("button", name="Previous version").click()
    expect(pager(chat.answers.last)).to_contain_text("2 / 3")
    chat.ask("echo and on")
    expect(chat.page.get_by_role("button", name="Another answer")).to_have_count(1)
    chat.page.reload()
    expect_shown(chat, "echo hello", "echo and on")
    expect(pager(chat.answers.first)).to_contain_text("2 / 3")


def test_escape_leaves_a_message_as_it_was_and_gives_the_draft_back(chat: ChatPage) -> None:
    chat.ask("echo one")
    chat.input.fill("a draft")
    chat.messages.last.get_by_role("button", name="Edit this message").click()
    expect(chat.input).to_have_value("echo one")
    expect(chat.page.locator("#editing")).to_be_visible()
    chat.input.press("Escape")
    expect(chat.input).to_have_value("a draft")
    expect(chat.page.locator("#editing")).to_be_hidden()
    chat.page.reload()
    expect(chat.input).to_have_value("a draft")
    expect_shown(chat, "echo one")


def test_nothing_is_said_anew_while_an_answer_is_written(chat: ChatPage) -> None:
    chat.ask("echo one")
    chat.say("count to 400")
    chat.expect_streaming("12")
    expect(chat.page.get_by_role("button", name="Edit this message")).to_have_count(0)
    expect(chat.page.get_by_role("button", name="Another answer")).to_have_count(0)
    chat.stop_button.click()
    expect(chat.page.get_by_role("button", name="Edit this message")).to_have_count(1)


# The path, as a function of entries


@pytest.fixture
def tab(open_page: OpenPage) -> ChatPage:
    tab = open_page()
    tab.go("/login/")
    return tab


def message(item_id: str, replaces: str = "", state: str = "sent") -> dict[str, Any]:
    return {"kind": "message", "id": item_id, "role": "user", "replaces": replaces, "state": state}


def answer(entry_id: str, retry_of: str = "", status: str = "completed") -> dict[str, Any]:
    items = [{"kind": "text", "id": f"i{entry_id}"}]
    return {"kind": "response", "id": entry_id, "retryOf": retry_of, "status": status, "items": items}


def choice(version: str, instead_of: str) -> dict[str, Any]:
    return {"kind": "choice", "id": f"{version}/{instead_of}", "version": version, "insteadOf": instead_of}


def path(tab: ChatPage, *entries: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    script = """({ chosenPath }, entries) => {
      const { entries: shown, versions } = chosenPath(entries);
      return [shown.map(({ id }) => id).join(" "), Object.fromEntries(versions)];
    }"""
    shown, versions = tab.module("realtime", script, list(entries))
    return shown, {
        key: f"{one['index'] + 1}/{'|'.join(v['itemId'] for v in one['all'])}"
        for key, one in versions.items()
    }


def test_what_is_set_aside_is_swapped_with_all_that_followed_it(tab: ChatPage) -> None:
    talk = [message("u1"), answer("a1"), message("u2"), answer("a2"), message("u3", "u1"), answer("a3")]
    assert path(tab, *talk) == ("u3 a3", {"u3": "2/u1|u3"})
    talk += [choice("u1", "u3")]
    assert path(tab, *talk) == ("u1 a1 u2 a2", {"u1": "1/u1|u3"})
    talk += [message("u4"), message("u5", "u2"), choice("u3", "u1"), message("u6")]
    assert path(tab, *talk) == ("u3 a3 u6", {"u3": "2/u1|u3"})
    assert path(tab, *talk, choice("u1", "u3")) == ("u1 a1 u5", {"u1": "1/u1|u3", "u5": "2/u2|u5"})


def test_a_failed_try_is_no_version_and_belongs_to_the_one_that_follows(tab: ChatPage) -> None:
    failed = answer("a2", "a1", status="failed")
    talk = [message("u1"), answer("a1"), failed, answer("a3", "a2")]
    assert path(tab, *talk) == ("u1 a2 a3", {"a3": "2/ia1|ia3"})
    assert path(tab, *talk, choice("a1", "a3")) == ("u1 a1", {"a1": "1/ia1|ia3"})
    assert path(tab, message("u1"), failed | {"retryOf": ""}, answer("a3", "a2")) == ("u1 a2 a3", {})


def test_from_an_answer_that_came_to_nothing_one_can_go_back(tab: ChatPage) -> None:
    nothing = answer("a2", "a1", status="failed") | {"items": []}
    talk = [message("u1"), answer("a1"), nothing]
    assert path(tab, *talk) == ("u1 a2", {"a2": "2/ia1|"})
    assert path(tab, *talk, choice("a1", "a2")) == ("u1 a1", {})


def test_what_was_refused_takes_nobodys_place(tab: ChatPage) -> None:
    assert path(tab, message("u1"), answer("a1"), message("u2", "u1", "refused")) == ("u1 a1 u2", {})


def test_of_versions_that_are_further_up_the_end_is_right(tab: ChatPage) -> None:
    talk = [message("u2", "u1"), answer("a2"), choice("u1", "u2"), message("u3")]
    assert path(tab, *talk)[0] == "u3"
    assert path(tab, answer("a2"), choice("a1", "a2"), message("u3"))[0] == "u3"
    whole = [message("u1"), answer("a1"), *talk]
    assert path(tab, *whole) == ("u1 a1 u3", {"u1": "1/u1|u2"})
