"""The connection: resume, delivery, close codes, and what the user is told. The server is in the test's hands."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from chat.wire.codes import CloseCode
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.scripted_server import Frame, ScriptedServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(open_page: OpenPage) -> ChatPage:
    return open_page()


@pytest.fixture
def server(page: ChatPage) -> ScriptedServer:
    return ScriptedServer(page.page)


def wait_until(page: ChatPage, happened: Callable[[], object], *, timeout_ms: int = 10_000) -> None:
    """Let the page live on until it happened."""
    for _ in range(timeout_ms // 20):
        if happened():
            return
        page.page.wait_for_timeout(20)
    raise AssertionError("it did not happen in time")


def said(page: ChatPage, server: ScriptedServer, text: str) -> tuple[Frame, Frame]:
    """Say it; the message and the wish for an answer, as the server got them."""
    messages, wishes = len(server.messages()), len(server.wishes())
    page.say(text)
    wait_until(page, lambda: len(server.messages()) > messages and len(server.wishes()) > wishes)
    return server.messages()[-1], server.wishes()[-1]


def test_the_tick_shows_only_what_is_committed(page: ChatPage, server: ScriptedServer) -> None:
    page.go("/")
    message, _ = said(page, server, "Hello")
    expect(page.messages.first).to_have_attribute("data-state", "pending")
    assert page.page.url.endswith("/")
    server.accept(message)
    expect(page.messages.first).to_have_attribute("data-state", "sent")
    expect(page.page).to_have_url(re.compile(server.path + "$"))


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013, 4408])
def test_a_dropped_socket_resumes_where_it_stopped(page: ChatPage, server: ScriptedServer, code: int) -> None:
    page.go("/")
    message, wish = said(page, server, "Hello")
    server.accept(message)
    server.begin(wish)
    server.write("The answer ")
    expect(page.answers.first).to_contain_text("The answer")
    seen = len(server.records)
    if code == CloseCode.OVERLOADED:
        server.overlap = 4  # what was seen is said again: it must not be shown twice
    server.drop(code if code != 1006 else 3006)  # a close frame cannot say 1006; an unknown code is as good
    page.expect_connection("Reconnecting…")
    server.write("is whole", offset=11)
    server.finish("The answer is whole")
    wait_until(page, lambda: len(server.cursors) == 2)
    assert server.cursors[1] == f"event_scripted_{seen}"
    page.expect_connection("Reconnected, caught up")
    expect(page.answers.first.locator(".prose")).to_have_text("The answer is whole")
    expect(page.messages).to_have_count(1)
    assert len(server.messages()) == len(server.wishes()) == 1


def test_a_cut_within_a_record_is_told_to_the_frame(page: ChatPage, server: ScriptedServer) -> None:
    page.go(server.path)
    wait_until(page, lambda: server.sockets)
    assert server.cursors == [""], "it begins with what is seen first"
    part = {"type": "response.created", "event_id": "event_scripted_1.1"}
    server.send({**part, "response": {"id": "resp_1", "status": "in_progress", "conversation_id": "conv"}})
    expect(page.answers).to_have_count(1)
    server.drop()
    wait_until(page, lambda: len(server.cursors) == 2)
    assert server.cursors[1] == "event_scripted_1.1"


def test_what_was_not_taken_is_sent_again_under_its_id(page: ChatPage, server: ScriptedServer) -> None:
    page.go("/")
    message, _ = said(page, server, "Hello")
    server.send({"type": "conversation.item.added", "event_id": "evt_1", "item": message["item"]})
    server.drop()
    wait_until(page, lambda: len(server.wishes()) == 2)
    first, again = server.messages()
    assert first == again
    assert server.wishes()[0] == server.wishes()[1]
    server.accept(again)
    server.begin(server.wishes()[1])
    expect(page.messages.first).to_have_attribute("data-state", "sent")
    server.drop()
    wait_until(page, lambda: len(server.cursors) == 3)
    page.expect_connection("Reconnected, caught up")
    page.expect_connection("Connected")
    assert len(server.messages()) == 2, "what was taken is not sent again"


def test_what_the_replay_shows_as_taken_is_not_sent_again(page: ChatPage, server: ScriptedServer) -> None:
    page.go("/")
    message, wish = said(page, server, "Hello")
    server.drop()
    server.accept(message)  # committed, but the page was gone before it heard of it
    server.begin(wish)
    expect(page.messages.first).to_have_attribute("data-state", "sent")
    page.expect_connection("Reconnected, caught up")
    assert len(server.messages()) == len(server.wishes()) == 1


def test_what_is_written_without_a_connection_goes_out_with_it(
    page: ChatPage, server: ScriptedServer
) -> None:
    server.refuse_with = 1013
    page.go("/")
    page.expect_connection("Ready")
    page.say("Are you there?")
    page.expect_connection("Reconnecting…")
    expect(page.messages.first).to_have_attribute("data-state", "pending")
    server.refuse_with = None
    wait_until(page, server.wishes)
    assert server.messages()[0]["item"]["content"] == [{"type": "input_text", "text": "Are you there?"}]


def test_a_reload_keeps_what_was_not_taken_and_the_draft(page: ChatPage, server: ScriptedServer) -> None:
    page.go(server.path)
    message, wish = said(page, server, "Hello")
    page.input.fill("Half a thou")
    page.page.reload()
    expect(page.messages.first).to_have_text(re.compile("Hello"))
    expect(page.input).to_have_value("Half a thou")
    wait_until(page, lambda: len(server.wishes()) == 2)
    assert server.messages() == [message, message]
    assert server.wishes() == [wish, wish]


def test_who_only_looks_makes_no_session_and_the_first_word_is_sent_once(
    page: ChatPage, server: ScriptedServer
) -> None:
    page.go("/")
    page.expect_connection("Ready")
    page.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    page.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.page.wait_for_timeout(500)
    assert server.sockets == []
    message, _ = said(page, server, "Hello")
    server.accept(message)
    expect(page.messages.first).to_have_attribute("data-state", "sent")
    page.expect_connection("Connected")
    assert len(server.sockets) == len(server.messages()) == len(server.wishes()) == 1


def test_offline_is_told_before_the_first_word_and_makes_no_session(
    page: ChatPage, server: ScriptedServer
) -> None:
    page.go("/")
    page.expect_connection("Ready")
    page.page.evaluate(
        """() => {
          Object.defineProperty(navigator, 'onLine', { value: false, configurable: true });
          window.dispatchEvent(new Event('offline'));
        }"""
    )
    page.expect_connection("You are offline")
    page.page.evaluate("() => { delete navigator.onLine; window.dispatchEvent(new Event('online')); }")
    page.expect_connection("Ready")
    assert server.sockets == []


def test_a_first_word_that_found_no_server_is_there_after_a_reload(
    page: ChatPage, server: ScriptedServer
) -> None:
    server.refuse_with = 1013
    page.go("/")
    page.say("Are you there?")
    page.expect_connection("Reconnecting…")
    page.page.reload()
    expect(page.messages.first).to_contain_text("Are you there?")
    server.refuse_with = None
    wait_until(page, server.wishes)
    assert len(server.messages()) == 1
    server.accept(server.messages()[0])
    expect(page.page).to_have_url(re.compile(server.path + "$"))
    page.page.locator(".new-chat").click()
    expect(page.messages).to_have_count(0)
    page.expect_connection("Ready")


def test_a_first_word_that_found_no_server_is_not_said_in_another_conversation(
    page: ChatPage, server: ScriptedServer
) -> None:
    server.refuse_with = 1013
    page.go("/")
    page.say("Are you there?")
    page.expect_connection("Reconnecting…")
    page.page.locator(".new-chat").click()
    expect(page.messages).to_have_count(0)
    page.expect_connection("Ready")


def test_a_first_word_that_is_not_taken_yet_is_there_after_a_reload(
    page: ChatPage, server: ScriptedServer
) -> None:
    page.go("/")
    message, wish = said(page, server, "Are you there?")
    page.page.reload()
    expect(page.messages.first).to_contain_text("Are you there?")
    wait_until(page, lambda: len(server.wishes()) == 2)
    assert (server.messages(), server.wishes()) == ([message, message], [wish, wish])
    assert "session_id=scripted" in server.sockets[1].url, "the server may have it already"
    server.accept(message)
    expect(page.page).to_have_url(re.compile(server.path + "$"))
    page.page.locator(".new-chat").click()
    expect(page.messages).to_have_count(0)
    page.expect_connection("Ready")
    page.page.reload()
    page.expect_connection("Ready")
    expect(page.messages).to_have_count(0)


def test_a_first_word_whose_session_is_gone_after_a_reload_is_said_in_another(
    page: ChatPage, server: ScriptedServer
) -> None:
    page.go("/")
    said(page, server, "Are you there?")
    server.has_lost_sessions = True
    page.page.reload()
    wait_until(page, lambda: len(server.wishes()) == 2)
    server.accept(server.messages()[1])
    expect(page.messages.first).to_have_attribute("data-state", "sent")


def test_what_is_written_before_the_scripts_are_here_stays(page: ChatPage) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.page.route("**/page/*.js", hold)
    page.page.goto("/", wait_until="commit")
    page.input.fill("Half a thou")
    wait_until(page, lambda: held)
    held[0].continue_()
    page.expect_connection("Ready")
    expect(page.input).to_have_value("Half a thou")
    page.page.unroute_all()
    page.page.reload()
    expect(page.input).to_have_value("Half a thou")


def test_the_browser_back_online_reconnects_at_once(page: ChatPage, server: ScriptedServer) -> None:
    page.go(server.path)
    page.expect_connection("Connected")
    server.refuse_with = 4429
    server.drop(4429)
    page.expect_connection("Too many connections, waiting…")
    page.page.wait_for_timeout(1_000)
    assert len(server.sockets) == 1, "4429 asks for patience"
    server.refuse_with = None
    page.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    page.expect_connection("Reconnected, caught up")


def test_a_user_who_comes_back_to_the_page_does_not_wait(page: ChatPage, server: ScriptedServer) -> None:
    page.go(server.path)
    page.expect_connection("Connected")
    page.page.evaluate("() => Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    server.drop(CloseCode.TOO_SLOW_OR_SILENT)
    page.expect_connection("Reconnecting…")
    page.page.wait_for_timeout(1_200)
    assert len(server.sockets) == 1, "nobody looks, and the server wants no silent sockets"
    page.page.evaluate(
        "() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.expect_connection("Reconnected, caught up")


def test_a_browser_that_says_it_is_offline_is_believed(page: ChatPage, server: ScriptedServer) -> None:
    page.go(server.path)
    page.expect_connection("Connected")
    page.page.evaluate(
        "() => Object.defineProperty(navigator, 'onLine', { value: false, configurable: true })"
    )
    server.drop(1006 + 2000)
    page.expect_connection("You are offline")
    page.say("Later, then")
    expect(page.messages.first).to_have_attribute("data-state", "pending")
    page.page.evaluate("() => { delete navigator.onLine; window.dispatchEvent(new Event('online')); }")
    wait_until(page, server.wishes)
    page.expect_connection("Reconnected, caught up")


@pytest.mark.parametrize(
    ("code", "words", "link"),
    [
        (CloseCode.PROTOCOL_ERROR, "cannot be opened here", "New chat"),
        (CloseCode.CREDENTIALS, "Please sign in to go on", "Sign in"),
        (CloseCode.ORIGIN_REFUSED, "may not open the chat", None),
        (CloseCode.SESSION_NOT_FOUND, "no such session", "New chat"),
    ],
)
def test_a_refusal_stops_and_says_what_to_do(
    page: ChatPage, server: ScriptedServer, code: CloseCode, words: str, link: str | None
) -> None:
    server.refuse_with = code
    server.refuse_error = {"type": "invalid_request_error", "code": "x", "message": "The server said why."}
    page.go(server.path)
    page.expect_connection("Not connected")
    banner = page.page.locator("#banner")
    expect(banner).to_contain_text(words)
    expect(banner).not_to_contain_text("The server said why")
    expect(page.input).to_be_disabled()
    page.page.wait_for_timeout(1_500)
    assert len(server.sockets) == 1, "it does not try again by itself"
    expect(page.page.locator(".toast")).to_have_count(0)
    if link:
        expect(banner.get_by_role("link", name=link)).to_be_visible()
    else:
        expect(banner.get_by_role("link")).to_have_count(0)


def test_a_new_session_that_got_lost_before_a_word_was_kept_is_replaced(
    page: ChatPage, server: ScriptedServer
) -> None:
    page.go("/")
    first, _ = said(page, server, "Hello")
    server.has_lost_sessions = True
    server.session_id = "another"
    server.drop()
    wait_until(page, lambda: len(server.sockets) == 3)
    page.expect_connection("Reconnected, caught up")
    assert server.cursors == ["", "event_scripted_0", ""]
    wait_until(page, lambda: len(server.messages()) == 2)
    message = server.messages()[1]
    assert message == first
    server.accept(message)
    expect(page.page).to_have_url(re.compile("/s/another$"))


def test_a_session_that_ended_goes_on_with_the_next_word(page: ChatPage, server: ScriptedServer) -> None:
    page.go(server.path)
    page.expect_connection("Connected")
    server.drop(1000)
    page.expect_connection("Session ended")
    expect(page.page.locator("#banner")).to_contain_text("Write again to go on")
    said(page, server, "Still there?")
    assert len(server.sockets) == 2


def test_a_message_that_is_refused_says_why_and_can_be_sent_again(
    page: ChatPage, server: ScriptedServer
) -> None:
    page.go(server.path)
    message, _ = said(page, server, "Hello")
    server.refuse(message, code="storage_unavailable", message="The store is full.", retryable=True)
    expect(page.messages.first).to_have_attribute("data-state", "refused")
    expect(page.messages.first.locator(".ending")).to_contain_text(
        "The chat cannot keep anything at the moment. Please try again in a moment."
    )
    page.messages.first.get_by_role("button", name="Send again").click()
    wait_until(page, lambda: len(server.messages()) == 2)
    assert server.messages()[1] == message, "the same message, once more"
    server.accept(message)
    expect(page.messages.first).to_have_attribute("data-state", "sent")
    expect(page.messages.first.locator(".ending")).to_be_hidden()


def test_a_frame_that_is_too_large_is_given_back_not_sent_for_ever(
    page: ChatPage, server: ScriptedServer
) -> None:
    page.go(server.path)
    said(page, server, "Hello")
    server.drop(1009)
    expect(page.messages.first).to_have_attribute("data-state", "refused")
    wait_until(page, lambda: len(server.sockets) == 2)
    page.expect_connection("Reconnected, caught up")
    assert len(server.messages()) == 1


def test_a_failed_answer_says_why_and_is_tried_again_once(page: ChatPage, server: ScriptedServer) -> None:
    page.go(server.path)
    message, wish = said(page, server, "Hello")
    server.accept(message)
    server.begin(wish)
    server.write("Let me s")
    server.finish("Let me s", status="failed", reason="model_unreachable")
    ending = page.answers.first.locator(".ending")
    expect(ending).to_contain_text("The answer did not come through. Please try again.")
    expect(page.answers.first.locator(".prose")).to_have_text("Let me s")
    ending.get_by_role("button", name="Try again").dblclick()
    wait_until(page, lambda: len(server.wishes()) == 2)
    server.begin(server.wishes()[1], "resp_2")
    server.finish("Better now", response_id="resp_2", item_id="item_b")
    expect(page.answers.nth(1)).to_contain_text("Better now")
    expect(page.answers.first.get_by_role("button", name="Try again")).to_have_count(0)
    assert len(server.wishes()) == 2, "a double click asks once"


def test_an_error_that_belongs_to_nothing_is_a_passing_word(page: ChatPage, server: ScriptedServer) -> None:
    page.go(server.path)
    page.expect_connection("Connected")
    error = {"type": "server_error", "code": "storage_unavailable", "message": "The database is away."}
    server.send({"type": "error", "event_id": "evt_1", "error": {**error, "x_retryable": True}})
    toast = page.page.locator(".toast")
    expect(toast).to_contain_text("The chat cannot keep anything at the moment.")
    expect(toast).not_to_contain_text("database")
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)


@pytest.mark.parametrize("by", ["focus", "hover"])
def test_a_passing_word_does_not_pass_under_the_hand_of_who_uses_it(page: ChatPage, by: str) -> None:
    page.page.clock.install()
    page.go("/login/")
    show = """({ Toasts }) => {
      const root = document.querySelector("main").appendChild(document.createElement("div"));
      new Toasts(root).show("It did not work.", { retry: () => {} });
    }"""
    page.module("toasts", show)
    again = page.page.get_by_role("button", name="Try again")
    getattr(again, by)()
    page.page.clock.run_for(30_000)
    expect(again).to_be_visible()
    again.evaluate("(button) => button.blur()")
    page.page.mouse.move(0, 0)
    page.page.clock.run_for(2_000)
    expect(page.page.locator(".toast")).to_have_count(0)


def test_a_message_without_an_answer_can_be_asked_again(page: ChatPage, server: ScriptedServer) -> None:
    page.go("/")
    message, _ = said(page, server, "Hello")
    server.accept(message)
    expect(page.page).to_have_url(re.compile(server.path + "$"))
    page.page.evaluate("() => sessionStorage.clear()")  # as when the tab that asked was closed
    page.page.reload()
    again = page.page.get_by_role("button", name="Ask again")
    expect(again).to_be_visible()
    again.click()
    wait_until(page, lambda: len(server.wishes()) == 2)
    server.begin(server.wishes()[1])
    expect(again).to_be_hidden()


def test_what_the_server_lost_disappears_from_the_page(page: ChatPage, server: ScriptedServer) -> None:
    page.go(server.path)
    message, wish = said(page, server, "Hello")
    server.accept(message)
    server.begin(wish)
    server.write("Kept. ")
    kept = len(server.records)
    server.write("Lost.", offset=6)
    expect(page.answers.first).to_contain_text("Kept. Lost.")
    del server.records[kept:]
    server.truncated_to = kept
    server.drop()
    expect(page.answers.first.locator(".prose")).to_have_text("Kept.")
    page.expect_connection("Reconnected, caught up")
    server.write("New.", offset=6)
    expect(page.answers.first.locator(".prose")).to_have_text("Kept. New.")


def test_the_wait_between_attempts_grows_and_is_random(page: ChatPage) -> None:
    page.go("/login/")
    script = """({ backoffMs }) => [0, 0.999].map((luck) =>
      [[0], [3], [40], [0, 4429], [40, 4429], [0, 1013]].map(([n, code]) => Math.round(backoffMs(n, code, () => luck))))"""
    least, most = page.module("realtime/backoff", script)
    assert least == [250, 2_000, 7_500, 5_000, 30_000, 1_000]
    assert most == pytest.approx([500, 4_000, 15_000, 10_000, 60_000, 2_000], rel=0.01)


def test_what_is_said_of_one_conversation_is_not_said_of_the_next(
    page: ChatPage, server: ScriptedServer
) -> None:
    page.go(server.path)
    message, wish = said(page, server, "Hello")
    server.accept(message)
    server.refuse(wish, code="rate_limited", message="slow down", retryable=True)
    expect(page.page.locator("#toasts").get_by_role("button", name="Try again")).to_be_visible()
    server.drop()
    page.expect_connection("Reconnected, caught up")
    page.page.locator(".new-chat").click()
    page.expect_connection("Ready")
    expect(page.page.locator(".toast")).to_have_count(0)
    page.page.wait_for_timeout(4_500)
    page.expect_connection("Ready")
