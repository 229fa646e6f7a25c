"""The chat on somebody else's page: another origin, with a strict policy of its own, in Chromium."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, FrameLocator, Page, expect

from identity.keys import make_key, make_secret
from sessions_app.models import EraseActor, Session
from sessions_app.privacy.erase import By, erase_session
from tests.support.browser import Complaints
from tests.support.server import ServerProcess

pytestmark = pytest.mark.django_db

SALES = {
    "name": "Sales",
    "color": "#b4531f",
    "headline": "What do you ride?",
    "prompts": [{"text": "Which bicycle?"}],
}
Host = Callable[..., Page]
InDatabase = Callable[[Callable[[], Any]], Any]
IDENTIFIES = 'data-assistant="sales" data-identify="chatToken"'
OTHER = """<!doctype html><script>
  const frame = parent.document.querySelector("realtime-chat").shadowRoot.querySelector("iframe");
  frame.contentWindow.postMessage({ realtimeChat: 1, type: "say", text: "not the page" }, "*");
</script>"""
"""A frame of the shop's own, beside that of the chat."""


class Shop:
    """A server of pages at ``localhost``, which is not the chat's ``127.0.0.1``; a cookie of the one is none of the other."""

    def __init__(self) -> None:
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = (OTHER if self.path == "/other" else shop.page).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                if self.path != "/other":
                    self.send_header("Content-Security-Policy", shop.policy)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.page = self.policy = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def shows(self, chat: str, attributes: str) -> None:
        self.policy = f"default-src 'none'; script-src {chat}; frame-src {chat} 'self'; style-src 'self'"
        self.page = (
            f'<!doctype html><html lang="en"><title>A shop</title><h1>Bicycles</h1><p>Buy one.</p>'
            f'<script src="{chat}/widget.js" {attributes}></script>'
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


@pytest.fixture(scope="module")
def embedded(chat_server: ServerProcess, shop: Shop) -> Iterator[ServerProcess]:
    env = {"EMBED_ORIGINS": shop.origin, "ASSISTANTS": json.dumps({"sales": SALES})}
    server = ServerProcess(DATABASE_URL=chat_server.env["DATABASE_URL"], DEMO_DELAY_MS="5", **env).start()
    yield server
    server.stop()
    server.close()


@pytest.fixture
def visit(browser: Browser, shop: Shop, embedded: ServerProcess) -> Iterator[Host]:
    """Opens the shop's page for a visitor who was nowhere before. What a page complains of fails the test."""
    contexts = []
    complaints: list[Complaints] = []

    def open_page(attributes: str = 'data-assistant="sales"', script: str = "", **context: Any) -> Page:
        shop.shows(embedded.url, attributes)
        contexts.append(browser.new_context(**context))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        complaints.append(Complaints(page))
        if script:
            page.add_init_script(f"if (window === window.parent) {{ {script} }}")
        page.goto(shop.origin)
        return page

    yield open_page
    for one in contexts:
        one.close()
    assert [said for one in complaints for said in one.found] == []


def frame_of(page: Page) -> FrameLocator:
    return page.frame_locator("realtime-chat iframe")


def opened(page: Page) -> FrameLocator:
    page.get_by_role("button", name="Open the chat").click()
    return frame_of(page)


def say(frame: FrameLocator, text: str) -> None:
    count = frame.locator(".answer").count()
    frame.locator("#message").fill(text)
    frame.locator("#message").press("Enter")
    answer = frame.locator(".answer").nth(count)
    expect(answer).to_have_attribute("data-status", "completed", timeout=20_000)


def secret_of(customer: str) -> str:
    shop, _ = User.objects.get_or_create(username="the shop")
    key = make_key(user=shop, label="of the shop").row
    return make_secret(key=key, external_user_id=customer, seconds=60, session={}).value


def test_a_guest_talks_and_finds_the_talk_again_on_the_next_page(visit: Host, shop: Shop) -> None:
    page = visit(script="addEventListener('realtime-chat-answer', () => (document.title = 'answered'))")
    frame = opened(page)
    expect(frame.get_by_role("heading", name="What do you ride?")).to_be_visible()
    expect(frame.locator("#attach")).to_be_hidden()  # files are taken of those who have a name
    say(frame, "hello from a frame")
    expect(page).to_have_title("answered")
    expect(frame.locator(".sidebar")).to_be_hidden()
    page.goto(f"{shop.origin}/?next")
    page.goto(shop.origin)
    again = opened(page)
    expect(again.locator(".message")).to_contain_text("hello from a frame")
    say(again, "and once more")
    expect(again.locator(".message")).to_have_count(2)
    again.get_by_role("link", name="New chat").click()
    expect(again.locator(".message")).to_have_count(0)
    say(again, "something else")
    expect(again.locator(".message")).to_have_count(1)


def test_from_a_new_chat_one_comes_back_to_those_before(visit: Host, shop: Shop) -> None:
    page = visit()
    frame = opened(page)
    before = frame.get_by_role("button", name="Earlier conversations")
    say(frame, "the first one")
    expect(before).to_be_hidden()
    frame.get_by_role("link", name="New chat").click()
    say(frame, "the second one")
    before.click()
    frame.get_by_role("button", name="the first one").click()
    expect(frame.locator(".message")).to_have_text(re.compile("the first one"))
    page.goto(f"{shop.origin}/?next")
    page.goto(shop.origin)
    frame = opened(page)
    expect(frame.locator(".message")).to_have_text(re.compile("the first one"))
    frame.get_by_role("link", name="New chat").click()
    expect(frame.locator(".message")).to_have_count(0)
    before = frame.get_by_role("button", name="Earlier conversations")
    before.press("Enter")
    expect(frame.locator(".frame-list button")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(frame.locator(".frame-list")).to_be_hidden()
    expect(before).to_be_focused()
    before.click()
    frame.locator(".frame-list button").nth(1).click()
    expect(frame.locator(".message")).to_have_text(re.compile("the second one"))
    assert "one" not in str([cookie["value"] for cookie in page.context.cookies()]), "not a word is kept"


def test_nothing_is_asked_of_the_server_before_something_is_said(visit: Host) -> None:
    sockets: list[str] = []
    page = visit()
    page.on("websocket", lambda one: sockets.append(one.url))
    expect(page.get_by_role("button", name="Open the chat")).to_be_visible()
    expect(frame_of(page).locator("#connection")).to_have_text("Connecting…")
    assert sockets == []
    frame = opened(page)
    expect(frame.locator("#connection")).to_have_text("Ready")
    assert sockets == [], "who only looks makes no session"
    say(frame, "hello")
    expect(frame.locator("#connection")).to_have_text("Connected")
    assert len(sockets) == 1
    assert "/ws/session?assistant=sales&" in sockets[0]


def test_who_signed_in_with_the_shop_is_themselves(
    visit: Host, in_database: Callable[[Callable[[], Any]], Any]
) -> None:
    def secret() -> str:
        shop, _ = User.objects.get_or_create(username="the shop")
        key = make_key(user=shop, label="of the shop").row
        return make_secret(key=key, external_user_id="customer-7", seconds=60, session={}).value

    token = in_database(secret)
    page = visit(
        'data-assistant="sales" data-identify="chatToken"',
        script=f"window.asked = 0; window.chatToken = async () => (window.asked += 1, {json.dumps(token)})",
    )
    assert page.evaluate("window.asked") == 0
    frame = opened(page)
    expect(frame.locator("#attach")).to_be_visible()
    say(frame, "hello, I am signed in")
    assert page.evaluate("window.asked") == 1
    theirs = Session.objects.filter(external_user_id="customer-7").values_list("user__username", "assistant")
    assert in_database(lambda: list(theirs)) == [("the shop", "sales")]


def test_a_token_that_has_ended_is_asked_for_again_and_the_talk_goes_on(
    visit: Host, in_database: Callable[[Callable[[], Any]], Any]
) -> None:
    def secrets() -> list[str]:
        shop, _ = User.objects.get_or_create(username="the shop")
        key = make_key(user=shop, label="of the shop").row
        made = [make_secret(key=key, external_user_id="customer-8", seconds=60, session={}) for _ in "ab"]
        return [one.value for one in made]

    first, second = in_database(secrets)
    page = visit(
        'data-assistant="sales" data-identify="chatToken"',
        script=f"window.tokens = {json.dumps([first, second])}; window.chatToken = () => tokens.shift()",
    )
    frame = opened(page)
    say(frame, "hello")
    in_database(lambda: _end(first))
    expect(frame.locator("#connection")).to_have_text("Connected", timeout=20_000)
    expect(frame.locator(".message")).to_have_count(1)
    for _ in range(200):
        if page.evaluate("window.tokens.length") == 0:
            break
        page.wait_for_timeout(100)
    assert page.evaluate("window.tokens.length") == 0
    say(frame, "still here")
    expect(frame.locator(".message")).to_have_count(2)


def test_a_token_that_lets_nobody_in_is_not_asked_for_without_end(visit: Host) -> None:
    page = visit(
        'data-assistant="sales" data-identify="chatToken"',
        script="window.asked = 0; window.chatToken = () => (window.asked += 1, `ek_of_nobody_${asked}`)",
    )
    frame = opened(page)
    frame.locator("#message").fill("hello?")
    frame.locator("#message").press("Enter")
    expect(frame.locator("#banner")).to_contain_text("Please sign in to go on.")
    page.wait_for_timeout(1_500)
    assert page.evaluate("window.asked") == 1
    expect(frame.locator("#banner").get_by_role("link")).to_have_count(0)


def test_who_signs_out_of_the_shop_is_a_guest_again(
    visit: Host, in_database: Callable[[Callable[[], Any]], Any]
) -> None:
    def secret() -> str:
        shop, _ = User.objects.get_or_create(username="the shop")
        key = make_key(user=shop, label="of the shop").row
        return make_secret(key=key, external_user_id="customer-9", seconds=60, session={}).value

    token = in_database(secret)
    page = visit(
        'data-assistant="sales" data-identify="chatToken"',
        script=f"window.chatToken = () => {json.dumps(token)}",
    )
    frame = opened(page)
    say(frame, "of customer 9")
    page.evaluate("RealtimeChat.identify(() => '')")
    expect(frame.locator(".message")).to_have_count(0)
    expect(frame.locator("#connection")).to_have_text("Ready")
    say(frame, "of a guest")
    expect(frame.locator(".message")).to_have_count(1)


def _end(secret: str) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from identity.keys import find_secret

    row = find_secret(secret)
    assert row is not None
    row.expires_at = timezone.now() - timedelta(seconds=1)
    row.save(update_fields=["expires_at"])


def test_keys_open_it_close_it_and_come_back_to_the_button(visit: Host) -> None:
    page = visit()
    button = page.locator("realtime-chat button")
    button.focus()
    page.keyboard.press("Enter")
    message = frame_of(page).locator("#message")
    expect(message).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "true")
    message.press("Escape")
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(button).to_be_focused()
    expect(page.locator("realtime-chat iframe")).not_to_be_visible()


def test_the_pages_scripts_open_it_ask_and_choose_the_theme(visit: Host) -> None:
    page = visit('data-assistant="sales" data-theme="dark"')
    expect(page.get_by_role("button", name="Open the chat")).to_be_visible()
    page.evaluate("RealtimeChat.say('asked by the page')")
    frame = frame_of(page)
    expect(frame.locator(".message")).to_contain_text("asked by the page")
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
    page.evaluate("RealtimeChat.theme('light')")
    expect(frame.locator("html")).to_have_attribute("data-theme", "light")
    page.evaluate("RealtimeChat.remove()")
    expect(page.locator("realtime-chat")).to_have_count(0)


def test_on_a_phone_it_takes_the_whole_screen(visit: Host) -> None:
    page = visit(viewport={"width": 390, "height": 844})
    frame = opened(page)
    box = page.locator("realtime-chat iframe").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 390, "height": 844}
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    frame.get_by_role("button", name="Close the chat").click()
    expect(page.get_by_role("button", name="Open the chat")).to_be_visible()


