"""Staff beside a user who talks, in a real Chromium: the page that moves, a whisper, a takeover, an approval, a replay."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sessions_app.log import events as ev
from tests.admin.live_pages import address_of, staff_page
from tests.admin.rows import done, started, turn, user_says, write_session
from tests.page.chat_page import ChatPage
from tests.support.browser import Complaints, launched
from tests.support.server import ServerProcess

WAIT_MS = 30_000


@pytest.fixture(scope="module")
def browser(chromium: str, django_db_setup: None) -> Iterator[Browser]:
    with launched(chromium) as browser:
        yield browser


@pytest.fixture
def server(transactional_db: None) -> Iterator[ServerProcess]:
    server = ServerProcess(DEMO_DELAY_MS="20", SESSION_GRACE_SECONDS="60").start()
    yield server
    server.stop()
    server.close()


@pytest.fixture
def chat(browser: Browser, server: ServerProcess) -> Iterator[ChatPage]:
    """A guest who has said hello."""
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    complaints = Complaints(page)
    chat = ChatPage(page, complaints)
    chat.go("/")
    chat.expect_connection("Connected")
    chat.ask("Hello there")
    yield chat
    context.close()
    assert complaints.found == []


def session_of(chat: ChatPage) -> str:
    expect(chat.page).to_have_url(re.compile(r"/s/"))
    return chat.page.url.rsplit("/", 1)[-1]


def button(page: Page, name: str) -> object:
    return page.locator(".lv-acts").get_by_role("button", name=name)


def test_the_page_grows_and_is_never_loaded_anew(
    browser: Browser, server: ServerProcess, chat: ChatPage
) -> None:
    session_id = session_of(chat)
    with staff_page(browser, server, "grace") as page:
        loads: list[str] = []
        page.goto(address_of(session_id))
        page.on("load", lambda _: loads.append("load"))
        expect(page.locator("#live-state")).to_have_text("Goes on \u00b7 The user is here", timeout=WAIT_MS)
        chat.say("count to 40")
        expect(page.locator("#live-state")).to_contain_text("The model is answering", timeout=WAIT_MS)
        expect(page.locator("[data-stream]")).to_contain_text("5, 6", timeout=WAIT_MS)
        expect(page.locator("#live-state")).to_contain_text("Goes on", timeout=WAIT_MS)
        expect(page.locator("[data-stream]")).to_have_count(0)
        answer = page.locator(".sx-answer").last
        expect(answer).to_contain_text("39, 40")
        expect(answer.locator("footer")).to_contain_text("total")
        ids = page.locator(".sx-talk > [id]").evaluate_all("nodes => nodes.map((one) => one.id)")
        assert ids == sorted(set(ids), key=lambda one: int(one.removeprefix("seq-")))
        assert loads == []


def test_staff_whisper_take_over_answer_and_hand_back(
    browser: Browser, server: ServerProcess, chat: ChatPage
) -> None:
    session_id = session_of(chat)
    with staff_page(browser, server, "grace") as page, staff_page(browser, server, "alan") as other:
        for one in (page, other):
            one.goto(address_of(session_id))
        expect(page.locator("#live-staff")).to_have_text("Also looking: alan", timeout=WAIT_MS)
        page.locator("#live-text").fill("They are a <b>friend</b>.")
        page.keyboard.press("Enter")
        expect(other.locator(".sx-whisper .sx-bubble")).to_have_text(
            "They are a <b>friend</b>.", timeout=WAIT_MS
        )
        page.get_by_role("button", name="Take over").click()
        expect(page.locator("#live-state")).to_contain_text("You answer", timeout=WAIT_MS)
        expect(other.locator("#live-state")).to_contain_text("grace answers", timeout=WAIT_MS)
        expect(other.get_by_role("button", name="Take over")).to_be_hidden()
        expect(chat.page.locator(".message.stepped")).to_contain_text("A member of staff has joined")
        chat.say("Who is there?")
        expect(page.locator(".sx-user").last).to_contain_text("Who is there?", timeout=WAIT_MS)
        page.locator("#live-text").fill("A person.")
        page.keyboard.press("Enter")
        expect(chat.answers.last.locator(".author")).to_contain_text("A member of staff")
        expect(chat.answers.last).to_contain_text("A person.")
        expect(page.locator("#live-text")).to_have_value("")
        other.get_by_role("button", name="Hand back").click()
        expect(page.locator("#live-state")).to_contain_text("Goes on", timeout=WAIT_MS)
        answer = chat.ask("Thanks")
        expect(answer.locator(".author")).to_be_hidden()
        assert "grace" not in chat.page.content()
        assert "friend" not in chat.page.locator(".message").all_inner_texts()


def test_who_may_only_read_has_nothing_to_steer_with(
    browser: Browser, server: ServerProcess, chat: ChatPage
) -> None:
    session_id = session_of(chat)
    with staff_page(browser, server, "viewer", ("view_session",)) as page:
        page.goto(address_of(session_id))
        expect(page.locator("#live-state")).to_contain_text("Goes on", timeout=WAIT_MS)
        expect(page.locator(".lv-acts")).to_have_count(0)


def test_a_session_is_played_with_the_keyboard(browser: Browser, server: ServerProcess) -> None:
    pieces = [
        ev.AssistantDelta(
            response_id="resp_1", item_id="item_a", output_index=0, offset=4 * number, text=f"w{number:02} "
        )
        for number in range(10)
    ]
    whole = ev.AssistantMessage(
        response_id="resp_1", item_id="item_a", output_index=0, text="".join(one.text for one in pieces)
    )
    attack = "<img src=x onerror=alert(1)>"
    write_session([user_says(attack), started(), *pieces, whole, done()], session_id="s1")
    with staff_page(browser, server, "grace") as page:
        page.goto("/admin/sessions_app/session/s1/replay/")
        stage = page.locator("#rp-stage")
        expect(stage.locator(".sx-user .sx-bubble")).to_have_text(attack)
        page.keyboard.press("End")
        expect(stage.locator(".sx-answer .sx-bubble")).to_have_text(whole.text)
        page.keyboard.press("Home")
        expect(stage.locator(".sx-answer .sx-bubble")).to_have_count(0)
        page.locator("#rp-speed").select_option("16")
        stage.focus()
        page.keyboard.press("Space")
        expect(page.locator("#rp-play")).to_have_text("Play", timeout=WAIT_MS)
        expect(stage.locator(".sx-answer .sx-bubble")).to_have_text(whole.text)
        page.locator("#rp-place").fill("0")
        expect(stage.locator(".sx-answer .sx-bubble")).to_have_count(0)
        assert page.locator("table.rp-falls tbody tr").count() >= 3


def test_the_page_opens_at_the_end_of_the_transcript_or_at_what_was_searched_for(
    browser: Browser, server: ServerProcess
) -> None:
    turns = [event for number in range(30) for event in turn(number)]
    with staff_page(browser, server, "grace") as page:
        page.set_viewport_size({"width": 1000, "height": 600})  # the review stands below the transcript
        write_session(turns, session_id="s1")
        page.goto(address_of("s1"))
        expect(page.locator(".sx-answer").last.locator("footer")).to_be_in_viewport(timeout=WAIT_MS)
        page.goto(f"{address_of('s1')}?hit=1")
        expect(page.locator("#seq-1")).to_be_in_viewport(timeout=WAIT_MS)
