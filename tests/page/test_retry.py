"""An answer that failed or broke off is kept, says why, and can be tried again."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from sessions_app.log import events as ev
from tests.fakes.gemini_script import Chunk, Drop, reply, say, text
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.scripted_server import Frame, ScriptedServer
from tests.page.test_connection import wait_until
from tests.support.server import ServerProcess

pytestmark = pytest.mark.django_db

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def scripted(open_page: OpenPage) -> tuple[ChatPage, ScriptedServer]:
    chat = open_page()
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    return chat, server


@pytest.fixture
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server


def wish(chat: ChatPage, server: ScriptedServer, count: int) -> Frame:
    """The ``count``-th wish for an answer."""
    wait_until(chat, lambda: len(server.wishes()) >= count)
    return server.wishes()[count - 1]


def asked(chat: ChatPage, server: ScriptedServer) -> None:
    chat.say("Hello")
    first = wish(chat, server, 1)
    server.accept(server.messages()[0])
    server.begin(first)


def test_a_failed_answer_is_kept_and_tried_again_under_its_own_name(
    scripted: tuple[ChatPage, ScriptedServer],
) -> None:
    chat, server = scripted
    asked(chat, server)
    server.write("Half an ans")
    server.finish("Half an ans", status="failed", reason="model_overloaded")
    first, ending = chat.answers.first, chat.answers.first.locator(".ending")
    chat.expect_ended(first, "failed")
    expect(ending).to_contain_text(
        "The answer failed. Very many people are asking at the moment. Please try again in a moment."
    )
    ending.get_by_role("button", name="Try again").click()
    second = wish(chat, server, 2)
    assert second["response"] == {"x_retry_of": "resp_1"}
    server.begin(second, "resp_2")
    server.finish("A whole answer", response_id="resp_2", item_id="item_b")
    chat.expect_ended(chat.answers.nth(1))
    expect(first).to_contain_text("Half an ans")
    expect(first).to_have_attribute("data-retried", "")
    expect(ending).to_contain_text("It was tried again below.")
    expect(ending.get_by_role("button")).to_have_count(0)
    expect(chat.messages).to_have_count(1)


def test_an_incomplete_answer_and_a_second_failure(scripted: tuple[ChatPage, ScriptedServer]) -> None:
    """Each try names the one before it."""
    chat, server = scripted
    asked(chat, server)
    server.finish("Half", status="incomplete", reason="interrupted")
    chat.answers.first.get_by_role("button", name="Try again").click()
    server.begin(wish(chat, server, 2), "resp_2")
    server.finish("", response_id="resp_2", status="failed", reason="model_timeout")
    chat.answers.nth(1).get_by_role("button", name="Try again").click()
    assert wish(chat, server, 3)["response"] == {"x_retry_of": "resp_2"}


@pytest.mark.parametrize("staff", [True, False])
def test_the_vendors_hint_is_told_and_the_models_that_failed_to_staff_alone(
    scripted: tuple[ChatPage, ScriptedServer], sign_in_staff: Callable[[ChatPage], None], staff: bool
) -> None:
    chat, server = scripted
    if staff:
        sign_in_staff(chat)
        chat.go(server.path)
    asked(chat, server)
    server.log(ev.ModelAttemptFailed(response_id="resp_1", model="gemini:one", code="model_overloaded"))
    server.finish("", status="failed", reason="model_quota_exceeded", retry_after_s=41.0, model="openai:two")
    expect(chat.answers.first.locator(".ending")).to_contain_text(
        "Very many people are asking at the moment. Please try again in a moment. A new try makes sense in 41 seconds."
    )
    details = chat.answers.first.locator(".details")
    if staff:
        expect(details).to_contain_text("openai:two · after gemini:one failed")
    else:
        expect(details).to_have_text("")
        assert "openai:two" not in chat.page.locator("body").inner_text()


def test_a_wish_that_is_lost_is_sent_again_and_once(scripted: tuple[ChatPage, ScriptedServer]) -> None:
    chat, server = scripted
    asked(chat, server)
    server.finish("", status="failed", reason="model_timeout")
    button = chat.answers.first.get_by_role("button", name="Try again")
    button.click()
    button.click()
    first = wish(chat, server, 2)
    server.drop()
    again = wish(chat, server, 3)
    assert again == first
    assert len(server.wishes()) == 3


def test_a_real_server_answers_the_second_try_without_the_first(
    gemini: GeminiServer, start_server: StartServer, open_page: OpenPage
) -> None:
    server = start_server(
        LLM_MODEL="gemini:gemini-3.8-flash", GEMINI_API_KEY=API_KEY, GOOGLE_GEMINI_BASE_URL=gemini.url
    )
    gemini.then(reply(Chunk((text("Half an ans"),)), Drop()), say("A whole answer"))
    chat = open_page(server=server)
    chat.go("/")
    chat.say("Hello")
    chat.expect_ended(chat.answers.first, "failed")
    expect(chat.answers.first).to_contain_text("Half an ans")
    chat.answers.first.get_by_role("button", name="Try again").click()
    chat.expect_ended(chat.answers.nth(1))
    expect(chat.answers.nth(1)).to_contain_text("A whole answer")
    assert "Half an ans" not in str(gemini.requests[-1]["contents"])
    chat.page.reload()
    expect(chat.answers.first).to_have_attribute("data-retried", "")
    expect(chat.answers).to_have_count(2)


def test_where_asking_again_cannot_help_a_new_chat_is_offered(
    scripted: tuple[ChatPage, ScriptedServer],
) -> None:
    chat, server = scripted
    asked(chat, server)
    server.finish("Half", status="failed", reason="budget_exceeded")
    ending = chat.answers.first.locator(".ending")
    expect(ending).to_contain_text("Please start a new one")
    expect(ending.get_by_role("link", name="New chat")).to_have_attribute("href", "/")
    expect(ending.get_by_role("button")).to_have_count(0)


def test_a_refused_wish_for_an_answer_that_no_new_one_helps(
    scripted: tuple[ChatPage, ScriptedServer],
) -> None:
    chat, server = scripted
    chat.say("Hello")
    refused = wish(chat, server, 1)
    server.accept(server.messages()[0])
    server.refuse(refused, code="budget_exceeded", message="not for people")
    unanswered = chat.page.locator("#unanswered")
    expect(unanswered.get_by_role("link", name="New chat")).to_be_visible()
    expect(unanswered.get_by_role("button", name="Ask again")).to_be_hidden()
