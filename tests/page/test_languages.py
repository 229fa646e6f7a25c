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


def _left(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["x"]
