"""A real Chromium for the tests, and an eye on what its pages complain about."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from django.db import connections
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

expect.set_options(timeout=30_000)  # a machine with other things to do answers late: no test is about that

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
]


@contextmanager
def launched(executable: str) -> Iterator[Browser]:
    """A browser. While it is open, Playwright's event loop counts as running in this thread: no asyncio in it.

    Django's ORM is told that it may be used all the same: the loop rests while the test's own code runs.
    """
    with mock.patch.dict(os.environ, DJANGO_ALLOW_ASYNC_UNSAFE="1"), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        yield browser
        browser.close()
        connections.close_all()  # the ones of this thread "in a loop", which Django keeps apart from the others


class Complaints:
    """What a page wrote to its console as an error or a warning (broken rules of its CSP among them), or threw."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.found.append(f"thrown: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        left = (
            "closed before the connection is established" in message.text
        )  # a page that was left so early: no fault
        if message.type in ("error", "warning") and not left:
            self.found.append(f"{message.type}: {message.text}")
