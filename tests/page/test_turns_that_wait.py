"""Answers that wait for their turn, and tool calls that wait for a yes, on the page."""

import json
import re

import pytest
from playwright.sync_api import expect

from sessions_app.log import events as ev
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.scripted_server import Frame, ScriptedServer
from tests.page.test_connection import wait_until

pytestmark = pytest.mark.django_db

ASKED = ev.ToolApprovalRequested(
    response_id="resp_1",
    item_id="apr_1",
    call_id="call_1",
    output_index=0,
    name="send_money",
    arguments=json.dumps({"amount": 5, "to": "<b>Ann</b>"}),
)


@pytest.fixture
def scripted(open_page: OpenPage) -> tuple[ChatPage, ScriptedServer]:
    chat = open_page()
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    return chat, server


def said(chat: ChatPage, server: ScriptedServer, text: str, count: int) -> Frame:
    """The user's ``count``-th message is stored; the wish for its answer."""
    chat.say(text)
    wait_until(chat, lambda: len(server.wishes()) >= count)
    server.accept(server.messages()[-1])
    return server.wishes()[count - 1]


def queue(server: ScriptedServer, wish: Frame, response_id: str, position: int) -> None:
    item_ids = [server.messages()[position]["item"]["id"]]
    server.log(
        ev.ResponseQueued(
            response_id=response_id, position=position, item_ids=item_ids, client_event_id=wish["event_id"]
        )
    )


def cancels(server: ScriptedServer) -> list[str]:
    return [frame["response_id"] for frame in server.received if frame["type"] == "response.cancel"]


def test_an_answer_that_waits_says_so_and_then_runs_where_it_stands(
    scripted: tuple[ChatPage, ScriptedServer],
) -> None:
    chat, server = scripted
    server.begin(said(chat, server, "One", 1))
    server.write("First ans")
    second = said(chat, server, "Two", 2)
    queue(server, second, "resp_2", 1)
    third = said(chat, server, "Three", 3)
    queue(server, third, "resp_3", 2)
    expect(chat.answers.nth(1)).to_contain_text("Waits for the answer before it")
    expect(chat.answers.nth(2)).to_contain_text("Waits for its turn, place 2")
    expect(chat.stop_button).to_be_visible()
    server.finish("First answer")
    server.begin(second, "resp_2")
    server.write("Second", response_id="resp_2", item_id="item_b")
    expect(chat.answers.nth(1)).to_contain_text("Second")
    expect(chat.answers.nth(1).locator(".waiting")).to_be_hidden()
    order = chat.page.locator("#transcript > article").evaluate_all(
        "nodes => nodes.map((node) => node.className.split(' ')[0])"
    )
    assert order == ["message", "answer"] * 3


def test_what_waits_stands_below_its_question_however_fast_they_were_written(
    scripted: tuple[ChatPage, ScriptedServer],
) -> None:
    """The server has the wish for the first one's answer before it has the second one."""
    chat, server = scripted
    server.begin(said(chat, server, "One", 1))
    chat.say("Two")
    chat.say("Three")
    wait_until(chat, lambda: len(server.wishes()) == 3)
    for number in (1, 2):
        server.accept(server.messages()[number])
        queue(server, server.wishes()[number], f"resp_{number + 1}", number)
    expect(chat.answers.nth(2)).to_contain_text("Waits for its turn, place 2")
    shown = chat.page.locator("#transcript > article")
    for _ in range(2):
        expect(shown).to_contain_text(["One", "", "Two", "Waits for the answer", "Three", "place 2"])
        chat.page.reload()
        chat.expect_connection("Connected")


def test_an_answer_that_pauses_shows_that_it_goes_on(scripted: tuple[ChatPage, ScriptedServer]) -> None:
    chat, server = scripted
    server.begin(said(chat, server, "One", 1))
    typing = chat.answers.first.locator(".typing")
    expect(typing).to_be_visible()
    server.write("First")
    expect(typing).to_be_hidden()
    expect(typing).to_be_visible()
    server.write(" answer", offset=5)
    expect(typing).to_be_hidden()
    server.finish("First answer")
    chat.expect_ended(chat.answers.first)
    expect(typing).to_be_hidden()


