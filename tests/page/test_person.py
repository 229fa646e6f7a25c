"""A person answers in the model's place, on the chat page."""

import pytest
from playwright.sync_api import expect

from sessions_app.log import events as ev
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.scripted_server import ScriptedServer
from tests.page.test_connection import wait_until

pytestmark = pytest.mark.django_db

NAME = "Our <b>support</b>"
TOOK_OVER = ev.OperatorTookOver(item_id="item_t", author="grace.hopper", shown_as=NAME)
HANDED_BACK = ev.OperatorHandedBack(item_id="item_h", author="grace.hopper", shown_as=NAME)


def answered(text: str, response_id: str, *item_ids: str) -> list[ev.Event]:
    return [
        ev.ResponseStarted(
            response_id=response_id, provider="", model="", shown_as=NAME, input_item_ids=list(item_ids)
        ),
        ev.AssistantMessage(
            response_id=response_id,
            item_id=f"item_{response_id}",
            output_index=0,
            text=text,
            author="grace.hopper",
            shown_as=NAME,
        ),
        ev.ResponseDone(response_id=response_id, status=ev.ResponseStatus.COMPLETED, cost_microusd=0),
    ]


def test_the_user_sees_that_a_person_speaks_and_who_answers_what(open_page: OpenPage) -> None:
    chat: ChatPage = open_page()
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    server.log(TOOK_OVER)
    stepped = chat.page.locator(".message.stepped .message-text")
    expect(stepped).to_have_text(f"{NAME} has joined and answers from here on.")
    chat.say("Are you there?")
    wait_until(chat, lambda: bool(server.wishes()))
    server.accept(server.messages()[-1])
    wish = server.wishes()[0]
    server.log(ev.ResponseQueued(response_id="resp_1", position=1, client_event_id=wish["event_id"]))
    answer = chat.answers.last
    expect(answer.locator(".waiting")).to_contain_text(f"{NAME} answers this")
    server.log(*answered("I *am*.", "resp_1", server.messages()[-1]["item"]["id"]))
    chat.expect_ended(answer)
    expect(answer.locator(".author")).to_have_text(f"{NAME} (a person)")
    expect(answer.locator(".answer-content")).to_have_text("I am.")
    expect(answer.locator(".waiting")).to_be_hidden()
    server.log(HANDED_BACK)
    expect(stepped.last).to_contain_text("The assistant answers again.")
    chat.say("And you?")
    wait_until(chat, lambda: len(server.wishes()) == 2)
    server.accept(server.messages()[-1])
    server.begin(server.wishes()[1], "resp_2")
    expect(chat.answers.last.locator(".author")).to_be_hidden()
    assert "grace" not in chat.page.content()
    server.log(ev.ResponseDone(response_id="resp_2", status=ev.ResponseStatus.COMPLETED))


def order_on(chat: ChatPage) -> list[str]:
    words: list[str] = chat.page.eval_on_selector_all(
        ".message, .answer",
        "all => all.map(one => one"
        ".querySelector(one.matches('.answer') ? '.answer-content' : '.message-text').textContent.trim())",
    )
    return words


def waiting_for_a_person(open_page: OpenPage, *said: str) -> tuple[ChatPage, ScriptedServer]:
    """A person has taken over, and each of the messages waits for their answer."""
    chat: ChatPage = open_page()
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    server.log(TOOK_OVER)
    for number, words in enumerate(said, 1):
        chat.say(words)
        wait_until(chat, lambda number=number: len(server.wishes()) == number)  # type: ignore[misc]
        server.accept(server.messages()[-1])
        wish = server.wishes()[-1]
        server.log(
            ev.ResponseQueued(response_id=f"resp_{number}", position=number, client_event_id=wish["event_id"])
        )
        expect(chat.answers).to_have_count(number)
        expect(chat.answers.last.locator(".waiting")).to_contain_text(f"{NAME} answers this")
    return chat, server


