"""What waits for the staff, in a real Chromium: by the keyboard, many at once, an approval from the tool's question to its run."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from sessions_app.models import InboxItem, Session
from tests.admin.live_pages import staff_page
from tests.admin.rows import done, message, started, user_says
from tests.admin.test_inbox import ASKED, PAGE, write
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.sdk import node_packages
from tests.sockets.shop import Ledger, calls
from tests.support.server import ServerProcess
from tests.support.sockets import realtime

LIST = "/admin/sessions_app/session/"


def fails(number: int) -> None:
    write(
        [user_says(f"Question {number}"), started(), message("An answ"), done(status="failed")],
        f"s{number}",
        title=f"Conversation {number}",
        status="ended",
    )


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def listens(page: Page) -> None:
    expect(page.locator("[data-help]").first).to_be_visible()


def waiting() -> list[str]:
    open_ones = InboxItem.objects.filter(settled_at__isnull=True)
    return sorted(open_ones.values_list("session_id", flat=True))


def test_what_waits_is_worked_through_by_the_keyboard(page: Page) -> None:
    for number in range(5):
        fails(number)
    page.goto(PAGE)
    listens(page)
    press(page, "?")
    expect(page.locator("dialog.desk-keys")).to_contain_text("put it away")
    press(page, "Escape", "j", "j", "k")
    expect(page.locator(".desk-chosen")).to_contain_text("Question 4")
    press(page, "e")
    expect(page.get_by_text("Put away.")).to_be_visible()
    listens(page)
    expect(page.locator(".desk-chosen")).to_contain_text("Question 3")  # the one in its place
    assert waiting() == ["s0", "s1", "s2", "s3"]
    press(page, "z")
    expect(page.get_by_text("It waits again.")).to_be_visible()
    listens(page)
    assert len(waiting()) == 5
    press(page, "k", "k", "d")
    expect(page.get_by_text("Put away.")).to_be_visible()
    listens(page)
    press(page, "k", "k", "o")
    expect(page.locator(".sx-head h2")).to_have_text("Conversation 3")
    listens(page)
    press(page, "j")
    expect(page.locator(".sx-head h2")).to_have_text("Conversation 2")
    listens(page)
    press(page, "e")
    expect(page.locator(".sx-head h2")).to_have_text("Conversation 1")
    listens(page)
    assert waiting() == ["s0", "s1", "s3"]
    # The page is scrolled to the answer; what was done stays in sight, and is taken back on its own page.
    expect(page.get_by_text("Put away.")).to_be_in_viewport()
    press(page, "z")
    expect(page.locator(".sx-head h2")).to_have_text("Conversation 2")
    listens(page)
    assert waiting() == ["s0", "s1", "s2", "s3"]
    press(page, "e")
    expect(page.locator(".sx-head h2")).to_have_text("Conversation 1")
    listens(page)
    press(page, "d")
    expect(page.locator(".sx-head h2")).to_have_text("Conversation 0")
    listens(page)
    assert waiting() == ["s0", "s3"]
    assert Session.objects.get(pk="s1").review_state == "done"
    press(page, "u")
    expect(page.locator(".inbox-row")).to_have_count(2)


def test_many_are_put_away_at_once_and_come_back(page: Page) -> None:
    for number in range(4):
        fails(number)
    page.goto(PAGE)
    listens(page)
    press(page, "j", "x", "j", "j", "x")
    page.get_by_role("button", name="Put the chosen away").click()
    expect(page.get_by_text("2 put away.")).to_be_visible()
    assert waiting() == ["s0", "s2"]
    page.get_by_role("link", name="Settled").click()
    expect(page.get_by_text("Put away by root").first).to_be_visible()
    page.get_by_label("All of these").check()
    page.get_by_role("button", name="Bring the chosen back").click()
    expect(page.get_by_text("2 wait again.")).to_be_visible()
    assert len(waiting()) == 4


def test_no_key_is_lost_while_the_server_is_slow(page: Page) -> None:
    for number in range(6):
        fails(number)
    asked: list[str] = []
    slow, third = [True], [True]

    def slowly(route: Route) -> None:
        asked.append(route.request.post_data or "")
        number = len(asked)
        while slow or (number == 3 and third):
            page.wait_for_timeout(50)
        if number == 2:
            route.fulfill(body="Some proxy in between is busy")
        else:
            route.continue_()

    page.route("**/inboxitem/many/", slowly)
    page.goto(PAGE)
    listens(page)
    rows = page.locator(".inbox-row:visible")
    press(page, "j", "e", "e", "e")
    expect(rows).to_have_count(3)
    slow.clear()
    expect(page.get_by_text("it stands here again")).to_be_attached()  # the second, which did not arrive
    expect(rows).to_have_count(4)
    third.clear()
    expect(page.locator("#inbox-done")).to_contain_text("Put away.")
    assert waiting() == ["s0", "s1", "s2", "s4"]
    press(page, "z")
    expect(page.get_by_text("It waits again.")).to_be_visible()
    expect(page.locator(".desk-chosen")).to_contain_text("Question 3")
    press(page, "x", "j", "x", "e")
    expect(page.get_by_text("2 put away.")).to_be_visible()
    expect(rows).to_have_count(3)
    assert waiting() == ["s0", "s1", "s4"]
    assert len(asked) == 5


@pytest.fixture
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer(word_delay_s=0.02) as server:
        yield server
    assert server.refusals == []


@pytest.fixture
def shop(transactional_db: None, gemini: GeminiServer, ledger: Ledger) -> Iterator[ServerProcess]:
    server = ServerProcess(
        DJANGO_SETTINGS_MODULE="tests.shop.settings",
        LLM_MODEL="gemini:gemini-3-flash",
        GEMINI_API_KEY=API_KEY,
        GOOGLE_GEMINI_BASE_URL=gemini.url,
        SHOP_LEDGER=str(ledger.path),
    ).start()
    yield server
    server.stop()
    server.close()


@pytest.fixture
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("shop") / "ledger")


async def ask(server: ServerProcess) -> None:
    """A user asks for what takes a person's yes, and goes."""
    async with realtime(server.ws_url, "/ws/session/bank") as client:
        await client.ask("Pay Ann what I owe her")


