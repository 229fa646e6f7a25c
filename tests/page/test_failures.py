"""What a user sees when the model, or the server, goes away. Real servers; each ends badly."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from sessions_app.models import SessionEvent
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.support.server import ServerProcess

pytestmark = pytest.mark.django_db

StartServer = Callable[..., ServerProcess]


def test_a_model_that_cannot_be_reached_is_said_and_can_be_tried_again(
    start_server: StartServer, open_page: OpenPage, sign_in_staff: Callable[[ChatPage], None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    server = start_server(
        LLM_MODEL="gemini:gemini-3.8-flash", GEMINI_API_KEY="not-a-real-key", GOOGLE_GEMINI_BASE_URL=nobody
    )
    chat = open_page(server=server)
    sign_in_staff(chat)
    chat.go("/")
    chat.expect_connection("Ready")
    expect(chat.page.locator(".chip[data-model]")).to_have_text("gemini:gemini-3.8-flash")
    expect(chat.page.locator("#notice")).to_be_hidden()
    chat.say("Hello")
    chat.expect_ended(chat.answers.first, "failed")
    expect(chat.messages.first).to_have_attribute("data-state", "sent")
    ending = chat.answers.first.locator(".ending")
    expect(ending).to_contain_text("The answer failed.")
    assert "not-a-real-key" not in chat.page.content()
    ending.get_by_role("button", name="Try again").click()
    chat.expect_ended(chat.answers.nth(1), "failed")
    expect(chat.messages).to_have_count(1)


def test_a_server_killed_in_mid_answer_is_waited_for_and_the_answer_settled(
    start_server: StartServer, open_page: OpenPage, in_database: Callable[[Callable[[], Any]], Any]
) -> None:
    server = start_server(DEMO_DELAY_MS="20", SESSION_LEASE_SECONDS="1")
    chat = open_page(server=server)
    chat.go("/")
    chat.expect_connection("Ready")
    chat.say("Count to 300")
    chat.expect_streaming("20")
    session_id = chat.page.url.rsplit("/", 1)[-1]
    stored = SessionEvent.objects.filter(
        session_id=session_id, event_type="assistant_delta", content__contains="5"
    )
    chat.until(lambda: in_database(stored.exists))  # what is shown may not be: the commit comes after it
    server.kill()
    chat.expect_connection("Reconnecting…")
    chat.say("Are you back?")
    expect(chat.messages.nth(1)).to_have_attribute("data-state", "pending")
    server.start()
    expect(chat.messages.nth(1)).to_have_attribute("data-state", "sent", timeout=30_000)
    chat.expect_ended(chat.answers.first, "incomplete")
    expect(chat.answers.first).to_contain_text("1, 2, 3, 4, 5")
    expect(chat.answers.first).to_contain_text("The server restarted: your answer is written again below.")
    chat.expect_ended(chat.answers.nth(1))
    expect(chat.answers.nth(1)).to_contain_text("299, 300")
    chat.expect_ended(chat.answers.nth(2))
    refused = [found for found in chat.complaints.found if "ERR_CONNECTION" in found]
    assert chat.complaints.found == refused, "the browser itself reports what was refused"
    chat.complaints.found.clear()
