"""A connection that is dead without a word: swallowed by the network, or by a browser that is offline."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.scripted_server import ScriptedServer
from tests.sdk.front import Front
from tests.support.server import ServerProcess

pytestmark = pytest.mark.django_db

LOG_STATES = """() => {
  const pill = document.querySelector("#connection");
  window.states = [pill.textContent.trim()];
  const note = () => states.at(-1) === pill.textContent.trim() || states.push(pill.textContent.trim());
  new MutationObserver(note).observe(pill, { childList: true, characterData: true, subtree: true });
}"""
BACK = ["Reconnecting…", "Catching up…", "Reconnected, caught up"]
DEAD_MS = 60_000
"""It takes 10 s; a slow machine is given more."""


class Line:
    """A `Front` that runs in a thread of its own."""

    def __init__(self, port: int) -> None:
        self.front = Front(port)
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._ready = threading.Event()

    def start(self) -> "Line":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.front.port}"

    def swallow(self) -> None:
        done = threading.Event()

        def swallow() -> None:
            self.front.swallow()
            done.set()

        self._loop.call_soon_threadsafe(swallow)
        assert done.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        async with self.front.serving():
            self._ready.set()
            await self._ended.wait()


@pytest.fixture
def start_line() -> Iterator[Callable[[ServerProcess], Line]]:
    lines: list[Line] = []

    def start(server: ServerProcess) -> Line:
        lines.append(Line(server.port).start())
        return lines[-1]

    yield start
    for line in lines:
        line.stop()


def states(chat: ChatPage) -> list[str]:
    found: list[str] = chat.page.evaluate("() => states")
    return found


def in_this_order(wanted: list[str], found: list[str]) -> bool:
    left = iter(found)
    return all(one in left for one in wanted)


@pytest.fixture
def slow(start_server: Callable[..., ServerProcess]) -> ServerProcess:
    return start_server(DEMO_DELAY_MS="40")


def test_a_swallowed_answer_is_missed_asked_for_and_whole(
    slow: ServerProcess, start_line: Callable[[ServerProcess], Line], open_page: OpenPage
) -> None:
    line = start_line(slow)
    chat = open_page()
    chat.go(line.url)
    chat.expect_connection("Ready")
    chat.page.evaluate(LOG_STATES)
    chat.say("Count to 400")
    chat.expect_streaming("5, 6")
    line.swallow()
    expect(chat.page.locator("#banner")).to_contain_text(
        "Then your answer goes on, or is written again", timeout=DEAD_MS
    )
    expect(chat.answers.first).to_have_attribute("data-status", "completed", timeout=DEAD_MS)
    wanted = ", ".join(map(str, range(1, 401))) + "."
    assert chat.answers.first.locator(".prose").inner_text().strip() == wanted
    expect(chat.page.locator("#banner")).to_be_hidden()
    assert in_this_order(BACK, states(chat))


def test_a_swallowed_message_is_sent_again_and_taken_once(
    chat_server: ServerProcess, start_line: Callable[[ServerProcess], Line], open_page: OpenPage
) -> None:
    line = start_line(chat_server)
    chat = open_page()
    chat.go(line.url)
    chat.ask("Count to 2")
    chat.expect_connection("Connected")
    chat.page.evaluate(LOG_STATES)
    line.swallow()
    chat.say("Count to 3")
    expect(chat.messages.nth(1)).to_have_attribute("data-state", "sent", timeout=DEAD_MS)
    chat.expect_ended(chat.answers.nth(1))
    expect(chat.messages).to_have_count(2)
    assert in_this_order(BACK, states(chat))


def test_offline_is_told_at_once_and_online_goes_on(slow: ServerProcess, open_page: OpenPage) -> None:
    chat = open_page(server=slow)
    chat.go("/")
    chat.expect_connection("Ready")
    chat.page.evaluate(LOG_STATES)
    chat.say("Count to 300")
    chat.expect_streaming("5, 6")
    chat.page.context.set_offline(True)
    chat.expect_connection("You are offline")
    expect(chat.page.locator("#banner")).to_contain_text(
        "As soon as you are back, your answer goes on, or is written again"
    )
    expect(chat.page.locator("#announcer")).to_have_text("You are offline")
    chat.page.context.set_offline(False)
    chat.expect_ended(chat.answers.first)
    assert chat.answers.first.locator(".prose").inner_text().strip().endswith("299, 300.")
    assert in_this_order(["You are offline", "Catching up…", "Reconnected, caught up"], states(chat))
    expect(chat.page.locator("#banner")).to_be_hidden()
    chat.complaints.found = [found for found in chat.complaints.found if "ERR_INTERNET" not in found]


def test_a_line_that_is_there_though_the_browser_says_no_goes_on(open_page: OpenPage) -> None:
    """Nothing of what was open is thrown away for a word of the browser's that is wrong."""
    chat = open_page()
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    chat.page.evaluate(LOG_STATES)
    chat.page.evaluate("() => window.dispatchEvent(new Event('offline'))")
    chat.expect_connection("Connected")
    assert "You are offline" in states(chat)
    assert len(server.sockets) == 1


