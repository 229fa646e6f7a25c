"""The page in German and in Arabic, in Chromium: the words of its scripts, and right-to-left."""

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import OpenPage

pytestmark = pytest.mark.django_db


def test_the_scripts_speak_the_pages_language(open_page: OpenPage) -> None:
    chat = open_page(locale="de-DE")
    chat.go("/")
    chat.expect_connection("Bereit")
    answer = chat.ask("What time is it in Tokyo?")
    expect(answer.locator(".tool-state")).to_have_text("Erledigt")
    expect(answer.get_by_role("button", name="Gute Antwort")).to_be_visible()
    expect(chat.page.locator("#session-list h2")).to_have_text("Heute")


def test_arabic_runs_from_right_to_left(open_page: OpenPage) -> None:
    chat = open_page(locale="ar", viewport={"width": 1280, "height": 800})
    chat.go("/")
    chat.expect_connection("جاهز")
    page = chat.page
    assert page.evaluate("getComputedStyle(document.body).direction") == "rtl"
    assert _left(page, ".sidebar") > _left(page, ".main")
    chat.ask("ما الوقت الآن؟")
    chat.ask("What time is it in Tokyo?")
    texts = page.locator(".message-text")
    assert [texts.nth(n).evaluate("node => getComputedStyle(node).direction") for n in (0, 1)] == [
        "rtl",
        "ltr",
    ]
    prose = page.locator(".answer .prose").last
    assert prose.evaluate("node => getComputedStyle(node).direction") == "ltr", (
        "an English answer is read as one"
    )
    assert _left(page, ".message-text") < _left(page, ".answer .tool-card"), (
        "one's own words stand at the end"
    )


def test_arabic_on_a_phone_scrolls_in_one_direction(open_page: OpenPage) -> None:
    chat = open_page(locale="ar", viewport={"width": 390, "height": 844})
    chat.go("/")
    chat.expect_connection("جاهز")
    chat.ask("What time is it in Tokyo?")
    page = chat.page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#scroller").evaluate("node => node.scrollWidth <= node.clientWidth")
    page.locator("#open-sidebar").click()
    expect(page.locator(".sidebar")).to_be_in_viewport()
    page.wait_for_function(
        "() => Math.abs(document.querySelector('.sidebar').getBoundingClientRect().right - innerWidth) < 1"
    )


def test_arabic_is_whole(open_page: OpenPage) -> None:
    chat = open_page(locale="ar", viewport={"width": 1280, "height": 800})
    chat.go("/")
    page = chat.page
    style = "(node, name) => getComputedStyle(node)[name]"
    for field in (chat.input, page.locator("#search-sessions")):
        assert field.evaluate(style, "direction") == "rtl", "a placeholder stands where one begins to write"
    chat.input.fill("hello")
    assert chat.input.evaluate(style, "direction") == "ltr"
    chat.input.fill("")
    page.locator("[data-prompt]").nth(1).click()
    chat.expect_ended(chat.answers.first)
    expect(chat.answers.first.locator(".tool-name")).to_have_text("الوقت")
    expect(chat.answers.first.locator(".prose")).to_contain_text("الساعة في")
    assert chat.answers.first.locator(".prose code").first.evaluate(style, "direction") == "ltr"
    chat.ask("an English question")
    for bubble in page.locator(".message-text").all():
        assert bubble.evaluate(style, "borderBottomLeftRadius") == "6px", "the corner is the page's"
        assert bubble.evaluate(style, "borderBottomRightRadius") == "18px"


def test_arabic_words_on_an_english_page_keep_its_corners_and_its_title(open_page: OpenPage) -> None:
    chat = open_page(viewport={"width": 1280, "height": 800})
    chat.go("/")
    chat.ask("مرحبا بكم")
    style = "(node, name) => getComputedStyle(node)[name]"
    bubble = chat.page.locator(".message-text")
    assert bubble.evaluate(style, "direction") == "rtl"
    assert bubble.evaluate(style, "borderBottomRightRadius") == "6px"
    title = chat.page.locator("#session-title")
    expect(title).to_have_text("مرحبا بكم")
    assert title.evaluate(style, "textAlign") == "left"


def test_a_tool_of_somebody_elses_is_told_in_the_pages_language(open_page: OpenPage) -> None:
    chat = open_page(locale="de-DE")
    chat.go("/")
    titles = chat.module("format", "({ toolTitle }) => ['get_time', 'get_weather'].map(toolTitle)")
    assert titles == ["Uhrzeit", "Ein Werkzeug"]


def _left(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["x"]
