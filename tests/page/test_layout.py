"""How the page behaves under hands and eyes: phone and desktop, keyboard, scrolling, themes, its content policy."""

import re

import pytest
from playwright.sync_api import Error, expect

from sessions_app.log import events as ev
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.scripted_server import ScriptedServer
from tests.page.test_markdown import DOCUMENT

pytestmark = pytest.mark.django_db

PHONE = {"viewport": {"width": 360, "height": 700}, "has_touch": True, "is_mobile": True}
WIDE = "x" * 400
HARD_TEXT = f"{DOCUMENT}\n\n{WIDE}\n\n`{WIDE}`\n\n```\n{WIDE}\n```\n\n| {' | '.join('column' for _ in range(20))} |\n{'|-' * 20}|\n"


def a_hard_conversation(server: ScriptedServer) -> None:
    server.log(
        ev.UserMessage(item_id="i1", text=f"{WIDE} and more"),
        ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo"),
        ev.ToolCall(
            response_id="resp_1",
            item_id="t1",
            call_id="c1",
            output_index=0,
            name=f"tool_{WIDE}",
            arguments=f'{{"a": "{WIDE}"}}',
        ),
        ev.ToolResult(
            item_id="t1", call_id="c1", name="tool", output=WIDE, duration_ms=3.0, response_id="resp_1"
        ),
        ev.AssistantMessage(response_id="resp_1", item_id="a1", output_index=1, text=HARD_TEXT),
        ev.ResponseDone(
            response_id="resp_1",
            status=ev.ResponseStatus.FAILED,
            reason="model_overloaded",
            message=f"It said {WIDE}",
        ),
    )


def overflow_px(chat: ChatPage) -> int:
    """By how much the page, or what scrolls in it, is wider than what shows of it."""
    script = """() => Math.max(...[document.documentElement, document.getElementById("scroller"), document.getElementById("main")]
      .map((node) => node.scrollWidth - node.clientWidth))"""
    found: int = chat.page.evaluate(script)
    return found


def test_a_phone_shows_everything_without_scrolling_sideways(open_page: OpenPage) -> None:
    chat = open_page(**PHONE)
    server = ScriptedServer(chat.page)
    chat.go("/")
    chat.expect_connection("Ready")
    assert overflow_px(chat) == 0
    chat.go(server.path)
    a_hard_conversation(server)
    chat.expect_ended(chat.answers.first, "failed")
    chat.answers.first.locator(".tool-card summary").click()
    chat.input.fill(WIDE)
    expect(chat.page.locator(".code-block").first).to_be_visible()
    assert overflow_px(chat) == 0
    box = chat.page.locator("#composer").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 700


def test_the_drawer_on_a_phone_takes_the_keyboard_and_gives_it_back(open_page: OpenPage) -> None:
    chat = open_page(**PHONE)
    chat.go("/")
    panel, opener = chat.page.locator("#sidebar"), chat.page.locator("#open-sidebar")
    expect(panel).not_to_be_in_viewport()
    opener.click()
    expect(panel).to_be_in_viewport()
    expect(chat.page.get_by_role("button", name="Close the list")).to_be_focused()
    expect(chat.page.locator("#main")).to_have_attribute("inert", "")
    chat.page.keyboard.press("Escape")
    expect(panel).not_to_be_in_viewport()
    expect(opener).to_be_focused()
    opener.click()
    chat.page.locator("#scrim").click(position={"x": 340, "y": 300})
    expect(panel).not_to_be_in_viewport()


def test_enter_sends_and_shift_enter_starts_a_line(chat: ChatPage) -> None:
    chat.input.press_sequentially("one")
    height = chat.input.bounding_box()
    chat.input.press("Shift+Enter")
    chat.input.press_sequentially("two")
    expect(chat.input).to_have_value("one\ntwo")
    taller = chat.input.bounding_box()
    assert height
    assert taller
    assert taller["height"] > height["height"]
    chat.input.press("Enter")
    expect(chat.messages.first.locator(".message-text")).to_have_text("one\ntwo", use_inner_text=True)
    expect(chat.input).to_have_value("")


def test_the_enter_that_ends_a_composed_word_does_not_send(chat: ChatPage) -> None:
    chat.input.fill("にほん")
    chat.input.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    chat.input.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
    expect(chat.input).to_have_value("にほん")
    expect(chat.messages).to_have_count(0)


