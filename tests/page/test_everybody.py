"""The page for everybody: axe in each state, fingers, the keyboard alone, screen readers, a tab that nobody looks at."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from sessions_app.log import events as ev
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.states import STATES, Stage, approval, stage_of
from tests.sdk import node_packages

pytestmark = pytest.mark.django_db

WIDE: dict[str, Any] = {"viewport": {"width": 1366, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}


@pytest.fixture(scope="module")
def axe() -> str:
    node_packages.install()
    script: Path = node_packages.FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    return script.read_text(encoding="utf-8")


def wrongs(chat: ChatPage, axe: str) -> list[str]:
    chat.page.evaluate(axe)
    report = chat.page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{problem['id']}: {node['html'][:160]}"
        for problem in report["violations"]
        for node in problem["nodes"]
    ]


SMALL = """() => [...document.querySelectorAll("button, a[href], summary, select, textarea, input")].flatMap((node) => {
  const label = node.closest("label");
  const box = (label ?? node).getBoundingClientRect();
  const shown = node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && box.width > 1;
  const inText = node.matches("a") && node.closest(".prose, .message-text");
  const skips = node.matches(".skip-link") || node.closest("[inert]");
  if (!shown || inText || skips || (box.width >= 44 && box.height >= 44)) return [];
  return [`${node.outerHTML.slice(0, 120)}: ${Math.round(box.width)} x ${Math.round(box.height)}`];
})"""


@pytest.mark.parametrize("state", list(STATES))
def test_axe_finds_nothing_wrong(open_page: OpenPage, axe: str, state: str) -> None:
    """Light and wide, then dark and on a phone, where besides everything is large enough for a finger."""
    for context in (WIDE, PHONE):
        chat = open_page(**context)
        STATES[state](stage_of(chat))
        chat.page.wait_for_timeout(300)  # what fades in has done so
        assert wrongs(chat, axe) == []
        assert chat.page.evaluate("document.documentElement.scrollWidth") == context["viewport"]["width"]
    assert chat.page.evaluate(SMALL) == []
    chat.complaints.found = [one for one in chat.complaints.found if "ERR_" not in one]


@pytest.fixture
def stage(open_page: OpenPage) -> Stage:
    return stage_of(open_page(**WIDE))


def told(stage: Stage) -> list[str]:
    return stage.chat.page.locator("#announcer p").all_inner_texts()


# Screen readers


def test_a_question_is_told_and_the_focus_stays_on_its_card(stage: Stage) -> None:
    approval(stage)
    expect(stage.chat.page.locator("#announcer")).to_contain_text(
        "The assistant asks for your approval: Send 25 EUR to Ann's Bicycles?"
    )
    card = stage.chat.page.locator(".approval-card")
    card.get_by_role("button", name="Approve").press("Enter")
    expect(card).to_be_focused()
    stage.until(lambda: stage.server.messages()[-1]["item"]["type"] == "mcp_approval_response")
    item_id = stage.server.messages()[-1]["item"]["id"]
    stage.server.log(ev.ToolApproval(item_id=item_id, approval_id="apr_1", approve=True, by="client"))
    expect(card).to_contain_text("was approved")
    expect(card).to_be_focused()
    expect(stage.chat.page.locator("#announcer")).to_contain_text("Send money: was approved")


def test_a_call_that_was_approved_is_shown_on_the_card_that_asked(stage: Stage) -> None:
    STATES["approved"](stage)
    card = stage.chat.page.locator(".approval-card")
    expect(card).to_have_attribute("data-state", "completed")
    expect(card.locator(".approval-state")).to_have_text("was approved · Done")
    expect(stage.chat.page.locator(".tool-card")).to_have_count(0)
    card.locator("summary").click()
    expect(card.locator(".tool-body")).to_contain_text("TX-77")


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ("failed", "model_overloaded", "The answer failed. Very many people are asking"),
        ("incomplete", "max_output_tokens", "The answer is not complete. It had become too long."),
        ("cancelled", "client_cancelled", "This answer was stopped."),
        ("cancelled", "operator_stopped", "A member of staff stopped this answer."),
    ],
)
def test_how_an_answer_ended_is_told_after_what_there_is_of_it(
    stage: Stage, status: str, reason: str, words: str
) -> None:
    stage.answer("Tell me a story", "Once upon a time", status=status, reason=reason)
    expect(stage.chat.page.locator("#announcer p")).to_have_count(2)
    text, ending = told(stage)
    assert text == "Once upon a time"
    assert words in ending


def test_a_word_of_our_teams_is_told(stage: Stage) -> None:
    stage.answer("Where is it?", "On its way.")
    hide(stage, True)
    stage.server.log(ev.OperatorMessage(item_id="item_op", text="It comes *today*.", author="ann"))
    expect(stage.chat.page.locator("#announcer")).to_contain_text("Our team: It comes *today*.")
    expect(stage.chat.page).to_have_title(re.compile("^● New answer · "))
    stage.server.log(ev.OperatorTookOver(item_id="item_took", author="ann", shown_as="Ann"))
    expect(stage.chat.page.locator("#announcer")).to_contain_text("Ann has joined and answers from here on.")


def test_a_formula_is_told_once_as_it_was_written(stage: Stage) -> None:
    stage.answer("The third?", "It is $3^{-1}$.")
    expect(stage.chat.page.locator(".katex")).to_be_visible()
    stage.answer("The half?", r"It is $\frac{1}{2}$, always.", 2)
    expect(stage.chat.page.locator("#announcer")).to_contain_text("always")
    assert told(stage)[-1] == r"It is \frac{1}{2}, always."


def test_a_long_answer_is_told_in_pieces_while_it_is_written(stage: Stage) -> None:
    stage.server.begin(stage.hear("Tell me a story"))
    sentence = "There was a **bicycle** with a quiet bell. "
    paragraphs = [
        "First of all.",
        "Then.",
        "```python\nring()\n```",
        sentence * 10,
        "| a | b |\n|---|---|\n| 1 | 2 |",
    ]
    text = "\n\n".join(paragraphs)
    stage.server.write(text[: text.index("There")])
    expect(stage.chat.page.locator("#announcer")).to_have_text("First of all.")
    stage.server.write(text[text.index("There") :], offset=text.index("There"))
    stage.server.finish(text)
    expect(stage.chat.page.locator("#announcer")).to_contain_text("1, 2")
    pieces = told(stage)
    assert pieces[:3] == ["First of all.", "Then.", "Code"]
    assert pieces[-2:] == ["a, b", "1, 2"]
    middle = pieces[3:-2]
    assert len(middle) > 1
    assert all(len(piece) <= 300 for piece in middle)
    assert " ".join(middle) == (sentence * 10).replace("**", "").strip()


def test_what_was_said_before_is_not_told_again(open_page: OpenPage) -> None:
    stage = stage_of(open_page(**WIDE))
    stage.answer("Hello", "A word of before")
    stage.chat.page.reload()
    expect(stage.chat.answers.first).to_contain_text("A word of before")
    stage.chat.expect_connection("Connected")
    stage.chat.page.wait_for_timeout(300)
    assert told(stage) == []


# The keyboard


def scroll_top(stage: Stage) -> float:
    return float(stage.chat.page.locator("#scroller").evaluate("node => node.scrollTop"))


def is_at_end(stage: Stage) -> bool:
    scroller = stage.chat.page.locator("#scroller")
    return bool(scroller.evaluate("node => node.scrollHeight - node.clientHeight - node.scrollTop < 2"))


def test_keys_scroll_the_talk_from_the_message_box(stage: Stage) -> None:
    stage.answer("Count", "\n\n".join(f"Paragraph {number}" for number in range(80)))
    box = stage.chat.input
    end = scroll_top(stage)
    assert end > 1_000
    box.press("PageUp")
    stage.until(lambda: scroll_top(stage) < end - 300)
    up = scroll_top(stage)
    box.press("PageDown")
    stage.until(lambda: scroll_top(stage) > up + 300)
    box.press("Home")
    stage.until(lambda: scroll_top(stage) == 0)
    box.press("End")
    stage.until(lambda: is_at_end(stage))
    box.fill("some words")
    box.press("Home")
    assert box.evaluate("node => node.selectionStart") == 0, "with words in it, they are the box's own"
    assert is_at_end(stage)
    box.evaluate("node => node.blur()")
    stage.chat.page.keyboard.press("PageUp")
    stage.until(lambda: scroll_top(stage) < end - 300)


def test_the_shortcuts_are_listed_and_do_what_they_say(stage: Stage) -> None:
    stage.answer("Hello", "Hello")
    page = stage.chat.page
    listed = page.get_by_role("dialog", name="Keyboard shortcuts")
    stage.chat.input.press("?")
    expect(listed).to_be_hidden()
    expect(stage.chat.input).to_have_value("?")
    stage.chat.input.fill("")
    stage.chat.input.press("ArrowUp")
    expect(stage.chat.input).to_have_value("Hello")
    stage.chat.input.press("Escape")
    stage.chat.input.evaluate("node => node.blur()")
    page.keyboard.press("?")
    expect(listed).to_be_visible()
    page.keyboard.press("/")
    expect(stage.chat.input).not_to_be_focused()
    page.keyboard.press("Escape")
    expect(listed).to_be_hidden()
    page.keyboard.press("/")
    expect(stage.chat.input).to_be_focused()
    expect(stage.chat.input).to_have_value("")
    page.keyboard.press("Control+k")
    expect(page.locator("#search-sessions")).to_be_focused()
    page.keyboard.press("Control+Shift+O")
    expect(stage.chat.messages).to_have_count(0)
    page.locator("#open-own-data").click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(listed).to_be_visible()


def test_the_list_is_left_without_stopping_the_answer(stage: Stage) -> None:
    STATES["streaming"](stage)
    stage.chat.input.evaluate("node => node.blur()")
    stage.chat.page.keyboard.press("?")
    stage.chat.page.keyboard.press("Escape")
    expect(stage.chat.page.locator("#shortcuts")).to_be_hidden()
    assert not [frame for frame in stage.server.received if frame["type"] == "response.cancel"]


def test_the_drawer_is_left_without_stopping_the_answer(stage: Stage) -> None:
    STATES["streaming"](stage)
    stage.chat.page.set_viewport_size({"width": 390, "height": 800})
    stage.chat.page.locator("#open-sidebar").click()
    stage.chat.page.keyboard.press("Escape")
    expect(stage.chat.page.locator("#sidebar")).not_to_be_in_viewport()
    assert not [frame for frame in stage.server.received if frame["type"] == "response.cancel"]


def test_an_escape_that_leaves_a_composed_word_stops_no_answer(stage: Stage) -> None:
    STATES["streaming"](stage)
    stage.chat.input.fill("にほん")
    stage.chat.input.dispatch_event("keydown", {"key": "Escape", "isComposing": True})
    stage.chat.input.dispatch_event("keydown", {"key": "Escape", "keyCode": 229})
    stage.chat.page.wait_for_timeout(100)
    assert not [frame for frame in stage.server.received if frame["type"] == "response.cancel"]


# Tabs that nobody looks at, applications, and browsers without scripts


def hide(stage: Stage, hidden: bool) -> None:
    stage.chat.page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_tab_that_is_left_while_a_picture_was_due_tells_what_happened(stage: Stage) -> None:
    stage.server.begin(stage.hear("Count"))
    expect(stage.chat.answers).to_have_count(1)
    stage.chat.page.evaluate("() => { window.requestAnimationFrame = () => 0; }")  # as a hidden page has none
    stage.server.write("One")
    stage.chat.page.wait_for_timeout(100)  # it has come, and waits for the next picture
    hide(stage, True)
    stage.server.finish("One, two")
    expect(stage.chat.page).to_have_title(re.compile("^● New answer · "))


@pytest.mark.parametrize(("asks", "news"), [(False, "New answer"), (True, "Your approval is needed")])
def test_a_tab_that_nobody_looks_at_tells_what_happened(stage: Stage, asks: bool, news: str) -> None:
    stage.server.begin(stage.hear("Pay Ann"))
    hide(stage, True)
    if asks:
        stage.server.log(
            ev.ToolApprovalRequested(
                response_id="resp_1",
                item_id="apr_1",
                call_id="call_1",
                output_index=0,
                name="send_money",
                arguments="{}",
            )
        )
    stage.server.finish("" if asks else "Done")
    expect(stage.chat.page).to_have_title(re.compile(f"^● {news} · "))
    hide(stage, False)
    expect(stage.chat.page).not_to_have_title(re.compile("●"))


def test_without_scripts_the_page_says_what_it_needs(open_page: OpenPage) -> None:
    chat = open_page(java_script_enabled=False)
    chat.go("/")
    words = chat.page.locator(".noscript")  # its words are no text to Playwright, as in any noscript
    expect(words).to_have_text(re.compile("This page needs JavaScript"))
    expect(words).to_be_visible()
    assert words.bounding_box() == {"x": 0, "y": 0, "width": 1280, "height": 720}


def test_the_page_can_be_put_among_ones_applications(chat: ChatPage) -> None:
    address = chat.page.locator("link[rel=manifest]").get_attribute("href")
    manifest = json.loads(chat.page.request.get(address or "").text())
    assert manifest["start_url"] == "/"
    for icon in manifest["icons"]:
        assert chat.page.request.get(icon["src"]).headers["content-type"] == "image/png"


def test_the_widgets_frame_is_clean_too(open_page: OpenPage, axe: str) -> None:
    chat = open_page(**{**PHONE, "color_scheme": "light"})
    chat.go("/embed/")
    expect(chat.page.locator("#welcome")).to_be_visible()
    assert wrongs(chat, axe) == []
    assert chat.page.evaluate(SMALL) == []
    chat.complaints.found.clear()