def test_whoever_is_not_the_page_around_is_not_heard(visit: Host) -> None:
    """Neither by the frame (another window of the very origin that may show it) nor by the page (a message that says it is the
    frame's)."""
    page = visit()
    frame = opened(page)
    expect(frame.locator("#connection")).to_have_text("Ready")
    page.evaluate(
        """() => new Promise((loaded) => {
          const other = Object.assign(document.createElement("iframe"), { src: "/other", onload: loaded });
          document.body.append(other);
          window.postMessage({ realtimeChat: 1, type: "close" }, "*");
        })"""
    )
    page.evaluate("RealtimeChat.say('the page itself')")
    expect(frame.locator(".message")).to_have_count(1)
    expect(frame.locator(".message")).to_contain_text("the page itself")
    expect(page.locator("realtime-chat button")).to_have_attribute("aria-expanded", "true")


def test_a_page_that_may_not_shows_nothing(browser: Browser, shop: Shop, chat_server: ServerProcess) -> None:
    """The package's server lets nobody embed it."""
    shop.shows(chat_server.url, "")
    page = browser.new_page()
    try:
        with page.expect_console_message(lambda one: "frame-ancestors" in one.text):
            page.goto(shop.origin)
        expect(page.locator("realtime-chat")).to_have_count(1)
        expect(page.locator("realtime-chat")).to_be_hidden()
    finally:
        page.close()


