"""A session of many turns: its end is there first, the rest comes as one scrolls upwards."""

import pytest
from playwright.sync_api import expect

from tests.page.chat_page import ANSWER_MS, ChatPage
from tests.page.conftest import OpenPage
from tests.support.server import ServerProcess

pytestmark = pytest.mark.django_db

TURNS = 64
TALK = """async ({ RealtimeClient }, turns) => {
  const client = new RealtimeClient(`${location.origin.replace("http", "ws")}/ws/session`);
  client.connect();
  for (let turn = 1; turn <= turns; turn += 1) {
    const done = new Promise((resolve) => client.addEventListener("response.done", resolve, { once: true }));
    client.send(`Turn ${turn}: count to 2`);
    await done;
  }
  client.close();
  return client.sessionId;
}"""
TOP_OF = "node => node.getBoundingClientRect().top"


@pytest.fixture
def long_one(open_page: OpenPage) -> tuple[ChatPage, str]:
    chat = open_page()
    chat.go("/")
    chat.expect_connection("Ready")
    return chat, chat.module("realtime", TALK, TURNS)


def scroll_to_the_top(chat: ChatPage) -> None:
    chat.page.evaluate("() => { document.querySelector('#scroller').scrollTop = 0; }")


def test_the_end_is_shown_first_and_the_rest_on_the_way_up(
    long_one: tuple[ChatPage, str], chat_server: ServerProcess
) -> None:
    chat, session_id = long_one
    chat.go(f"/s/{session_id}")
    expect(chat.answers.last).to_contain_text("1, 2.", timeout=ANSWER_MS)
    expect(chat.messages.last).to_contain_text(f"Turn {TURNS}:", timeout=ANSWER_MS)
    chat.expect_connection("Connected")
    shown = chat.messages.count()
    assert shown < TURNS
    first = chat.messages.filter(has_text=f"Turn {TURNS - shown + 1}:")
    chat.page.evaluate("() => { document.querySelector('#scroller').scrollTop = 300; }")
    before = first.evaluate(TOP_OF)
    expect(chat.messages).not_to_have_count(shown)
    assert first.evaluate(TOP_OF) == pytest.approx(before, abs=2), "what is read stays where it is"
    for _ in range(8):
        if chat.messages.count() == TURNS:
            break
        scroll_to_the_top(chat)
        chat.page.wait_for_timeout(300)
    expect(chat.messages).to_have_count(TURNS)
    texts = chat.messages.locator(".message-text").all_text_contents()
    assert texts == [f"Turn {turn}: count to 2" for turn in range(1, TURNS + 1)]
    assert {text.strip() for text in chat.answers.locator(".prose").all_text_contents()} == {"1, 2."}
    expect(chat.page.locator("#earlier")).to_be_hidden()


def test_by_keyboard_and_what_was_said_of_what_is_not_there_yet(long_one: tuple[ChatPage, str]) -> None:
    chat, session_id = long_one
    rate = """async ({ RealtimeClient, emptyTranscript, reduce, prepend }, sessionId) => {
      const client = new RealtimeClient(`${location.origin.replace("http", "ws")}/ws/session`, { sessionId });
      let state = emptyTranscript();
      client.addEventListener("frame", ({ detail }) => (state = reduce(state, [detail])));
      const there = new Promise((resolve) => client.addEventListener("caughtup", resolve, { once: true }));
      client.connect();
      await there;
      while (client.hasEarlier) state = prepend(state, await client.earlier());
      const given = new Promise((resolve) => client.addEventListener("x_feedback.given", resolve, { once: true }));
      client.feedback(state.entries[1].items[0].id, { rating: "down" });
      await given;
      client.close();
    }"""
    chat.module("realtime", rate, session_id)
    chat.go(f"/s/{session_id}")
    expect(chat.messages.last).to_contain_text(f"Turn {TURNS}:", timeout=ANSWER_MS)
    button = chat.page.get_by_role("button", name="Show earlier messages")
    for _ in range(8):
        if not button.is_visible():
            break
        count = chat.messages.count()
        button.focus()
        button.press("Enter")
        expect(chat.messages).not_to_have_count(count)
    expect(chat.messages).to_have_count(TURNS)
    expect(chat.answers.first.get_by_role("button", pressed=True)).to_have_count(1)
    expect(chat.page.locator("#announcer")).to_have_text("Earlier messages are shown above.")


def test_home_goes_to_the_beginning_and_end_to_the_end(long_one: tuple[ChatPage, str]) -> None:
    chat, session_id = long_one
    chat.go(f"/s/{session_id}")
    expect(chat.messages.last).to_be_in_viewport(timeout=ANSWER_MS)
    assert chat.messages.count() < TURNS
    chat.input.press("Home")
    expect(chat.messages.first).to_contain_text("Turn 1:", timeout=ANSWER_MS)
    expect(chat.messages.first).to_be_in_viewport()
    expect(chat.messages).to_have_count(TURNS)
    chat.input.press("End")
    expect(chat.answers.last).to_be_in_viewport()


def test_a_session_of_one_page_offers_nothing_more(chat: ChatPage) -> None:
    chat.ask("Count to 2")
    chat.page.reload()
    expect(chat.answers).to_have_count(1)
    expect(chat.page.locator("#earlier")).to_be_hidden()
