"""A session of many turns: its end is there first, the rest comes as one scrolls upwards."""

from collections.abc import Callable

import pytest
from playwright.sync_api import WebSocketRoute, expect

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
READ = """() => {
  const top = document.querySelector("#scroller").getBoundingClientRect().top;
  const messages = [...document.querySelectorAll("#transcript [data-id]")];
  return messages.find((node) => node.getBoundingClientRect().top > top);
}"""
TOP_OF = """async (node) => {
  const top = () => node.getBoundingClientRect().top;
  for (let still = 0, last = top(); still < 5; last = top()) {
    await new Promise(requestAnimationFrame);
    still = top() === last ? still + 1 : 0;
  }
  return top();
}"""


@pytest.fixture
def long_one(open_page: OpenPage) -> tuple[ChatPage, str]:
    chat = open_page()
    chat.go("/")
    chat.expect_connection("Ready")
    return chat, chat.module("realtime", TALK, TURNS)


class HeldBack:
    """What the page asks for of what was said before comes to the server when it is let go."""

    def __init__(self, chat: ChatPage) -> None:
        self._held: list[Callable[[], None]] = []
        self._lets_go = False
        chat.page.route_web_socket("**/ws/session*", self._connected)

    def _connected(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda message: self._take(server, message))

    def _take(self, server: WebSocketRoute, message: str | bytes) -> None:
        if not self._lets_go and '"x_history.get"' in str(message):
            self._held.append(lambda: server.send(message))
        else:
            server.send(message)

    def __len__(self) -> int:
        return len(self._held)

    def let_go(self) -> None:
        self._lets_go = True
        for send in self._held:
            send()


def scroll_to_the_top(chat: ChatPage) -> None:
    chat.page.evaluate("() => { document.querySelector('#scroller').scrollTop = 0; }")


def scroll_until_all_is_there(chat: ChatPage) -> None:
    while (shown := chat.messages.count()) < TURNS:
        scroll_to_the_top(chat)
        expect(chat.messages).not_to_have_count(shown, timeout=ANSWER_MS)
    expect(chat.messages).to_have_count(TURNS)


def test_the_end_is_shown_first_and_the_rest_on_the_way_up(
    long_one: tuple[ChatPage, str], chat_server: ServerProcess
) -> None:
    chat, session_id = long_one
    earlier = HeldBack(chat)
    chat.go(f"/s/{session_id}")
    expect(chat.answers.last).to_contain_text("1, 2.", timeout=ANSWER_MS)
    expect(chat.messages.last).to_contain_text(f"Turn {TURNS}:", timeout=ANSWER_MS)
    chat.expect_connection("Connected")
    shown = chat.messages.count()
    assert shown < TURNS
    chat.page.locator("#scroller").hover()
    for _ in range(100):
        chat.page.mouse.wheel(0, -200)
        chat.page.wait_for_timeout(20)
        if len(earlier):
            break
    chat.until(lambda: len(earlier) == 1)
    chat.page.mouse.wheel(0, -200)  # who reads goes on while the page waits for the server
    read = chat.page.evaluate_handle(READ)
    before = read.evaluate(TOP_OF)
    earlier.let_go()
    expect(chat.messages).not_to_have_count(shown)
    assert read.evaluate(TOP_OF) == pytest.approx(before, abs=2), "what is read stays where it is"
    scroll_until_all_is_there(chat)
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
    earlier = HeldBack(chat)
    chat.go(f"/s/{session_id}")
    expect(chat.messages.last).to_contain_text(f"Turn {TURNS}:", timeout=ANSWER_MS)
    button = chat.page.get_by_role("button", name="Show earlier messages")
    button.focus()
    button.press("Enter")
    chat.until(lambda: len(earlier) == 1)
    earlier.let_go()
    expect(chat.page.locator("#announcer")).to_have_text("Earlier messages are shown above.")
    scroll_until_all_is_there(chat)
    expect(chat.answers.first.get_by_role("button", pressed=True)).to_have_count(1)


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