def test_a_restart_tells_what_becomes_of_the_answer(open_page: OpenPage) -> None:
    chat = open_page()
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.say("Hello")
    for _ in range(400):
        if server.wishes():
            break
        chat.page.wait_for_timeout(20)
    server.accept(server.messages()[0])
    server.begin(server.wishes()[0])
    server.write("Half an ans")
    expect(chat.answers.first).to_contain_text("Half an ans")
    server.refuse_with = 1013
    server.drop(1012)
    banner = chat.page.locator("#banner")
    expect(banner).to_contain_text(
        re.compile("server is restarting. Your answer goes on, or is written again")
    )
    server.refuse_with = None
    expect(banner).to_be_hidden()


# The rule, by a clock of the test's own

FEED = """({ Pulse, Verdict }, steps) => {
  let now = 1_000_000;
  const pulse = new Pulse(() => now);
  pulse.opened();
  const said = [];
  for (const [ms, what, also = {}] of steps) {
    const facts = { answering: false, watched: false, catchingUp: false, ...also };
    if (what === "look") {
      const until = now + ms;
      while (now < until) {
        now += 500;
        const verdict = pulse.look(facts);
        if (verdict !== Verdict.WELL) said.push([now - 1_000_000, verdict]);
      }
    } else if (what === "sleep") now += ms;
    else if (what === "frame") pulse.heard(false);
    else if (what === "pong") pulse.heard(true);
    else pulse[what]();
  }
  return said;
}"""


@pytest.fixture
def rule(open_page: OpenPage) -> Callable[[list[Any]], list[list[Any]]]:
    tab = open_page()
    tab.go("/login/")
    return lambda steps: tab.module("realtime/pulse", FEED, steps)


Rule = Callable[[list[Any]], list[list[Any]]]
ANSWERING = {"answering": True}


def test_a_message_that_is_not_acknowledged_is_probed_at_5_s_and_given_up_before_10(rule: Rule) -> None:
    assert rule([[0, "sent"], [9_500, "look"]]) == [[5_000, "probe"], [9_000, "dead"], [9_500, "dead"]]


def test_a_silent_answer_is_probed_and_goes_on_while_the_server_answers(rule: Rule) -> None:
    quiet = [[5_000, "look", ANSWERING], [0, "pong"]] * 3
    assert rule(quiet) == [[5_000, "probe"], [10_000, "probe"], [15_000, "probe"]]
    assert rule([[9_000, "look", ANSWERING]]) == [[5_000, "probe"], [9_000, "dead"]]


def test_an_answer_that_streams_does_not_hide_that_nothing_is_heard_of_us(rule: Rule) -> None:
    streams = [[500, "look", ANSWERING], [0, "frame"]] * 18
    assert rule([[0, "sent"], *streams]) == [[5_000, "probe"], [9_000, "dead"]]
    assert rule(streams) == []


def test_a_long_replay_is_no_silence(rule: Rule) -> None:
    replay = [[500, "look", {**ANSWERING, "catchingUp": True}], [0, "frame"]] * 60
    assert rule([[0, "sent"], *replay]) == [[5_000, "probe"]]


def test_where_nothing_is_waited_for_it_is_looked_at_now_and_then_by_whoever_looks(rule: Rule) -> None:
    assert rule([[600_000, "look"]]) == []
    assert rule([[29_000, "look", {"watched": True}]]) == [[25_000, "probe"], [29_000, "dead"]]
    assert rule([[0, "sent"], [4_000, "look"], [0, "acknowledged"], [20_000, "look"]]) == []


def test_a_page_that_was_held_up_asks_again_before_it_judges(rule: Rule) -> None:
    steps = [[0, "sent"], [5_000, "look"], [60_000, "sleep"], [500, "look"], [0, "pong"], [4_500, "look"]]
    assert rule(steps) == [[5_000, "probe"], [65_500, "probe"]]


def test_a_doubt_is_settled_at_once(rule: Rule) -> None:
    assert rule([[1_000, "look"], [0, "doubt"], [4_500, "look"]]) == [[1_500, "probe"], [5_500, "dead"]]
