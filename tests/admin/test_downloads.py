"""A transcript as a file."""

import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient, Client

from sessions_app.log import events as ev
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.admin.rows import call, deltas, done, message, result, started, turn, user_says, write_session


def download(client: Client, session: Session, form: str) -> str:
    response = client.get(f"/admin/sessions_app/session/{session.pk}/transcript.{form}")
    assert response.status_code == 200
    assert response["Content-Disposition"] == f'attachment; filename="{session.pk}.{form}"'
    assert response["X-Content-Type-Options"] == "nosniff"
    return b"".join(response).decode()


def test_json_holds_the_session_and_every_event_but_deltas(viewer: Client) -> None:
    session = write_session(turn(1), title="T", summary="S")
    whole = json.loads(download(viewer, session, "json"))
    assert whole["session"]["session_id"] == session.pk
    assert whole["session"]["summary"] == "S"
    assert [event["seq"] for event in whole["events"]] == [1, 2, 3, 4, 7, 8]
    assert whole["events"][0]["content"] == "question 1 "
    assert whole["events"][-1]["payload"]["usage"] == {"input_tokens": 300, "output_tokens": 40}


def test_json_of_a_session_without_events_is_still_json(viewer: Client) -> None:
    assert json.loads(download(viewer, write_session(), "json"))["events"] == []


def test_a_long_session_comes_whole_and_in_order(viewer: Client) -> None:
    session = write_session([event for number in range(200) for event in turn(number)])
    whole = json.loads(download(viewer, session, "json"))
    questions = [event["content"] for event in whole["events"] if event["event_type"] == "user_message"]
    assert questions == [f"question {number} " for number in range(200)]
    text = download(viewer, session, "md")
    assert [text.count(f"question {number} ") for number in range(200)] == [1] * 200


def test_markdown_tells_who_said_what_and_what_tools_did(viewer: Client) -> None:
    events: list[ev.Event] = [
        user_says("What time?"),
        ev.OperatorMessage(item_id="o", text="Be brief.", author="grace"),
        started(),
        call(),
        result(output="```\n21:14\n```"),
        *deltas("It is"),
        message("It is", status="incomplete"),
        done(status="cancelled", reason="client_cancelled"),
        ev.SessionEnded(reason=ev.EndReason.LEFT),
    ]
    text = download(viewer, write_session(events, title="Time", summary="Told the time."), "md")
    assert text.startswith("# Time\n")
    for piece in (
        "## Summary\n\nTold the time.",
        "### User · 2026-03-04 12:00:00 UTC\n\nWhat time?",
        "### Operator grace",
        "### Assistant (gemini:flash)",
        "Tool `get_time`: ok after 12 ms",
        "````\n```\n21:14\n```\n````",
        "It is *[incomplete]*",
        "*[cancelled · client_cancelled]*",
        "Session ended: the client had left",
    ):
        assert piece in text, piece


def test_markdown_says_of_each_word_who_heard_it_and_what_became_of_it(viewer: Client) -> None:
    """What the model alone was told was never said to the customer, and what a person said is no model's."""
    events: list[ev.Event] = [
        user_says("My order is late.", "item_u1"),
        ev.OperatorWhispered(item_id="item_w1", text="Offer a voucher.", author="grace"),
        ev.OperatorWhispered(item_id="item_w2", text="He is rude.", author="grace"),
        ev.WhisperWithdrawn(item_id="item_w2", author="grace"),
        started("resp_1"),
        message("Half an", "resp_1", "item_1", "incomplete"),
        done("resp_1", "incomplete"),
        ev.ResponseStarted(response_id="resp_2", provider="demo", model="demo", retry_of="resp_1"),
        ev.ToolApprovalRequested(
            response_id="resp_2",
            item_id="item_q",
            call_id="call_1",
            output_index=0,
            name="pay",
            arguments="{}",
        ),
        ev.ToolApproval(item_id="item_y", approval_id="item_q", approve=False, by="grace"),
        message("A whole answer.", "resp_2", "item_2"),
        done("resp_2"),
        ev.FeedbackGiven(item_id="item_2", rating=ev.Rating.DOWN, reason="wrong", comment="No help"),
        user_says("Secret 4711", "item_u2"),
        *(event for number in range(100, 200) for event in turn(number)),
        ev.ItemDeleted(item_id="item_u2"),
        user_says("A person, please.", "item_u3"),
        ev.ResponseStarted(response_id="resp_p", provider="", model="", shown_as="Anna"),
        ev.AssistantMessage(
            response_id="resp_p",
            item_id="item_p",
            output_index=0,
            text="Grace here.",
            status=ev.TextStatus.COMPLETED,
            author="grace",
        ),
        done("resp_p"),
        user_says("Thanks", "item_u4"),
        started("resp_cut"),
        *deltas("You are wel", response_id="resp_cut", item_id="item_cut"),
        done("resp_cut", "incomplete", reason="interrupted"),
    ]
    text = download(viewer, write_session(events, first_words="My order is late."), "md")
    assert text.startswith("# My order is late.\n")
    time = r" \xb7 2026-03-04 12:\d\d:\d\d UTC\n\n"
    for piece in (
        f"### grace, to the model alone{time}Offer a voucher",
        rf"### grace, to the model alone{time}\*\[taken back, the model was not told\]\*\n\nHe is rude",
        rf"### Assistant \(gemini:flash\){time}\*\[tried again below\]\*\n\nHalf an \*\[incomplete\]\*",
        rf"### Assistant \(demo\){time}\*\[another try\]\*\n\n",
        "Approval: refused by grace",
        r"A whole answer.\n\n\*\[Bad answer, says the customer: wrong: No help\]\*",
        rf"### User{time}\*\[removed by the client\]\*\n\nSecret 4711",
        rf"### grace \(a person\){time}Grace here.",
        r"You are wel \*\[partial\]\*",
    ):
        assert re.search(piece, text), piece
    assert "Operator" not in text


def test_another_form_is_not_found(viewer: Client) -> None:
    session = write_session(turn(1))
    assert viewer.get(f"/admin/sessions_app/session/{session.pk}/transcript.exe").status_code == 404


def sign_in_and_write() -> tuple[AsyncClient, Session]:
    client = AsyncClient()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client, write_session([event for number in range(200) for event in turn(number)])


@pytest.mark.usefixtures("transactional_db")
async def test_under_asgi_it_is_streamed_page_by_page() -> None:
    client, session = await in_db_thread(sign_in_and_write)
    response: Any = await client.get(f"/admin/sessions_app/session/{session.pk}/transcript.json")
    pieces = [piece async for piece in response]
    await sync_to_async(connections.close_all)()  # what the end of a request does outside of tests
    assert len(pieces) > 3
    assert len(json.loads(b"".join(pieces))["events"]) == 1200
