"""The front end of docs/auth.md in Chromium, word for word: supabase-js against a stand-in for Supabase, then the chat."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, Route, expect

from identity.models import ExternalIdentity
from realtime_ai.env import BASE_DIR
from sessions_app.models import Session
from tests.sdk.node_packages import FOLDER, install, node_command
from tests.support.browser import Complaints, launched
from tests.support.server import ServerProcess

from .issuer import Issuer

UMD = FOLDER / "node_modules" / "@supabase" / "supabase-js" / "dist" / "umd" / "supabase.js"


@pytest.fixture
def front_end() -> str:
    """As the page shows it; the address of the chat server is the reader's own."""
    page = (BASE_DIR / "docs" / "auth.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^```html\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(found.split("</script>")[0].splitlines()) <= 35
    return str(found)


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with launched(chromium) as browser:
        yield browser


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


class SupabaseAuth:
    """What supabase-js asks of a project: to sign in without a name, and for the next token."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.seconds = 40
        """How long a token lives: supabase-js refreshes one that has less than 90 s left."""
        self.asked: list[str] = []

    def answer(self, route: Route) -> None:
        path = route.request.url.partition(".supabase.co")[2]
        self.asked.append(path)
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
        if route.request.method == "OPTIONS":
            route.fulfill(status=204, headers=headers)
            return
        expires_at = int(time.time()) + self.seconds
        token = self.issuer.token("a-visitor", is_anonymous=True, email="", exp=expires_at)
        user = {"id": "a-visitor", "aud": "authenticated", "role": "authenticated", "is_anonymous": True}
        session = {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.seconds,
            "expires_at": expires_at,
            "refresh_token": f"refresh-{len(self.asked)}",
            "user": user,
        }
        self.seconds = 3600
        route.fulfill(status=200, headers=headers, content_type="application/json", body=json.dumps(session))


def as_module(script: Path) -> str:
    """The package as the content delivery network gives it."""
    return f"{script.read_text(encoding='utf-8')}\nexport const createClient = supabase.createClient;"


@pytest.fixture
def start_server(transactional_db: None) -> Iterator[Callable[..., ServerProcess]]:
    started: list[ServerProcess] = []

    def start(**env: str) -> ServerProcess:
        started.append(ServerProcess(**env))
        return started[-1].start()

    yield start
    for server in started:
        server.close()


def test_it_signs_in_chats_and_outlives_its_token(
    front_end: str, browser: Browser, issuer: Issuer, start_server: Callable[..., ServerProcess]
) -> None:
    node_command()
    install()
    server = start_server(SUPABASE_URL=issuer.url, ALLOWED_ORIGINS=issuer.url)
    auth = SupabaseAuth(issuer)
    page = browser.new_page()
    page.set_default_timeout(30_000)
    complaints = Complaints(page)
    issuer.page = front_end.replace("wss://chat.example.com", server.ws_url).encode()
    sent: list[Any] = []
    received: list[Any] = []

    def listen(socket: Any) -> None:
        socket.on("framesent", lambda frame: sent.append(json.loads(frame)))
        socket.on("framereceived", lambda frame: received.append(json.loads(frame)))

    page.on("websocket", listen)
    page.route(
        "https://esm.sh/**",
        lambda route: route.fulfill(
            content_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"}, body=as_module(UMD)
        ),
    )
    page.route("https://*.supabase.co/**", auth.answer)
    page.goto(f"{issuer.url}/")
    until(page, lambda: bool(received) or bool(complaints.found))
    assert complaints.found == []
    assert received[0]["type"] == "session.created", received
    ask(page, "count to 3")
    expect(page.locator("#log")).to_contain_text("1, 2, 3.")
    page.evaluate(
        "window.dispatchEvent(new Event('visibilitychange'))"
    )  # the client looks at its token's age
    until(page, lambda: any(frame["type"] == "session.updated" for frame in received))
    assert [frame["type"] for frame in sent].count("session.update") == 1
    ask(page, "count to 5")
    expect(page.locator("#log")).to_contain_text("4, 5.")
    identity = ExternalIdentity.objects.get()
    assert (identity.subject, identity.is_anonymous) == ("a-visitor", True)
    assert Session.objects.get().user_id == identity.user_id
    assert [path.partition("?")[0] for path in auth.asked] == ["/auth/v1/signup", "/auth/v1/token"]
    assert complaints.found == []
    connection.close()


def until(page: Any, happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not happened() and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert happened()


def ask(page: Any, text: str) -> None:
    page.locator("input").fill(text)
    page.locator("input").press("Enter")