def test_what_is_said_before_it_is_known_who_is_there_is_said_then(visit: Host) -> None:
    page = visit(IDENTIFIES, script="window.chatToken = () => new Promise((give) => (window.give = give))")
    frame = opened(page)
    frame.get_by_role("button", name="Which bicycle?").click()
    frame.locator("#message").fill("hello, early one")
    frame.locator("#message").press("Enter")
    page.wait_for_function("() => window.give")
    page.evaluate("give('')")
    expect(frame.locator(".message")).to_have_text([re.compile("Which bicycle"), re.compile("early one")])
    expect(frame.locator("#message")).to_have_value("")


def test_what_is_written_before_it_is_known_who_is_there_stays(visit: Host) -> None:
    page = visit(IDENTIFIES, script="window.chatToken = () => new Promise((give) => (window.give = give))")
    frame = opened(page)
    frame.locator("#message").fill("Half a thou")
    page.wait_for_function("() => window.give")
    page.evaluate("give('')")
    expect(frame.locator("#connection")).to_have_text("Ready")
    expect(frame.locator("#message")).to_have_value("Half a thou")


def test_who_is_named_as_soon_as_it_is_ready_finds_their_talk_again(
    visit: Host, shop: Shop, in_database: InDatabase
) -> None:
    token = in_database(lambda: secret_of("customer-10"))
    page = visit(
        script=f"""addEventListener("realtime-chat-ready", () => {{
          const later = (token) => new Promise((give) => setTimeout(() => give(token), 300));
          RealtimeChat.identify(() => later({json.dumps(token)}));
          RealtimeChat.open();
        }})"""
    )
    say(frame_of(page), "of customer 10")
    theirs = Session.objects.filter(external_user_id="customer-10")
    assert in_database(theirs.count) == 1, "nobody talks as a guest while their name is on its way"
    page.goto(f"{shop.origin}/?next")
    expect(frame_of(page).locator(".message")).to_contain_text("of customer 10")


