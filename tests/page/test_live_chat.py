"""The page against the real server and the demo model."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.page.chat_page import ANSWER_MS, ChatPage
from tests.page.conftest import OpenPage

pytestmark = pytest.mark.django_db

SESSION_PATH = re.compile(r"/s/[0-9a-f-]{36}$")


def test_an_answer_streams_and_gets_the_session_an_address(chat: ChatPage) -> None:
    expect(chat.page).to_have_url(re.compile(r":\d+/$"))
    expect(chat.page.locator("#notice")).to_be_hidden()
    chat.say("Explain WebSocket streaming")
    chat.expect_streaming("means that the answer")
    expect(chat.messages.first).to_have_attribute("data-state", "sent")
    expect(chat.page).to_have_url(SESSION_PATH)
    chat.expect_ended(chat.answers.first)
    expect(chat.answers.first.locator("ol > li")).to_have_count(4)
    expect(chat.answers.first.locator(".code-block pre")).to_contain_text("new WebSocket(")
    expect(chat.answers.first.locator(".cost")).to_have_text("")
    expect(chat.page.locator("#session-title")).to_have_text("Explain WebSocket streaming")
    expect(chat.sessions.locator("[aria-current=page]")).to_contain_text("Explain WebSocket streaming")


def test_staff_are_shown_what_an_answer_took_and_that_the_demo_answers(
    open_page: OpenPage, sign_in_staff: Callable[[ChatPage], None]
) -> None:
    chat = open_page()
    sign_in_staff(chat)
    chat.go("/")
    chat.expect_connection("Ready")
    expect(chat.page.locator(".chip[data-model]")).to_have_text("demo")
    answer = chat.ask("Hello")
    expect(chat.page.locator("#notice")).to_contain_text("demo")
    expect(chat.page.locator(".chip[data-model]")).to_have_text("demo")
    expect(answer.locator(".cost")).to_have_text(re.compile(r"\d+ tokens"))


def test_a_tool_call_is_a_folded_card_that_opens(chat: ChatPage) -> None:
    answer = chat.ask("What is 17.5% of 2,340?")
    card = answer.locator(".tool-card")
    expect(card).to_have_attribute("data-state", "completed")
    expect(card.locator("summary")).to_contain_text("Done")
    expect(card.locator(".tool-time")).to_have_text(re.compile(r"ms$"))
    expect(card.locator(".tool-body")).to_be_hidden()
    card.locator("summary").press("Enter")
    expect(card.locator(".tool-body")).to_contain_text("17.5")
    expect(answer.locator(".prose")).to_contain_text("409.5")


def test_a_reload_in_mid_answer_loses_nothing(chat: ChatPage) -> None:
    chat.say("Count to 1200")
    chat.expect_streaming("40")
    chat.page.reload()
    chat.expect_streaming("60")
    chat.expect_ended(chat.answers.first)
    text = chat.answers.first.locator(".prose").inner_text()
    assert [int(number) for number in re.findall(r"\d+", text)] == list(range(1, 1201))
    expect(chat.messages).to_have_count(1)


def test_stop_keeps_what_was_written_and_says_so(chat: ChatPage) -> None:
    chat.say("Count to 2000")
    chat.expect_streaming("20")
    chat.stop_button.click()
    chat.expect_ended(chat.answers.first, "cancelled")
    expect(chat.answers.first.locator(".ending")).to_contain_text("This answer was stopped")
    expect(chat.stop_button).to_be_hidden()
    kept = chat.answers.first.locator(".prose").inner_text()
    chat.page.reload()
    expect(chat.answers.first.locator(".prose")).to_have_text(kept, use_inner_text=True)


def test_escape_stops_too(chat: ChatPage) -> None:
    chat.say("Count to 2000")
    chat.expect_streaming("20")
    chat.page.keyboard.press("Escape")
    chat.expect_ended(chat.answers.first, "cancelled")


def test_messages_sent_during_an_answer_wait_their_turn(chat: ChatPage) -> None:
    chat.say("Count to 400")
    chat.expect_streaming("5")
    chat.say("Count to 7")
    expect(chat.messages.nth(1)).to_have_attribute("data-state", "sent")
    chat.expect_ended(chat.answers.nth(1))
    assert re.findall(r"\d+", chat.answers.nth(1).locator(".prose").inner_text()) == list("1234567")


def test_two_tabs_show_the_same_session(chat: ChatPage, open_page: OpenPage) -> None:
    chat.ask("My name is Ada")
    other = open_page(like=chat)
    other.go(chat.page.url)
    expect(other.messages.first).to_contain_text("My name is Ada")
    other.say("What is my name?")
    chat.expect_ended(chat.answers.nth(1))
    expect(chat.answers.nth(1)).to_contain_text("Ada")
    expect(chat.messages.nth(1)).to_contain_text("What is my name?")


def test_another_visitor_is_told_that_there_is_no_such_session(chat: ChatPage, open_page: OpenPage) -> None:
    chat.ask("My name is Ada")
    stranger = open_page()
    stranger.go(chat.page.url)
    stranger.expect_connection("Not connected")
    expect(stranger.page.locator("#banner")).to_contain_text("no such session here, or it is not yours")
    expect(stranger.page.locator("body")).not_to_contain_text("Ada")
    expect(stranger.input).to_be_disabled()
    stranger.page.locator("#banner").get_by_role("link", name="New chat").click()
    stranger.expect_connection("Ready")
    expect(stranger.input).to_be_enabled()


def test_sessions_are_switched_without_loading_the_page(chat: ChatPage) -> None:
    chat.ask("Count to 3")
    first = chat.page.url
    chat.page.evaluate("() => { window.stillHere = true; }")
    chat.page.locator(".new-chat").click()
    expect(chat.page.locator("#welcome")).to_be_visible()
    expect(chat.answers).to_have_count(0)
    chat.expect_connection("Ready")
    chat.ask("Count to 5")
    chat.sessions.get_by_text("Count to 3").click()
    expect(chat.page).to_have_url(first)
    expect(chat.answers.first.locator(".prose")).to_contain_text("3")
    expect(chat.messages).to_have_count(1)
    chat.page.go_back()
    expect(chat.messages.first).to_contain_text("Count to 5")
    assert chat.page.evaluate("() => window.stillHere")


def test_the_examples_are_asked_with_a_click(chat: ChatPage) -> None:
    chat.page.get_by_role("button", name="What time is it in Tokyo?").click()
    expect(chat.answers.first.locator(".tool-card")).to_have_attribute(
        "data-state", "completed", timeout=ANSWER_MS
    )
    chat.expect_ended(chat.answers.first)
    expect(chat.page.locator("#welcome")).to_be_hidden()


def test_markup_in_a_message_and_in_its_echo_does_nothing(chat: ChatPage) -> None:
    chat.page.evaluate("() => { window.hacked = 0; }")
    answer = chat.ask(
        '<img src=x onerror="window.hacked=1"> [x](javascript:window.hacked=1) ![y](https://e.invalid/p)'
    )
    expect(answer.locator("img")).to_have_count(0)
    expect(answer.locator("a[href^=javascript]")).to_have_count(0)
    expect(chat.messages.first.locator("img")).to_have_count(0)
    assert chat.page.evaluate("() => window.hacked") == 0


def test_what_is_sent_before_the_page_is_ready_takes_no_draft_along(chat: ChatPage) -> None:
    chat.go("/")
    script = """({ Composer }, [draft, typed, isSent]) => {
      sessionStorage.setItem("chat.draft.new", draft);
      const form = document.getElementById("composer").cloneNode(true);
      document.body.append(form);
      const editing = document.getElementById("editing").cloneNode(true);
      const composer = new Composer({ form, counter: document.createElement("p"), editing, maxChars: 100 });
      const said = [];
      composer.addEventListener("send", ({ detail }) => said.push(detail.text));
      composer.input.value = typed;
      composer.input.dispatchEvent(new Event("input"));
      if (isSent) form.requestSubmit();
      composer.open("");
      composer.begin();
      return [said, composer.input.value, sessionStorage.getItem("chat.draft.new")];
    }"""
    half = "half a thought"
    sent = chat.module("composer", script, [half, "hello", True])
    assert sent == [["hello"], half, half]
    # some browsers bring back what was written, and one writes on
    went_on = chat.module("composer", script, [half, f"{half}, whole", False])
    assert went_on == [[], f"{half}, whole", f"{half}, whole"]