@pytest.mark.parametrize(("key", "lines"), [("y", ["paid 5 to Ann"]), ("n", [])])
def test_an_approval_is_decided_by_the_keyboard(
    browser: Browser, shop: ServerProcess, gemini: GeminiServer, ledger: Ledger, key: str, lines: list[str]
) -> None:
    gemini.then(calls(("pay", {"amount": 5, "to": "Ann"})))
    with ThreadPoolExecutor(1) as other, staff_page(browser, shop, "grace") as page:
        other.submit(asyncio.run, ask(shop)).result(60)
        page.goto(PAGE)
        listens(page)
        row = page.locator(".inbox-row")
        expect(row).to_contain_text("Pay Ann what I owe her")
        expect(row).to_contain_text("waits since")
        press(page, "j", key)
        name = "Approve" if key == "y" else "Refuse"
        expect(page.get_by_role("button", name=name)).to_be_focused()
        assert InboxItem.objects.get().settled_at is None
        press(page, "Enter")
        expect(page.get_by_text("Nothing waits")).to_be_visible()
        assert InboxItem.objects.get().settled_how == "log"
        for _ in range(600):  # the answer goes on with what was decided
            if len(gemini.requests) >= 2:
                break
            page.wait_for_timeout(100)
        assert len(gemini.requests) >= 2
        page.goto(f"{PAGE}?kind=settled")
        said = "Approved" if key == "y" else "Refused"
        expect(page.locator(".inbox-row")).to_contain_text(f"{said} by grace")
        page.locator(".inbox-open").click()
        expect(page.locator(".sx-tool").first).to_contain_text("grace")
    assert [line[:13] for line in ledger.lines()] == lines


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_it(page: Page, scheme: str) -> None:
    node_packages.install()
    axe = (node_packages.FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    fails(1)
    fails(2)
    write([user_says("x"), started(), ASKED, done()], "a1")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(PAGE)
    listens(page)
    press(page, "j", "j", "e")
    expect(page.get_by_text("Put away.")).to_be_visible()
    for path in ("", "?kind=settled"):
        if path:
            page.goto(f"{PAGE}{path}")
        for width in (1366, 390):
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_load_state("networkidle")
            page.evaluate(axe)
            report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            found = [
                f"{problem['id']}: {node['html'][:120]}"
                for problem in report["violations"]
                for node in problem["nodes"]
            ]
            assert (path, width, found) == (path, width, [])
            assert page.evaluate("document.documentElement.scrollWidth") <= width