def test_of_two_who_were_named_it_is_the_last(visit: Host, in_database: InDatabase) -> None:
    token = in_database(lambda: secret_of("customer-11"))
    page = visit()
    frame = opened(page)
    page.evaluate("RealtimeChat.identify(() => new Promise((give) => (window.give = give)))")
    page.evaluate("RealtimeChat.identify(() => '')")
    page.wait_for_function("() => window.give")
    page.evaluate(f"give({json.dumps(token)})")
    say(frame, "of a guest")
    theirs = Session.objects.filter(external_user_id="customer-11")
    assert in_database(theirs.count) == 0


def test_a_token_that_cannot_be_had_for_a_moment_costs_no_talk(visit: Host, in_database: InDatabase) -> None:
    first, second = in_database(lambda: [secret_of("customer-12") for _ in "ab"])
    page = visit(
        IDENTIFIES,
        script=f"""window.asked = 0;
        console.warn = () => {{}};
        window.chatToken = async () => {{
          asked += 1;
          if (asked === 2) throw new Error("no network");
          return asked === 1 ? {json.dumps(first)} : {json.dumps(second)};
        }};""",
    )
    frame = opened(page)
    say(frame, "hello")
    message = frame.locator("#message")
    message.focus()
    in_database(lambda: _end(first))
    page.wait_for_function("() => asked === 3")
    expect(frame.locator("#connection")).to_contain_text("onnected")
    expect(message).to_be_focused()
    expect(frame.locator(".message")).to_have_count(1)
    say(frame, "still here")
    expect(frame.locator(".message")).to_have_count(2)


