"""The chat page, as a test uses it."""

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Complaints

ANSWER_MS = 30_000


class ChatPage:
    def __init__(self, page: Page, complaints: Complaints) -> None:
        self.page = page
        self.complaints = complaints
        self.input = page.locator("#message")
        self.messages = page.locator(".message")
        self.answers = page.locator(".answer")
        self.sessions = page.locator("#session-list li")
        self.stop_button = page.get_by_role("button", name="Stop the answer")

    def go(self, path: str) -> None:
        self.page.goto(path)

    def expect_connection(self, text: str) -> None:
        expect(self.page.locator("#connection")).to_have_text(text)

    def say(self, text: str) -> None:
        self.input.fill(text)
        self.input.press("Enter")

    def ask(self, text: str) -> Locator:
        """Say it and wait for the end of the answer, which is returned."""
        count = self.answers.count()
        self.say(text)
        answer = self.answers.nth(count)
        self.expect_ended(answer)
        return answer

    def expect_ended(self, answer: Locator, status: str = "completed") -> None:
        expect(answer).to_have_attribute("data-status", status, timeout=ANSWER_MS)

    def expect_streaming(self, text: str) -> None:
        """The last answer has come as far as ``text`` and goes on."""
        expect(self.answers.last).to_contain_text(text, timeout=ANSWER_MS)
        expect(self.answers.last).to_have_attribute("data-status", "in_progress")

    def until(self, happened: Callable[[], object]) -> None:
        """For what the page itself does not show; it goes on meanwhile."""
        deadline = time.monotonic() + ANSWER_MS / 1000
        while not happened():
            assert time.monotonic() < deadline, "it did not happen in time"
            self.page.wait_for_timeout(20)

    def module(self, name: str, script: str, argument: Any = None) -> Any:
        """Evaluate ``(module, argument) => ...`` with one of the page's own modules."""
        wrapped = f"async ([url, argument]) => ({script})(await import(url), argument)"
        return self.page.evaluate(wrapped, [f"/static/chat/{name}.js", argument])
