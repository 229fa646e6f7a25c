import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser

from tests.page.chat_page import ChatPage
from tests.support.browser import Complaints, launched
from tests.support.server import ServerProcess

OpenPage = Callable[..., ChatPage]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser and the rows of its visitors outlive each test, and a worker may take any of the tests next.

    Whatever needs an event loop or empty tables of its own belongs into another folder.
    """
    for item in items:
        if item.path.parent == HERE and isinstance(item, pytest.Function):
            mark = item.get_closest_marker("django_db")
            emptied = "transactional_db" in item.fixturenames or (mark and mark.kwargs.get("transaction"))
            if emptied or inspect.iscoroutinefunction(item.function):
                raise pytest.UsageError(f"{item.nodeid} cannot stand beside the browser of tests/page")


@pytest.fixture(scope="package")
def chat_server(django_db_setup: None, django_db_blocker: Any) -> Iterator[ServerProcess]:
    """One server for all browser tests; each test is a visitor of its own. The tables are emptied at the end."""
    with django_db_blocker.unblock():
        server = ServerProcess(DEMO_DELAY_MS="8", SESSION_GRACE_SECONDS="1").start()
    yield server
    server.stop()
    server.close()
    with django_db_blocker.unblock():
        call_command("flush", interactive=False, verbosity=0)
        connection.close()


@pytest.fixture
def start_server(chat_server: ServerProcess) -> Iterator[Callable[..., ServerProcess]]:
    """Starts more servers, on the same database, with an environment of their own."""
    started: list[ServerProcess] = []

    def start(**env: str) -> ServerProcess:
        server = ServerProcess(**{"DATABASE_URL": chat_server.env["DATABASE_URL"], **env})
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with launched(chromium) as browser:
        yield browser


@pytest.fixture
def open_page(chat_server: ServerProcess, browser: Browser) -> Iterator[OpenPage]:
    """Opens a page for a visitor with no cookies yet, or (``like``) for one who has a page already.

    A page that complained on its console without being asked to fails the test.
    """
    opened: list[tuple[ChatPage, Complaints]] = []

    def open_one(
        *, server: ServerProcess = chat_server, like: ChatPage | None = None, **context: Any
    ) -> ChatPage:
        place = like.page.context if like else browser.new_context(base_url=server.url, **context)
        page = place.new_page()
        page.set_default_timeout(30_000)
        chat = ChatPage(page, Complaints(page))
        opened.append((chat, chat.complaints))
        return chat

    yield open_one
    for chat, _ in opened:
        chat.page.context.close()
    for _, complaints in opened:
        assert complaints.found == []


@pytest.fixture
def chat(open_page: OpenPage) -> ChatPage:
    """A new guest at ``/``, connected."""
    chat = open_page()
    chat.go("/")
    chat.expect_connection("Ready")
    return chat


@pytest.fixture
def sign_in_staff(
    chat_server: ServerProcess, in_database: Callable[[Callable[[], Any]], Any]
) -> Callable[[ChatPage], None]:
    """Makes the page's visitor a member of staff, from its next load on."""

    def cookie() -> str:
        client = Client()
        client.force_login(User.objects.create(username=f"staff-{uuid4().hex[:8]}", is_staff=True))
        return client.cookies["sessionid"].value

    def sign_in(chat: ChatPage) -> None:
        value = in_database(cookie)
        chat.page.context.add_cookies(
            [{"name": "sessionid", "value": value, "domain": "127.0.0.1", "path": "/"}]
        )

    return sign_in


@pytest.fixture
def in_database(
    chat_server: ServerProcess, django_db_blocker: Any
) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Runs a function that uses the ORM, committed, in a thread of its own (see `launched`)."""

    def guarded(function: Callable[[], Any]) -> Any:
        with django_db_blocker.unblock():
            try:
                return function()
            finally:
                connection.close()

    with ThreadPoolExecutor(1) as pool:
        yield lambda function: pool.submit(guarded, function).result(10)