def test_who_cannot_be_named_is_not_shown_the_talk_of_who_was_before(
    visit: Host, in_database: InDatabase
) -> None:
    token = in_database(lambda: secret_of("customer-14"))
    page = visit(
        IDENTIFIES, script=f"console.warn = () => {{}}; window.chatToken = () => {json.dumps(token)}"
    )
    frame = opened(page)
    say(frame, "of customer 14")
    page.evaluate("RealtimeChat.identify(() => Promise.reject(new Error('the shop is away')))")
    expect(frame.locator(".message")).to_have_count(0)
    expect(frame.locator("#connection")).to_have_text("Ready")


@pytest.mark.parametrize("way", ["in place", "by another page"])
def test_who_signs_out_leaves_no_word(visit: Host, shop: Shop, in_database: InDatabase, way: str) -> None:
    token = in_database(lambda: secret_of("customer-15"))
    page = visit(IDENTIFIES, script=f"window.chatToken = () => location.search ? '' : {json.dumps(token)}")
    if way == "in place":
        page.route_web_socket(re.compile("/ws/"), lambda _: None)  # the word does not arrive
        page.reload()
    frame = opened(page)
    expect(frame.locator("#attach")).to_be_visible()
    if way == "in place":
        frame.locator("#message").fill("for the shop alone")
        frame.locator("#message").press("Enter")
    frame.locator("#message").fill("my order is late, and")
    if way == "in place":
        page.evaluate("RealtimeChat.identify(() => '')")
    else:
        page.goto(f"{shop.origin}/?signed-out")
        frame = opened(page)
    expect(frame.locator("#connection")).to_have_text("Ready")
    expect(frame.locator("#message")).to_have_value("")
    expect(frame.locator(".message")).to_have_count(0)


def test_a_frame_that_is_loaded_anew_goes_on(visit: Host) -> None:
    page = visit()
    frame = opened(page)
    page.evaluate("RealtimeChat.theme('dark')")
    say(frame, "before")
    page.frames[-1].evaluate("location.reload()")
    expect(frame.locator(".message")).to_contain_text("before")
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
    say(frame, "after")


def test_a_page_that_puts_another_body_in_its_place_keeps_the_chat(visit: Host) -> None:
    """As frameworks do that go from page to page without loading them."""
    page = visit()
    say(opened(page), "before")
    page.evaluate("document.body.replaceWith(document.createElement('body'))")
    expect(frame_of(page).locator(".message")).to_contain_text("before")
    page.evaluate("RealtimeChat.say('after')")
    expect(frame_of(page).locator(".message")).to_have_count(2)
    page.evaluate("document.body.replaceChildren()")
    expect(frame_of(page).locator(".message")).to_have_count(2)
    page.evaluate("RealtimeChat.remove()")
    expect(page.locator("realtime-chat")).to_have_count(0)


