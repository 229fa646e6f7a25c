"""Thumbs under answers: by mouse and keyboard, kept over a reload, seen in every tab."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from sessions_app.log import events as ev
from sessions_app.models import Session, SessionEvent
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.scripted_server import ScriptedServer

pytestmark = pytest.mark.django_db


def thumb(answer: Locator, name: str) -> Locator:
    return answer.get_by_role("button", name=f"{name} answer")


def expect_rated(answer: Locator, *, good: bool = False, bad: bool = False) -> None:
    expect(thumb(answer, "Good")).to_have_attribute("aria-pressed", str(good).lower())
    expect(thumb(answer, "Bad")).to_have_attribute("aria-pressed", str(bad).lower())


def address(chat: ChatPage) -> str:
    expect(chat.page).to_have_url(re.compile(r"/s/"))
    return chat.page.url


def test_a_bad_answer_with_its_reason_survives_a_reload_and_is_in_the_log(
    chat: ChatPage, in_database: Any
) -> None:
    answer = chat.ask("count to 3")
    expect_rated(answer)
    thumb(answer, "Bad").click()
    form = answer.get_by_role("form", name="Why this rating")
    expect(form.get_by_role("group", name="What was wrong with it?")).to_be_visible()
    form.get_by_label("Off topic").check()
    form.get_by_label("Comment").fill("I wanted to 4.")
    form.get_by_role("button", name="Send").click()
    expect(form).to_be_hidden()
    expect(thumb(answer, "Bad")).to_be_focused()
    chat.page.goto(address(chat))
    expect_rated(answer, bad=True)
    expect(answer).to_contain_text("Off topic: I wanted to 4.")
    session_id = chat.page.url.rsplit("/", 1)[-1]

    def stored() -> tuple[int, list[Any]]:
        rows = SessionEvent.objects.filter(session_id=session_id, event_type="feedback_given").order_by("seq")
        return Session.objects.get(pk=session_id).feedback_down, [
            (row.payload["rating"], row.payload.get("reason", ""), row.content) for row in rows
        ]

    assert in_database(stored) == (1, [("down", "", ""), ("down", "off_topic", "I wanted to 4.")])


def test_with_the_keyboard_alone(chat: ChatPage) -> None:
    answer, keyboard = chat.ask("count to 3"), chat.page.keyboard
    thumb(answer, "Good").focus()
    keyboard.press("Enter")
    expect_rated(answer, good=True)
    expect(answer.get_by_label("Comment")).to_be_focused()
    keyboard.type("Just right.")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(answer).to_contain_text("Just right.")
    expect(thumb(answer, "Good")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Space")
    expect_rated(answer, bad=True)
    expect(answer.get_by_role("radio").first).to_be_focused()
    keyboard.press("Escape")
    expect(answer.get_by_role("form")).to_be_hidden()
    expect(thumb(answer, "Bad")).to_be_focused()
    keyboard.press("Enter")
    expect_rated(answer)


def test_another_tab_sees_it_at_once_and_its_being_taken_back(chat: ChatPage, open_page: OpenPage) -> None:
    answer = chat.ask("count to 3")
    tab = open_page(like=chat)
    tab.go(address(chat))
    tab.expect_ended(tab.answers.first)
    thumb(answer, "Good").click()
    expect_rated(tab.answers.first, good=True)
    thumb(tab.answers.first, "Good").click()
    expect_rated(answer)


def test_what_is_no_answer_of_the_sessions_has_no_thumbs(open_page: OpenPage) -> None:
    chat = open_page()
    server = ScriptedServer(chat.page)
    server.log(
        ev.UserMessage(item_id="u", text="Hello"),
        ev.AssistantMessage(item_id="told", response_id="", output_index=0, text="As I said."),
        ev.ResponseStarted(response_id="r", provider="demo", model="demo", input_item_ids=["u"]),
        ev.AssistantMessage(item_id="a", response_id="r", output_index=0, text="Hi."),
        ev.ResponseDone(response_id="r", status=ev.ResponseStatus.COMPLETED),
    )
    chat.go(server.path)
    told, answer = chat.answers.first, chat.answers.last
    expect(thumb(answer, "Good")).to_be_visible()
    expect(thumb(told, "Good")).to_be_hidden()


def test_a_rating_that_the_server_refuses_is_taken_off_and_the_user_told(open_page: OpenPage) -> None:
    chat = open_page()
    server = ScriptedServer(chat.page)
    server.log(
        ev.UserMessage(item_id="u", text="Hello"),
        ev.ResponseStarted(response_id="r", provider="demo", model="demo", input_item_ids=["u"]),
        ev.AssistantMessage(item_id="a", response_id="r", output_index=0, text="Hi."),
        ev.ResponseDone(response_id="r", status=ev.ResponseStatus.COMPLETED),
    )
    chat.go(server.path)
    thumb(chat.answers.last, "Bad").click()
    expect_rated(chat.answers.last, bad=True)
    chat.page.wait_for_timeout(100)
    given = next(frame for frame in server.received if frame["type"] == "x_feedback.give")
    error = {
        "type": "invalid_request_error",
        "code": "too_much_feedback",
        "message": "Enough.",
        "param": None,
    }
    server.send(
        {
            "type": "error",
            "event_id": "evt_1",
            "error": {**error, "event_id": given["event_id"], "x_retryable": False},
        }
    )
    expect_rated(chat.answers.last)
    expect(chat.page.get_by_text("Enough.")).to_be_visible()