def test_one_answer_of_a_persons_to_two_messages_stands_below_both(open_page: OpenPage) -> None:
    chat, server = waiting_for_a_person(open_page, "Are you there?", "And where is it?")
    server.log(
        *answered("It left today.", "resp_1", *(one["item"]["id"] for one in server.messages())),
        ev.ResponseDone(
            response_id="resp_2",
            status=ev.ResponseStatus.CANCELLED,
            reason=ev.Reason.ANSWERED_BY_PERSON,
            waited=True,
        ),
    )
    expect(chat.answers).to_have_count(1)
    expected = [
        f"{NAME} has joined and answers from here on.",
        "Are you there?",
        "And where is it?",
        "It left today.",
    ]
    assert order_on(chat) == expected
    chat.page.reload()
    expect(chat.page.get_by_text("It left today.")).to_be_visible()
    assert order_on(chat) == expected
    expect(chat.page.locator("#retry, .ending:visible")).to_have_count(0)


def test_what_waited_for_the_person_is_answered_below_the_words_that_they_left(open_page: OpenPage) -> None:
    chat: ChatPage = open_page()
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    server.log(TOOK_OVER)
    chat.say("Thank you!")
    wait_until(chat, lambda: bool(server.wishes()))
    server.accept(server.messages()[-1])
    wish = server.wishes()[0]
    server.log(ev.ResponseQueued(response_id="resp_1", position=1, client_event_id=wish["event_id"]))
    expect(chat.answers.last.locator(".waiting")).to_be_visible()
    server.log(HANDED_BACK)
    server.begin(wish, "resp_1")
    expect(chat.answers.last.locator(".waiting")).to_be_hidden()
    order = chat.page.eval_on_selector_all(
        ".message, .answer",
        "all => all.map(one => one.matches('.answer') ? 'answer' : one.querySelector('.message-text').textContent)",
    )
    assert order == [
        f"{NAME} has joined and answers from here on.",
        "Thank you!",
        f"{NAME} has left. The assistant answers again.",
        "answer",
    ]
    server.log(ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED))


def test_what_waits_says_what_is_true_once_the_person_has_left(open_page: OpenPage) -> None:
    chat, server = waiting_for_a_person(open_page, "Thank you!", "And where is it?")
    server.log(HANDED_BACK)
    server.begin(server.wishes()[0], "resp_1")
    expect(chat.page.locator(".waiting:visible")).to_have_count(1)
    expect(chat.page.locator(".waiting:visible")).to_contain_text("Waits for the answer before it")
    order = chat.page.eval_on_selector_all(
        ".message, .answer",
        "all => all.map(one => one.matches('.answer') ? 'answer' : one.querySelector('.message-text').textContent)",
    )
    assert order[-3:] == [f"{NAME} has left. The assistant answers again.", "answer", "answer"]
    server.log(ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED))
    server.begin(server.wishes()[1], "resp_2")
    expect(chat.page.locator(".waiting:visible")).to_have_count(0)
    server.log(ev.ResponseDone(response_id="resp_2", status=ev.ResponseStatus.COMPLETED))


def test_an_answer_that_staff_cut_off_says_why_and_offers_no_other_try(open_page: OpenPage) -> None:
    chat: ChatPage = open_page()
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.expect_connection("Connected")
    chat.say("Hello")
    wait_until(chat, lambda: bool(server.wishes()))
    server.accept(server.messages()[-1])
    server.begin(server.wishes()[0])
    server.log(
        ev.ResponseDone(
            response_id="resp_1",
            status=ev.ResponseStatus.CANCELLED,
            reason=ev.Reason.OPERATOR_STOPPED,
            stopped_by="grace.hopper",
        )
    )
    ending = chat.answers.last.locator(".ending")
    expect(ending).to_contain_text("A member of staff stopped this answer.")
    expect(ending.get_by_role("button")).to_have_count(0)
    assert "grace" not in chat.page.content()