def test_no_rule_of_the_pages_own_reaches_it(visit: Host) -> None:
    """The first one is what libraries of elements ask their users for."""
    page = visit()
    button = page.get_by_role("button", name="Open the chat")
    place = button.bounding_box()
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(
            ":not(:defined) { visibility: hidden } body > * { display: flex; transform: translateY(-200px); pointer-events: none }"
          );
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    expect(button).to_be_visible()
    assert button.bounding_box() == place
    button.click()
    page.evaluate("document.querySelector('realtime-chat').hidden = true")
    expect(page.locator("realtime-chat")).to_be_hidden()


def test_in_high_contrast_it_has_its_edges_and_its_news(visit: Host) -> None:
    page = visit(forced_colors="active")
    frame = opened(page)
    frame.locator("#message").fill("count to 150")
    frame.locator("#message").press("Enter")
    expect(frame.locator(".answer")).to_contain_text("1, 2")
    page.evaluate("RealtimeChat.close()")
    news = page.locator("realtime-chat .news")
    expect(news).to_be_visible()
    expect(news).to_have_css("background-color", "rgb(217, 45, 32)")
    for part in ("button", "iframe"):
        expect(page.locator(f"realtime-chat {part}")).to_have_css("border-top-width", "1px")


def test_two_pages_of_the_shop_forget_no_talk_of_each_others(visit: Host, shop: Shop) -> None:
    page = visit()
    frame = opened(page)
    other = page.context.new_page()
    other.goto(shop.origin)
    say(opened(other), "in the other one")
    say(frame, "in this one")
    frame.get_by_role("link", name="New chat").click()
    frame.get_by_role("button", name="Earlier conversations").click()
    expect(frame.locator(".frame-list button")).to_have_count(2)
    frame.locator(".frame-list button").nth(1).click()
    expect(frame.locator(".message")).to_contain_text("in the other one")


def test_what_the_page_asks_is_asked_though_the_talk_of_before_is_gone(
    visit: Host, shop: Shop, in_database: InDatabase
) -> None:
    page = visit()
    say(opened(page), "hello")
    page.goto("about:blank")
    (cookie,) = page.context.cookies()
    gone = cookie["value"].partition(":")[0]
    in_database(lambda: erase_session(session_id=gone, by=By(actor=EraseActor.OWNER)))
    page.goto(shop.origin)
    page.evaluate("RealtimeChat.say('asked by the page')")
    frame = frame_of(page)
    expect(frame.locator(".answer")).to_have_attribute("data-status", "completed", timeout=20_000)
    expect(frame.locator(".message")).to_have_text(re.compile("asked by the page"))


def test_who_could_not_be_named_on_one_page_comes_back_to_their_talk(
    visit: Host, shop: Shop, in_database: InDatabase
) -> None:
    token = in_database(lambda: secret_of("customer-13"))
    page = visit(
        IDENTIFIES,
        script=f"""console.warn = () => {{}};
        window.chatToken = async () => {{
          localStorage.asked = Number(localStorage.asked ?? 0) + 1;
          if (localStorage.asked === "2") throw new Error("the shop's own server is away");
          return {json.dumps(token)};
        }};""",
    )
    say(opened(page), "of customer 13")
    page.goto(f"{shop.origin}/?next")
    frame = opened(page)
    expect(frame.locator("#connection")).to_have_text("Ready")
    expect(frame.locator(".message")).to_have_count(0)
    page.evaluate("RealtimeChat.close(); RealtimeChat.open()")
    expect(frame.locator("#attach")).to_be_visible()
    frame.get_by_role("button", name="Earlier conversations").click()
    frame.locator(".frame-list button").click()
    expect(frame.locator(".message")).to_contain_text("of customer 13")