def test_a_message_that_waits_for_its_answer_is_taken_back_whole(chat: ChatPage, open_page: OpenPage) -> None:
    """Out of the conversation, here and in every tab, and into the message box."""
    chat.say("Count to 3000")
    chat.expect_streaming("40, 41")
    chat.say("A secret word")
    chat.say("What did I say last?")
    expect(chat.answers.nth(2)).to_contain_text("Waits for its turn, place 2")
    chat.input.fill("A draft")
    chat.answers.nth(1).get_by_role("button", name="Take back").click()
    expect(chat.messages).to_have_text([re.compile("Count to 3000"), re.compile("What did I say last")])
    expect(chat.input).to_have_value("A secret word\n\nA draft")
    expect(chat.input).to_be_focused()
    expect(chat.answers.first).to_have_attribute("data-status", "in_progress")
    other = open_page(like=chat)
    other.go(chat.page.url)
    expect(other.messages).to_have_count(2)
    chat.stop_button.click()
    chat.expect_ended(chat.answers.last)
    expect(chat.answers.last).to_contain_text("You said: “Count to 3000”")
    expect(other.answers).to_have_count(2)


def test_taken_back_as_it_begins_both_stay_in_sight(scripted: tuple[ChatPage, ScriptedServer]) -> None:
    chat, server = scripted
    server.begin(said(chat, server, "One", 1))
    wish = said(chat, server, "Two", 2)
    queue(server, wish, "resp_2", 1)
    chat.answers.nth(1).get_by_role("button", name="Take back").click()
    wait_until(chat, lambda: cancels(server) == ["resp_2"])
    server.finish("First answer")
    server.begin(wish, "resp_2")
    server.write("Sec", response_id="resp_2", item_id="item_b")
    server.finish(
        "Sec", response_id="resp_2", item_id="item_b", status="cancelled", reason="client_cancelled"
    )
    server.log(ev.ItemDeleted(item_id=server.messages()[1]["item"]["id"]))
    expect(chat.answers.nth(1)).to_contain_text("This answer was stopped.")
    expect(chat.messages.nth(1)).to_have_class(re.compile("removed"))


@pytest.mark.parametrize(("button", "approve"), [("Approve", True), ("Refuse", False)])
def test_a_tool_call_waits_for_the_users_word(
    scripted: tuple[ChatPage, ScriptedServer], button: str, approve: bool
) -> None:
    chat, server = scripted
    server.begin(said(chat, server, "Pay Ann", 1))
    server.log(ASKED)
    server.finish("")
    card = chat.page.locator(".approval-card")
    expect(card).to_contain_text("needs your approval before it runs")
    expect(card.locator("pre")).to_contain_text("<b>Ann</b>")
    card.get_by_role("button", name=button).click()
    expect(card.get_by_role("button", name=button)).to_be_disabled()
    wait_until(chat, lambda: server.messages()[-1]["item"]["type"] == "mcp_approval_response")
    answer = server.messages()[-1]["item"]
    assert (answer["approval_request_id"], answer["approve"]) == ("apr_1", approve)
    server.log(ev.ToolApproval(item_id=answer["id"], approval_id="apr_1", approve=approve, by="client"))
    expect(card).to_contain_text("was approved" if approve else "was refused")
    expect(card.get_by_role("button")).to_have_count(0)


def test_somebody_elses_word_counts_here_too(scripted: tuple[ChatPage, ScriptedServer]) -> None:
    chat, server = scripted
    server.begin(said(chat, server, "Pay Ann", 1))
    server.log(ASKED)
    server.finish("")
    card = chat.page.locator(".approval-card")
    card.get_by_role("button", name="Approve").click()
    wait_until(chat, lambda: server.messages()[-1]["item"]["type"] == "mcp_approval_response")
    server.refuse(server.messages()[-1], code="already_decided", message="It has been answered already.")
    server.log(ev.ToolApproval(item_id="item_no", approval_id="apr_1", approve=False, by="grace"))
    expect(card).to_contain_text("was refused by our team")
    assert "grace" not in chat.page.content()
    expect(chat.page.locator("#toasts")).to_contain_text("This was answered already.")


def test_an_answer_given_while_offline_is_delivered_after_a_reload(
    scripted: tuple[ChatPage, ScriptedServer],
) -> None:
    chat, server = scripted
    server.begin(said(chat, server, "Pay Ann", 1))
    server.log(ASKED)
    server.finish("")
    server.refuse_with = 1012
    server.drop()
    chat.page.locator(".approval-card").get_by_role("button", name="Approve").click()
    server.refuse_with = None
    chat.page.reload()
    chat.expect_connection("Connected")
    wait_until(chat, lambda: server.messages()[-1]["item"]["type"] == "mcp_approval_response")
