"""A React front end, assistant-ui, on a page of another origin: rendered in Chromium, over AG-UI."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Complaints, launched
from tests.support.server import ROOT, ServerProcess

from .node_packages import install, node_command

pytestmark = pytest.mark.django_db

SOURCE = Path(__file__).parent / "front_end"
DOCS = ROOT / "docs" / "ag-ui.md"
_BUILD_SECONDS = 60
_OF_THE_CUT = re.compile(r"^error: Failed to load resource: .*(net::ERR|503)|network error$")
"""The connection that broke, and the calls until another server serves the session."""
_ANSWER_MS = 30_000


def counted(until: int) -> str:
    return ", ".join(str(number) for number in range(1, until + 1)) + "."


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's script, built."""
    node_command()
    install(SOURCE)
    built = tmp_path_factory.mktemp("front_end")
    esbuild = str(SOURCE / "node_modules" / ".bin" / "esbuild")
    options = ["--bundle", "--format=esm", "--jsx=automatic", "--minify", "--log-level=error"]
    production = '--define:process.env.NODE_ENV="production"'
    command = [esbuild, "main.tsx", *options, production, f"--outfile={built / 'main.js'}"]
    subprocess.run(command, cwd=SOURCE, check=True, timeout=_BUILD_SECONDS)
    return built


@pytest.fixture(scope="module")
def origin(folder: Path) -> Iterator[str]:
    """Where the page is served: ``localhost`` is not the server's ``127.0.0.1``."""
    files = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=files.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{files.server_port}"
    files.shutdown()
    files.server_close()
    thread.join()


@pytest.fixture(scope="module")
def ours(folder: Path, origin: str, django_db_setup: None, django_db_blocker: Any) -> Iterator[ServerProcess]:
    """One server for all; each test has a thread of its own. The tables are emptied at the end."""
    env = {"DJANGO_SETTINGS_MODULE": "tests.shop.settings", "SHOP_LEDGER": os.devnull}
    with django_db_blocker.unblock():
        server = ServerProcess(ALLOWED_ORIGINS=origin, DEMO_DELAY_MS="20", SESSION_GRACE_SECONDS="1", **env)
    page = f'<!doctype html><meta charset="utf-8"><title>A front end</title><link rel="icon" href="data:,"><body data-server="{server.url}">'
    page += '<main></main><script type="module" src="/main.js"></script>'
    (folder / "index.html").write_text(page)
    yield server.start()
    server.stop()
    server.close()
    with django_db_blocker.unblock():
        call_command("flush", interactive=False, verbosity=0)
        connection.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with launched(chromium) as browser:
        yield browser


class Front:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints = Complaints(page)
        self.questions = page.locator(".user")
        self.answers = page.locator(".assistant")
        self.stop = page.get_by_role("button", name="Stop")

    def say(self, text: str) -> None:
        self.page.get_by_label("Message").fill(text)
        # While an answer is given the front end sends nothing.
        expect(self.stop).to_be_disabled(timeout=_ANSWER_MS)
        self.page.get_by_label("Message").press("Enter")

    def expect_answers(self, *texts: str) -> None:
        """These, and each of them whole."""
        expect(self.answers).to_have_text(list(texts), timeout=_ANSWER_MS)
        for place in range(len(texts)):
            expect(self.answers.nth(place)).to_have_attribute("data-status", "complete")


@pytest.fixture
def front(browser: Browser, ours: ServerProcess, origin: str) -> Iterator[Front]:
    """A visitor with a conversation of their own. What the page complains of fails the test."""
    context = browser.new_context()
    front = Front(context.new_page())
    front.page.set_default_timeout(_ANSWER_MS)
    front.page.goto(origin)
    yield front
    context.close()
    assert front.complaints.found == []


def test_the_pages_code_stands_in_the_docs_as_it_is_driven() -> None:
    blocks = re.findall(r"^```tsx\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    (shown,) = [block for block in blocks if "useAgUiRuntime" in block]
    driven = {line.strip() for line in (SOURCE / "main.tsx").read_text().splitlines()}
    assert [line for line in shown.splitlines() if line.strip() not in driven] == []


def test_a_question_is_answered_and_both_are_there_after_a_reload(front: Front) -> None:
    front.say("My name is Ada")
    expect(front.answers).to_have_attribute("data-status", "complete", timeout=_ANSWER_MS)
    front.say("Count to 3")
    expect(front.answers.last).to_have_text(counted(3), timeout=_ANSWER_MS)
    said = front.answers.all_inner_texts()
    front.expect_answers(*said)
    front.page.reload()
    front.expect_answers(*said)
    expect(front.questions).to_have_text(["My name is Ada", "Count to 3"])
    front.say("What is my name?")
    expect(front.answers.last).to_contain_text("Ada", timeout=_ANSWER_MS)
    expect(front.answers).to_have_count(3)


def test_a_reload_in_mid_answer_reads_on_to_the_end(front: Front) -> None:
    front.say("Count to 200")
    expect(front.answers).to_contain_text("9, 10, 11")
    front.page.reload()
    expect(front.answers).to_contain_text("9, 10, 11")
    expect(front.answers).to_have_attribute("data-status", "running")
    front.expect_answers(counted(200))
    front.say("Count to 3")
    front.expect_answers(counted(200), counted(3))


def test_an_answer_can_be_stopped_also_after_a_reload(front: Front) -> None:
    for number in (1, 2):
        front.say("Count to 500")
        expect(front.answers.nth(number - 1)).to_contain_text("9, 10, 11")
        if number == 2:
            front.page.reload()
            expect(front.answers.nth(1)).to_have_attribute("data-status", "running")
        front.stop.click()
        expect(front.answers.nth(number - 1)).to_have_attribute("data-status", "incomplete")
    front.say("Count to 3")
    expect(front.answers.nth(2)).to_have_text(counted(3), timeout=_ANSWER_MS)
    front.page.reload()
    expect(front.answers).to_have_count(3)
    expect(front.answers.nth(2)).to_have_text(counted(3))
    assert not [text for text in front.answers.all_inner_texts() if "499" in text]


@pytest.mark.parametrize("word", ["Allow", "Refuse"])
def test_a_tool_waits_for_a_yes_also_after_a_reload(front: Front, word: str) -> None:
    front.say('read_letter "home"')
    expect(front.page.get_by_role("button", name=word)).to_be_visible()
    front.page.reload()
    front.page.get_by_role("button", name=word).click()
    expect(front.answers.last).to_have_attribute("data-status", "complete", timeout=_ANSWER_MS)
    result = "The letter home says: hello." if word == "Allow" else "its approval was refused"
    expect(front.page.locator(".tool")).to_contain_text(result)
    answer = front.answers.last.inner_text()
    front.page.reload()
    expect(front.page.locator(".tool")).to_contain_text(result)
    expect(front.answers.last).to_contain_text(answer)
    front.say("Count to 3")
    expect(front.answers.last).to_have_text(counted(3), timeout=_ANSWER_MS)


def test_a_server_that_is_killed_cuts_the_answer_and_the_page_goes_on(
    front: Front, ours: ServerProcess
) -> None:
    front.say("Count to 60")
    expect(front.answers).to_contain_text("9, 10, 11")
    ours.kill()
    expect(front.answers).to_contain_text("The answer broke off.")
    ours.start()
    front.say("Count to 3")
    expect(front.answers.last).to_have_text(counted(3), timeout=_ANSWER_MS)
    front.page.reload()
    front.expect_answers(counted(60), counted(3))
    assert [said for said in front.complaints.found if not _OF_THE_CUT.search(said)] == []
    front.complaints.found.clear()
