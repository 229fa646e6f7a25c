"""Staff beside a user who talks, in a real Chromium: the page that moves, a whisper, a takeover, an approval, a replay."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from sessions_app.log import events as ev
from sessions_app.log.rows import encode_rows
from sessions_app.models import Session, SessionEvent, SessionStatus
from tests.admin.live_pages import address_of, staff_page
from tests.admin.rows import NOON, call, done, message, result, started, turn, user_says, write_session
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
    chat.expect_connection("Ready")
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
        expect(page.locator("#live-state")).to_have_text(
            "Goes on \u00b7 The customer is here", timeout=WAIT_MS
        )
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
        expect(page.locator("#live-said")).to_have_text("The model reads it before its next answer.")
        chat.ask("Who am I?")
        expect(page.locator("#live-said")).to_have_text("", timeout=WAIT_MS)
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
        expect(page.locator("#live-said")).to_contain_text("It was handed back: the model answers again")
        expect(other.locator("#live-said")).to_have_text("The model answers again.")
        answer = chat.ask("Thanks")
        expect(answer.locator(".author")).to_be_hidden()
        assert "grace" not in chat.page.content()
        assert "friend" not in chat.page.locator(".message").all_inner_texts()


def test_the_enter_that_ends_a_composed_word_says_nothing(
    browser: Browser, server: ServerProcess, chat: ChatPage
) -> None:
    session_id = session_of(chat)
    with staff_page(browser, server, "grace") as page:
        page.goto(address_of(session_id))
        expect(page.locator("#live-state")).to_contain_text("Goes on", timeout=WAIT_MS)
        field = page.locator("#live-text")
        field.fill("にほん")
        field.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})  # as Safari tells of it
        page.wait_for_timeout(500)
        expect(field).to_have_value("にほん")
        expect(page.locator(".sx-whisper")).to_have_count(0)


def test_who_looks_on_sees_what_a_colleague_does_to_the_review(
    browser: Browser, server: ServerProcess, chat: ChatPage
) -> None:
    session_id = session_of(chat)
    rights = ("view_session", "review_session")
    with (
        staff_page(browser, server, "grace", rights) as page,
        staff_page(browser, server, "alan", rights) as other,
    ):
        for one in (page, other):
            one.goto(address_of(session_id))
        expect(other.locator("#live-staff")).to_have_text("Also looking: grace", timeout=WAIT_MS)
        other.get_by_label("Note").fill("I have begun to")
        page.get_by_label("Add a tag").fill("vip")
        page.keyboard.press("Enter")
        page.locator(".desk-states").get_by_role("button", name="Flagged").click()
        page.get_by_role("button", name="Assign to me").click()
        expect(other.locator(".desk-tags")).to_contain_text("vip", timeout=WAIT_MS)
        expect(other.locator(".desk-states [aria-current]")).to_have_text("Flagged", timeout=WAIT_MS)
        expect(other.get_by_label("Assignee").locator("option:checked")).to_have_text(
            "grace", timeout=WAIT_MS
        )
        expect(other.locator(".desk-history")).to_contain_text("grace assigned it to grace")
        expect(other.get_by_label("Note")).to_be_focused()
        expect(other.get_by_label("Note")).to_have_value("I have begun to")
        other.get_by_label("Note").fill("")


def test_a_customer_who_waits_for_a_person_is_seen(
    browser: Browser, server: ServerProcess, chat: ChatPage
) -> None:
    session_id = session_of(chat)
    rights = ("view_session", "operate_session", "review_session")
    with staff_page(browser, server, "grace", rights) as page, staff_page(browser, server, "alan") as other:
        page.goto(address_of(session_id))
        other.goto("/admin/sessions_app/session/")
        badge = page.locator("#inbox-count")
        expect(badge).to_have_text("0")
        page.keyboard.press("p")
        expect(page.locator("#live-state")).to_contain_text("You answer", timeout=WAIT_MS)
        expect(page.locator(".desk-history")).to_contain_text("grace took the conversation over")
        expect(page.locator(".desk-history")).to_contain_text("grace assigned it to grace")
        expect(page.locator("select[name=assignee] > :checked")).to_have_text("grace (you)")
        chat.say("Who is there?")
        expect(badge).to_have_text("1", timeout=WAIT_MS)
        expect(other.locator("#inbox-count")).to_have_text("0")
        other.reload()
        expect(other.locator(".cell-marks")).to_contain_text("Waits for grace")
        page.locator("#live-text").fill("A person.")
        page.keyboard.press("Enter")
        expect(badge).to_have_text("0", timeout=WAIT_MS)
        other.reload()
        expect(other.locator(".cell-marks")).not_to_contain_text("Waits for")
        chat.say("Thanks")
        expect(badge).to_have_text("1", timeout=WAIT_MS)
        page.keyboard.press("Escape")
        page.keyboard.press("h")
        expect(badge).to_have_text("0", timeout=WAIT_MS)
        expect(page.locator(".desk-history")).to_contain_text("grace handed the conversation back")


def test_who_acts_from_above_is_led_to_what_they_did(
    browser: Browser, server: ServerProcess, chat: ChatPage
) -> None:
    chat.ask("Count to 40")
    session_id = session_of(chat)
    with staff_page(browser, server, "grace", viewport={"width": 1366, "height": 500}) as page:
        page.goto(address_of(session_id))
        expect(page.locator("#live-state")).to_contain_text("Goes on", timeout=WAIT_MS)
        expect(page.locator(".sx-head-words .sx-line").first).to_have_text("4 messages", timeout=WAIT_MS)
        page.mouse.wheel(0, -5_000)
        page.wait_for_function(
            "() => scrollY === 0"
        )  # a bare expression is an eval at its second look: refused
        page.locator("body").press("h")  # nobody has taken over: there is nothing to hand back
        page.locator("body").press("p")
        expect(page.locator("#live-state")).to_contain_text("You answer", timeout=WAIT_MS)
        page.locator("#live-text").fill("A person.")
        page.keyboard.press("Control+Enter")
        expect(page.locator(".sx-answer").last).to_contain_text("A person.", timeout=WAIT_MS)
        expect(page.locator(".sx-answer").last).to_be_in_viewport()
        expect(page.locator(".sx-head-words .sx-line").first).to_have_text("5 messages", timeout=WAIT_MS)


def test_what_is_sent_while_an_act_is_under_way_comes_after_it(
    browser: Browser, server: ServerProcess, chat: ChatPage
) -> None:
    session_id = session_of(chat)
    with staff_page(browser, server, "grace") as page:
        page.goto(address_of(session_id))
        expect(page.locator("#live-state")).to_contain_text("Goes on", timeout=WAIT_MS)
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route(lambda url: url.endswith("/steer/"), hold, times=1)
        page.locator("body").press("p")
        while not held:
            page.wait_for_timeout(20)
        taken_over = held[0].fetch()
        expect(page.locator("#live-state")).to_contain_text("You answer", timeout=WAIT_MS)
        page.locator("#live-text").fill("I am a person.")
        page.locator("#live-text").press("Enter")
        page.locator("#live-text").press("Enter")
        expect(page.locator("#live-text")).to_have_value("I am a person.")
        held[0].fulfill(response=taken_over)
        expect(chat.answers.last).to_contain_text("I am a person.", timeout=WAIT_MS)
        expect(page.locator("#live-text")).to_have_value("")
        expect(page.locator(".sx-answer")).to_have_count(2)  # and the hello before


def test_a_whisper_never_goes_out_to_the_customer_by_enter(
    browser: Browser, server: ServerProcess, chat: ChatPage
) -> None:
    session_id = session_of(chat)
    with staff_page(browser, server, "grace") as page:
        page.goto(address_of(session_id))
        expect(page.locator("#live-state")).to_contain_text("Goes on", timeout=WAIT_MS)
        expect(page.locator("#live-to")).to_be_hidden()
        page.locator("#live-text").fill("They are angry.")
        page.get_by_role("button", name="Take over").click()
        expect(page.locator("#live-state")).to_contain_text("You answer", timeout=WAIT_MS)
        expect(page.get_by_label("Whisper: the model alone")).to_be_checked()  # as it was begun
        expect(page.get_by_role("button", name="Send as a person")).to_be_hidden()
        page.locator("#live-text").press("Enter")
        expect(page.locator(".sx-whisper .sx-bubble")).to_have_text("They are angry.", timeout=WAIT_MS)
        page.get_by_label("The customer", exact=True).check()
        expect(page.locator("#live-label")).to_have_text("The customer reads this, as written by a person")
        expect(page.get_by_role("button", name="Whisper to the model")).to_be_hidden()
        page.locator("#live-text").fill("I am a person.")
        page.locator("#live-text").press("Enter")
        expect(chat.answers.last).to_contain_text("I am a person.")
        expect(page.locator(".sx-whisper")).to_have_count(1)
        assert "angry" not in chat.page.content()


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


def test_a_call_that_waited_for_a_yes_is_played_once_and_says_what_became_of_it(
    browser: Browser, server: ServerProcess
) -> None:
    """It runs in a later answer than the one in which it was asked about."""

    def asks(number: int) -> ev.ToolApprovalRequested:
        return ev.ToolApprovalRequested(
            response_id="resp_1",
            item_id=f"item_q{number}",
            call_id=f"call_{number}",
            output_index=number,
            name=f"pay_{number}",
            arguments="{}",
        )

    def decides(number: int, *, approve: bool) -> ev.ToolApproval:
        return ev.ToolApproval(
            item_id=f"item_y{number}", approval_id=f"item_q{number}", approve=approve, by="grace"
        )

    events: list[ev.Event] = [
        user_says("Pay both"),
        started("resp_1"),
        asks(1),
        asks(2),
        done("resp_1"),
        decides(1, approve=True),
        decides(2, approve=False),
        started("resp_2"),
        call("call_1", "resp_2", name="pay_1"),
        result("call_1", name="pay_1", response_id="resp_2"),
        done("resp_2"),
    ]
    write_session(events, session_id="s1")
    with staff_page(browser, server, "grace") as page:
        page.goto("/admin/sessions_app/session/s1/replay/")
        calls = page.locator("#rp-stage .rp-call")
        marks = page.locator("#rp-stage .rp-call .sx-badge")
        expect(page.locator("#rp-stage .sx-user")).to_have_count(1)
        shown = []
        for _ in events:
            page.keyboard.press(".")
            if (told := marks.all_text_contents()) and told not in shown:
                shown.append(told)
        assert shown == [
            ["waits for a yes"],
            ["waits for a yes", "waits for a yes"],
            ["allowed by grace", "waits for a yes"],
            ["allowed by grace", "refused by grace"],
            ["runs", "refused by grace"],
            ["ok in 12 ms", "refused by grace"],
        ]
        expect(calls).to_have_count(2)
        expect(page.locator("#rp-marks .rp-tool")).to_have_count(1)


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


def test_a_replay_says_what_it_leaves_out_and_leads_to_its_place_and_back(
    browser: Browser, server: ServerProcess
) -> None:
    first = [user_says("One"), started(), message("**first** answer"), done()]
    second = [
        user_says("Two", "item_u2"),
        started("resp_2"),
        message("second", "resp_2", "item_b"),
        done("resp_2"),
    ]
    closed = [ev.ConnectionClosed(connection_id="c", close_code=1000) for _ in range(2)]
    write_session([*first, *second, *closed], session_id="s1", status=SessionStatus.ENDED)
    with staff_page(browser, server, "grace") as page:
        page.goto(address_of("s1"))
        page.locator("#seq-6").get_by_role("link", name="Replay from here").click()
        stage = page.locator("#rp-stage")
        expect(stage.locator(".sx-answer").first.locator("strong")).to_have_text("first")
        expect(stage.locator(".sx-answer")).to_have_count(2)
        expect(stage.get_by_text("second")).to_have_count(0)
        expect(page.locator("#rp-speed")).to_have_value("1")
        expect(page.locator("#rp-cuts")).to_have_text("")
        page.keyboard.press(".")
        expect(stage.get_by_text("second")).to_be_visible()
        page.keyboard.press(",")
        expect(stage.get_by_text("second")).to_have_count(0)
        page.locator("#rp-speed").select_option("4")
        expect(page).to_have_url(re.compile(r"speed=4"))
        page.reload()
        expect(page.locator("#rp-speed")).to_have_value("4")
        expect(stage.locator(".sx-answer")).to_have_count(2)
        stage.locator(".sx-answer").last.get_by_role("link", name="In the transcript").click()
        expect(page.locator("#seq-6.desk-hit")).to_be_in_viewport()


def test_the_replay_begins_with_the_answer_on_the_screen(browser: Browser, server: ServerProcess) -> None:
    turns = [event for number in range(20) for event in turn(number)]
    write_session(turns, session_id="s1", status=SessionStatus.ENDED)
    to_the_top = "one => one.scrollIntoView({block: 'start', behavior: 'instant'})"
    press = "link => link.click()"  # from where one is: a click would scroll to the link
    with staff_page(browser, server, "grace") as page:
        page.goto(address_of("s1"))
        answer = page.locator(".sx-talk > .sx-answer").nth(9)
        expect(page.locator("[data-help]").first).to_be_visible()
        answer.evaluate(to_the_top)
        seq = (answer.get_attribute("id") or "").removeprefix("seq-")
        page.locator("[data-replay]").evaluate(press)
        expect(page).to_have_url(re.compile(rf"replay/\?at={seq}$"))
        page.goto(address_of("s1"))
        expect(page.locator("[data-help]").first).to_be_visible()
        page.locator("[data-replay]").evaluate(press)
        expect(page).to_have_url(re.compile(r"replay/$"))


def test_long_pauses_are_cut_and_it_is_said(browser: Browser, server: ServerProcess) -> None:
    session = write_session([user_says("One"), started()], session_id="s1", status=SessionStatus.ENDED)
    later = ev.Record("s1", 3, NOON + timedelta(minutes=5, seconds=1), user_says("Two", "item_u2"))
    SessionEvent.objects.bulk_create(map(SessionEvent.of, encode_rows([later])))
    with staff_page(browser, server, "grace") as page:
        page.goto(f"/admin/sessions_app/session/{session.pk}/replay/")
        expect(page.locator("#rp-cuts")).to_have_text("One pause is cut: 4 min 57 s left out.")
        expect(page.locator("#rp-time")).to_contain_text("of 0:04")
        page.keyboard.press("End")
        expect(page.locator("#rp-stage .rp-gap")).to_have_text("5 min 0 s later")
        page.locator("#rp-short").uncheck()
        expect(page.locator("#rp-time")).to_contain_text("of 5:01")
        expect(page.locator("#rp-stage .rp-gap")).to_have_count(0)
        expect(page).to_have_url(re.compile(r"pauses=whole"))


def test_the_newest_summary_comes_in_place(browser: Browser, server: ServerProcess) -> None:
    ended = ev.SessionEnded(reason=ev.EndReason.LEFT)
    old = ev.SummaryWritten(title="Old", summary="Before.", model="demo")
    fields: dict[str, Any] = {
        "title": "Old",
        "summary": "Before.",
        "summary_state": "written",
        "summary_seq": len(turn(1)) + 1,
    }
    write_session([*turn(1), ended, old], session_id="s1", status=SessionStatus.ENDED, **fields)
    with staff_page(browser, server, "grace") as page:
        page.goto(address_of("s1"))
        page.locator(".sx-more > summary").click()
        page.get_by_role("button", name="Write again").click()
        expect(page.locator("#summary-said")).to_contain_text("Another summary is being written")
        newer = ev.SummaryWritten(title="New", summary="After *that*.", model="demo", author="grace")
        Session.objects.filter(pk="s1").update(title="New", summary=newer.summary, last_seq=len(turn(1)) + 3)
        record = ev.Record("s1", len(turn(1)) + 3, NOON, newer)
        SessionEvent.objects.bulk_create(map(SessionEvent.of, encode_rows([record])))
        expect(page.locator(".sx-head h2")).to_have_text("New", timeout=WAIT_MS)
        expect(page.locator("#summary-whole em")).to_have_text("that")
        expect(page.locator("#summary-whole")).to_contain_text("1 earlier version")
        expect(page.get_by_role("button", name="Write again")).to_be_visible()
