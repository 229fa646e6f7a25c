"""The list of one's conversations beside the chat: named, pinned, searched, in the order of the last word."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from sessions_app.log.naming import name_session
from sessions_app.models import Session, SessionEvent
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage

pytestmark = pytest.mark.django_db

InDatabase = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def two(chat: ChatPage) -> ChatPage:
    """A visitor with two conversations, the second of which is open."""
    chat.ask("echo first aubergine")
    chat.page.get_by_role("link", name="New chat").click()
    chat.ask("echo second courgette")
    expect(chat.sessions).to_have_count(2)
    return chat


def choose(chat: ChatPage, title: str, act: str) -> None:
    entry = chat.sessions.filter(has_text=title)
    entry.hover()
    entry.get_by_role("button", name="Options").click()
    entry.get_by_role("button", name=act, exact=True).click()


def expect_listed(chat: ChatPage, *titles: str) -> None:
    expect(chat.page.locator(".session-title")).to_have_text(list(titles))


def test_it_is_named_by_keyboard_and_the_name_stays(two: ChatPage) -> None:
    choose(two, "second", "Rename")
    box = two.page.get_by_label("New name")
    expect(box).to_be_focused()
    box.fill("Vegetables")
    box.press("Enter")
    expect_listed(two, "Vegetables", "echo first aubergine")
    expect(two.page.locator("#session-title")).to_have_text("Vegetables")
    choose(two, "Vegetables", "Rename")
    box.fill("Fruit")
    box.press("Escape")
    expect_listed(two, "Vegetables", "echo first aubergine")
    two.page.reload()
    expect_listed(two, "Vegetables", "echo first aubergine")


def test_who_leaves_the_name_to_write_a_message_writes_it(two: ChatPage) -> None:
    choose(two, "second", "Rename")
    two.page.get_by_label("New name").fill("Vegetables")
    with two.page.expect_response(lambda one: one.request.method == "PATCH"):
        two.input.click()
    expect_listed(two, "Vegetables", "echo first aubergine")
    expect(two.input).to_be_focused()


def test_who_has_begun_to_write_when_the_name_is_kept_goes_on(two: ChatPage) -> None:
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    two.page.route(lambda url: "/sessions/" in url, hold)
    choose(two, "second", "Rename")
    two.page.get_by_label("New name").fill("Vegetables")
    two.page.get_by_label("New name").press("Enter")
    two.input.click()
    two.until(lambda: waiting)
    waiting.pop().continue_()
    expect_listed(two, "Vegetables", "echo first aubergine")
    expect(two.input).to_be_focused()


def test_one_of_them_is_taken_along(two: ChatPage) -> None:
    entry = two.sessions.filter(has_text="first")
    entry.hover()
    entry.get_by_role("button", name="Options").click()
    with two.page.expect_download() as taken:
        entry.get_by_role("link", name="Download").click()
    assert taken.value.suggested_filename.endswith(".md")
    text = taken.value.path().read_text()
    assert "aubergine" in text
    assert "courgette" not in text
    expect(entry.get_by_role("link", name="Download")).to_be_hidden()
    expect(two.page.locator("#session-title")).to_have_text("echo second courgette")


def test_what_is_pinned_stays_above_what_was_said_last(two: ChatPage) -> None:
    choose(two, "first", "Pin")
    expect_listed(two, "echo first aubergine", "echo second courgette")
    expect(two.page.locator("#session-list h2")).to_have_text(["Pinned", "Today"])
    two.ask("echo and on")
    expect_listed(two, "echo first aubergine", "echo second courgette")
    choose(two, "first", "Unpin")
    expect_listed(two, "echo second courgette", "echo first aubergine")


def test_the_last_word_brings_a_conversation_to_the_top(two: ChatPage) -> None:
    two.sessions.filter(has_text="first").get_by_role("link").click()
    expect(two.answers).to_contain_text(["aubergine"])
    expect_listed(two, "echo second courgette", "echo first aubergine")
    two.ask("echo again")
    expect_listed(two, "echo first aubergine", "echo second courgette")


def test_words_are_looked_for_in_ones_own(two: ChatPage, open_page: OpenPage) -> None:
    search = two.page.get_by_role("searchbox")
    search.fill("auberg")
    expect_listed(two, "echo first aubergine")
    expect(two.sessions.locator(".excerpt")).to_contain_text("aubergine I am the built-in demo model")
    expect(two.sessions.locator(".excerpt mark")).to_have_text("aubergine")
    search.fill("zucchini")
    expect(two.page.locator("#session-list-status")).to_have_text("Nothing was found.")
    search.press("Escape")
    expect_listed(two, "echo second courgette", "echo first aubergine")
    expect(two.sessions.locator(".excerpt")).to_have_count(0)
    stranger = open_page()
    stranger.go("/")
    stranger.page.get_by_role("searchbox").fill("aubergine")
    expect(stranger.page.locator("#session-list-status")).to_have_text("Nothing was found.")


def test_more_of_what_was_looked_for_comes_too_late_for_who_began_anew(two: ChatPage) -> None:
    """With the same words again, which are not asked for yet."""
    entry = {"id": "s1", "title": "one", "last_word_at": "2026-01-01T00:00:00Z", "excerpt": ""}
    more: list[Route] = []

    def answer(route: Route) -> None:
        if "cursor=" in route.request.url:
            more.append(route)
        else:
            route.fulfill(json={"sessions": [entry], "next_cursor": "more"})

    two.page.route("**/api/sessions?*", answer)
    search = two.page.get_by_role("searchbox")
    search.fill("auberg")
    expect_listed(two, "one")
    with two.page.expect_request("**/api/sessions?*cursor=*"):
        two.page.get_by_role("button", name="Show more").click()
    two.page.clock.install()  # the words are typed again, and not asked for yet
    search.fill("")
    search.fill("auberg")
    with two.page.expect_response("**/api/sessions?*cursor=*"):
        more[0].fulfill(json={"sessions": [{**entry, "id": "s2", "title": "two"}], "next_cursor": None})
    expect_listed(two, "echo second courgette", "echo first aubergine")
    two.page.clock.run_for(1_000)
    expect_listed(two, "one")


def test_what_cannot_be_changed_is_told_and_stays(two: ChatPage) -> None:
    two.page.route("**/api/sessions/*", lambda route: route.abort())
    choose(two, "first", "Pin")
    expect(two.page.locator("#toasts")).to_contain_text("It could not be changed.")
    expect_listed(two, "echo second courgette", "echo first aubergine")
    two.complaints.found.clear()


@pytest.mark.parametrize("hours", [0, 3])
def test_who_comes_back_after_a_while_reads_what_it_was_about(
    chat: ChatPage, in_database: InDatabase, hours: int
) -> None:
    chat.ask("echo one")
    session_id = chat.page.url.rpartition("/")[2]
    in_database(lambda: said_before(session_id, hours))
    chat.page.reload()
    expect(chat.answers).to_have_count(1)
    expect(chat.sessions).to_have_count(1)
    recap = chat.page.get_by_role("region", name="What this conversation was about")
    if not hours:
        expect(recap).to_have_count(0)
        return
    expect(recap.locator("strong")).to_have_text("echoes")
    chat.say("echo two")
    expect(recap).to_have_count(0)


def said_before(session_id: str, hours: int) -> None:
    """With a summary, and as if it had been so long ago."""
    Session.objects.filter(pk=session_id).update(summary="They tried **echoes**.")
    rows = SessionEvent.objects.filter(session_id=session_id)
    later = {row.seq: row for row in rows}
    rows.delete()
    for row in later.values():
        row.created_at -= timedelta(hours=hours)
    SessionEvent.objects.bulk_create(later.values())


def test_whoever_is_in_the_list_as_it_changes_stays_there(two: ChatPage, in_database: InDatabase) -> None:
    first = two.sessions.filter(has_text="first")
    current = two.sessions.filter(has_text="second").get_attribute("data-session") or ""
    two.say("count to 200")
    two.expect_streaming("1, 2")
    more = first.get_by_role("button", name="Options")
    more.focus()
    more.press("Enter")
    in_database(lambda: name_session(session_id=current, title="Vegetables"))
    two.expect_ended(two.answers.last)
    expect_listed(two, "Vegetables", "echo first aubergine")
    expect(more).to_be_focused()
    expect(first.get_by_role("button", name="Rename")).to_be_visible()