def test_nothing_and_too_much_cannot_be_sent(chat: ChatPage) -> None:
    send = chat.page.get_by_role("button", name="Send")
    expect(send).to_be_disabled()
    chat.input.fill("   \n ")
    expect(send).to_be_disabled()
    chat.input.fill("x" * 32_001)
    expect(send).to_be_disabled()
    expect(chat.page.locator("#counter")).to_have_text("1 character too many")
    chat.input.press("Enter")
    expect(chat.messages).to_have_count(0)
    chat.input.fill("x" * 31_999)
    expect(send).to_be_enabled()


def test_who_goes_up_by_the_keyboard_alone_stays_there(chat: ChatPage) -> None:
    """Nothing is scrolled by hand: the focus is moved, and what it is on pressed."""
    chat.ask("Hello")
    chat.ask("Write 800 words of filler")
    thumb = chat.answers.first.get_by_role("button", name="Bad answer")
    thumb.focus()
    thumb.press("Enter")
    expect(chat.page.locator(".feedback-form")).to_be_visible()
    expect(thumb).to_be_in_viewport()
    chat.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    expect(thumb).to_be_in_viewport()


def test_the_end_is_followed_until_the_user_scrolls_away(chat: ChatPage) -> None:
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    gap = """() => { const s = document.getElementById("scroller"); return s.scrollHeight - s.clientHeight - s.scrollTop; }"""
    server.log(ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo"))
    text = ""
    for number in range(60):
        server.write(f"Line {number}\n\n", offset=len(text))
        text += f"Line {number}\n\n"
    expect(chat.answers.first).to_contain_text("Line 59")
    assert chat.page.evaluate(gap) <= 1
    jump = chat.page.get_by_role("button", name="Jump to the latest")
    expect(jump).to_be_hidden()
    chat.page.mouse.move(600, 400)
    chat.page.mouse.wheel(0, -600)
    expect(jump).to_be_visible()
    before = chat.page.evaluate("() => document.getElementById('scroller').scrollTop")
    server.write("Line 60\n\n", offset=len(text))
    expect(chat.answers.first).to_contain_text("Line 60")
    assert chat.page.evaluate("() => document.getElementById('scroller').scrollTop") == before
    jump.click()
    expect(jump).to_be_hidden()
    assert chat.page.evaluate(gap) <= 1


def test_another_session_opens_at_its_end_and_a_card_unfolds_where_it_is(chat: ChatPage) -> None:
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    for number in range(20):
        server.log(
            ev.UserMessage(item_id=f"i{number}", text=f"Question {number}"),
            ev.ResponseStarted(response_id=f"r{number}", provider="demo", model="demo"),
            ev.ToolCall(
                response_id=f"r{number}",
                item_id=f"t{number}",
                call_id=f"c{number}",
                output_index=0,
                name="tool",
                arguments="{}",
            ),
            ev.ToolResult(
                item_id=f"t{number}",
                call_id=f"c{number}",
                name="tool",
                output="long\n" * 30,
                response_id=f"r{number}",
            ),
            ev.ResponseDone(response_id=f"r{number}", status=ev.ResponseStatus.COMPLETED),
        )
    expect(chat.messages).to_have_count(20)
    chat.page.mouse.move(600, 400)
    chat.page.mouse.wheel(0, -900)
    expect(chat.page.get_by_role("button", name="Jump to the latest")).to_be_visible()
    chat.page.locator(".new-chat").click()
    expect(chat.messages).to_have_count(0)
    chat.page.go_back()  # all is replayed
    expect(chat.messages).to_have_count(20)
    summary = chat.page.locator(".tool-card summary").last
    expect(summary).to_be_in_viewport()
    chat.page.wait_for_timeout(200)
    top = "node => node.getBoundingClientRect().top"
    before = summary.evaluate(top)
    summary.click()
    expect(chat.page.locator(".tool-body").last).to_be_visible()
    chat.page.wait_for_timeout(200)
    assert summary.evaluate(top) == before


def test_a_running_answer_shows_that_it_thinks_and_moves_nothing_when_it_is_done(chat: ChatPage) -> None:
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    server.log(ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo"))
    answer = chat.answers.first
    expect(answer.locator(".typing")).to_be_visible()
    expect(answer).to_have_attribute("aria-busy", "true")
    chat.page.wait_for_timeout(400)  # what comes at once is replayed, and not read out
    server.write("A word")
    expect(answer.locator(".typing")).to_be_hidden()
    expect(answer.locator(".prose")).to_have_text("A word")
    height = answer.bounding_box()
    server.finish("A word")
    expect(answer).to_have_attribute("aria-busy", "false")
    after = answer.bounding_box()
    assert height
    assert after
    assert after["height"] == height["height"]
    expect(chat.page.locator("#announcer")).to_have_text("A word")


def test_code_and_answers_are_copied(open_page: OpenPage) -> None:
    chat = open_page(permissions=["clipboard-read", "clipboard-write"])
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    text = "Look:\n\n```js\nlet a = 1;\n```\n"
    server.log(ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo"))
    server.finish(text)
    chat.page.get_by_role("button", name="Copy this code").click()
    clipboard = "() => navigator.clipboard.readText()"
    expect(chat.page.locator(".copy-code")).to_have_class(re.compile("did-copy"))
    assert chat.page.evaluate(clipboard) == "let a = 1;\n"
    chat.answers.first.hover()
    chat.page.get_by_role("button", name="Copy this answer").click()
    expect(chat.answers.first.locator(".answer-footer .did-copy")).to_have_count(1)
    assert chat.page.evaluate(clipboard) == text


def test_what_is_copied_twice_in_a_moment_has_its_own_sign_again(open_page: OpenPage) -> None:
    chat = open_page(permissions=["clipboard-read", "clipboard-write"])
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    server.log(ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo"))
    server.finish("```js\nlet a = 1;\n```\n")
    button = chat.page.get_by_role("button", name="Copy this code")
    button.click()
    expect(button.locator("use")).to_have_attribute("href", "#icon-check")
    button.click()
    expect(button).not_to_have_class(re.compile("did-copy"))
    chat.page.wait_for_timeout(1_800)
    expect(button.locator("use")).to_have_attribute("href", "#icon-copy")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_the_user_chooses(open_page: OpenPage, scheme: str) -> None:
    chat = open_page(color_scheme=scheme)
    chat.go("/")
    background = "() => getComputedStyle(document.body).backgroundColor"
    colours = {"light": "rgb(252, 252, 250)", "dark": "rgb(19, 21, 23)"}
    assert chat.page.evaluate(background) == colours[scheme]
    toggle = chat.page.get_by_role("button", name="Theme: ")
    toggle.click()
    assert chat.page.evaluate(background) == colours["light"]
    toggle.click()
    assert chat.page.evaluate(background) == colours["dark"]
    chat.page.reload()
    assert chat.page.evaluate(background) == colours["dark"]
    toggle.click()
    assert chat.page.evaluate(background) == colours[scheme]


def test_a_reader_who_wants_calm_gets_no_motion(open_page: OpenPage) -> None:
    chat = open_page(reduced_motion="reduce")
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    server.log(ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo"))
    expect(chat.answers.first.locator(".typing")).to_be_visible()
    script = "() => getComputedStyle(document.querySelector('.typing i')).animationIterationCount"
    assert chat.page.evaluate(script) == "1"


def test_all_controls_have_names_and_are_reached_by_the_keyboard(chat: ChatPage) -> None:
    chat.ask("Show a code block")
    script = """() => [...document.querySelectorAll("button, a, input, textarea, summary")]
      .filter((node) => node.checkVisibility() && !node.labels?.length)
      .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim()))
      .map((node) => node.outerHTML)"""
    assert chat.page.evaluate(script) == []
    skip = chat.page.locator(".skip-link")
    expect(skip).not_to_be_in_viewport()
    skip.focus()
    expect(skip).to_be_in_viewport()
    chat.page.keyboard.press("Enter")
    expect(chat.input).to_be_focused()
    expect(chat.answers).to_have_count(1)


def test_the_page_runs_and_loads_nothing_but_its_own(open_page: OpenPage) -> None:
    chat = open_page()
    hosts: set[str] = set()
    chat.page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    response = chat.page.goto("/")
    assert response
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["referrer-policy"] == "same-origin"
    html = response.text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", html)
    chat.expect_connection("Ready")
    chat.ask("Show a table")
    assert len(hosts) == 1


def test_a_breach_of_the_policy_would_be_noticed(chat: ChatPage) -> None:
    """The guard in `open_page` is no ornament."""
    chat.page.evaluate("() => document.createElement('p').setAttribute('style', 'color: red')")
    script = """() => {
      const script = document.createElement("script");
      script.src = "data:text/javascript,window.ran=1";
      document.body.append(script);
    }"""
    with pytest.raises(Error, match="Trusted"):
        chat.page.evaluate(script)
    assert chat.page.evaluate("() => window.ran") is None
    assert any("Content Security Policy" in found for found in chat.complaints.found)
    chat.complaints.found.clear()


def test_nothing_moves_that_one_reads_as_the_next_message_is_sent(chat: ChatPage) -> None:
    chat.ask("Count to 2")
    chat.ask("Count to 3")
    heights = "() => Array.from(document.querySelectorAll('.message, .answer'), (node) => node.offsetHeight)"
    before = chat.page.evaluate(heights)
    chat.ask("Count to 4")
    assert chat.page.evaluate(heights)[: len(before)] == before
