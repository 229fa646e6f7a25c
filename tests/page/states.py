"""The chat page in each state that somebody may meet, played by a server in the test's hands."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import expect

from sessions_app.log import events as ev
from tests.page.chat_page import ChatPage
from tests.page.scripted_server import Frame, ScriptedServer

LONG = """The bicycle is **ready on Thursday**. What was done:

1. The chain and the cassette are new.
2. The rear brake is bled, and its pads were changed.

| part | price |
|---|---:|
| Chain | 39.00 |
| Cassette | 61.50 |

```python
total = 39.00 + 61.50
print(f"{total:.2f}")
```

Bring the receipt, or your [order number](https://shop.example.com/orders)."""


class Stage:
    """A page and its server, in the middle of what a state tells."""

    def __init__(self, chat: ChatPage, server: ScriptedServer) -> None:
        self.chat, self.server = chat, server

    def hear(self, text: str) -> Frame:
        """The user says it, and it is kept; the wish for its answer."""
        count = len(self.server.wishes())
        self.chat.say(text)
        self.until(lambda: len(self.server.wishes()) > count)
        self.server.accept(self.server.messages()[-1])
        return self.server.wishes()[-1]

    def until(self, happened: Callable[[], object]) -> None:
        self.chat.until(happened)

    def answer(self, question: str, text: str, number: int = 1, **done: Any) -> None:
        self.server.begin(self.hear(question), f"resp_{number}")
        self.server.write(text, response_id=f"resp_{number}", item_id=f"item_{number}")
        self.server.finish(text, response_id=f"resp_{number}", item_id=f"item_{number}", **done)
        self.chat.expect_ended(self.chat.answers.last, done.get("status", "completed"))


def tool(
    stage: Stage, name: str, arguments: Any, output: Any, number: int, outcome: str = "ok", **call: Any
) -> None:
    stage.server.log(
        ev.ToolCall(
            response_id="resp_1",
            item_id=f"call_item_{number}",
            call_id=f"call_{number}",
            output_index=number,
            name=name,
            arguments=json.dumps(arguments),
            **call,
        ),
        ev.ToolResult(
            item_id=f"result_{number}",
            call_id=f"call_{number}",
            name=name,
            output=json.dumps(output) if outcome == "ok" else output,
            outcome=ev.Outcome(outcome),
            duration_ms=340.0,
            response_id="resp_1",
        ),
    )


def first_visit(stage: Stage) -> None:
    expect(stage.chat.page.locator("#welcome")).to_be_visible()


def answer(stage: Stage) -> None:
    stage.answer("When is my bicycle ready?", LONG)


def streaming(stage: Stage) -> None:
    stage.server.begin(stage.hear("When is my bicycle ready?"))
    stage.server.write("The bicycle is **ready on Thurs")
    expect(stage.chat.answers.last).to_contain_text("Thurs")


def tool_card(stage: Stage) -> None:
    stage.server.begin(stage.hear("When is my bicycle ready, and what does it cost with 19% tax?"))
    tool(stage, "find_order", {"number": "B-1042"}, {"state": "in repair", "ready": "Thursday"}, 1)
    tool(stage, "calculate", {"expression": "100.50 * 1.19"}, {"result": 119.595}, 2)
    tool(stage, "send_reminder", {"when": "Thursday 9:00"}, "The calendar cannot be reached.", 3, "error")
    stage.server.finish("It is ready on **Thursday** and costs 119.60.", item_id="item_a")
    stage.chat.expect_ended(stage.chat.answers.last)


def tool_card_open(stage: Stage) -> None:
    tool_card(stage)
    for summary in stage.chat.page.locator(".tool-card summary").all():
        summary.click()


ASKED = ev.ToolApprovalRequested(
    response_id="resp_1",
    item_id="apr_1",
    call_id="call_1",
    output_index=0,
    name="send_money",
    arguments=json.dumps({"amount": 25, "currency": "EUR", "to": "Ann's Bicycles"}),
    asks="Send 25 EUR to Ann's Bicycles?",
)


def approval(stage: Stage) -> None:
    stage.server.begin(stage.hear("Pay the deposit, please"))
    stage.server.log(ASKED)
    stage.server.finish("")
    expect(stage.chat.page.locator(".approval-card")).to_be_visible()


def _decided(stage: Stage, approve: bool) -> None:
    approval(stage)
    name = "Approve" if approve else "Refuse"
    stage.chat.page.locator(".approval-card").get_by_role("button", name=name).click()
    stage.until(lambda: stage.server.messages()[-1]["item"]["type"] == "mcp_approval_response")
    item_id = stage.server.messages()[-1]["item"]["id"]
    stage.server.log(ev.ToolApproval(item_id=item_id, approval_id="apr_1", approve=approve, by="client"))


def approved(stage: Stage) -> None:
    _decided(stage, True)
    stage.server.log(
        ev.ResponseStarted(response_id="resp_2", provider="demo", model="demo", continues="resp_1")
    )
    call = {"amount": 25, "currency": "EUR", "to": "Ann's Bicycles"}
    stage.server.log(
        ev.ToolCall(
            response_id="resp_2",
            item_id="call_item_1",
            call_id="call_1",
            output_index=0,
            name="send_money",
            arguments=json.dumps(call),
            approval_id="apr_1",
        ),
        ev.ToolResult(
            item_id="result_1",
            call_id="call_1",
            name="send_money",
            output=json.dumps({"sent": True, "reference": "TX-77"}),
            duration_ms=812.0,
            response_id="resp_2",
        ),
    )
    stage.server.finish("Done: the deposit is paid.", response_id="resp_2", item_id="item_b")
    expect(stage.chat.answers.last).to_contain_text("the deposit is paid")


def refused(stage: Stage) -> None:
    _decided(stage, False)
    expect(stage.chat.page.locator(".approval-card")).to_contain_text("refused")


def failed(stage: Stage) -> None:
    stage.answer(
        "When is my bicycle ready?", "The bicycle is rea", status="failed", reason="model_overloaded"
    )


def stopped(stage: Stage) -> None:
    stage.answer("Tell me a story", "Once upon a ti", status="cancelled", reason="client_cancelled")


def cut(stage: Stage) -> None:
    stage.answer("Tell me a story", "Once upon a ti", status="incomplete", reason="max_output_tokens")


def over(stage: Stage) -> None:
    stage.answer("And now?", "", status="failed", reason="budget_exceeded")


def not_sent(stage: Stage) -> None:
    stage.chat.say("Hello")
    stage.until(stage.server.messages)
    stage.server.refuse(stage.server.messages()[0], code="storage_unavailable", message="", retryable=True)
    expect(stage.chat.messages.first).to_have_attribute("data-state", "refused")


def no_connection(stage: Stage) -> None:
    streaming(stage)
    stage.server.refuse_with = 1013
    stage.server.drop(1012)
    expect(stage.chat.page.locator("#banner")).to_be_visible()


def not_ones_own(stage: Stage) -> None:
    stage.server.refuse_with = 4404
    stage.chat.go(stage.server.path)
    expect(stage.chat.page.locator("#banner")).to_be_visible()


def queue(stage: Stage) -> None:
    streaming(stage)
    for number in (2, 3):
        wish = stage.hear(f"And question {number}?")
        stage.server.log(
            ev.ResponseQueued(
                response_id=f"resp_{number}", position=number - 1, client_event_id=wish["event_id"]
            )
        )
    expect(stage.chat.answers.last).to_contain_text("place 2")


def edit(stage: Stage) -> None:
    answer(stage)
    stage.chat.page.get_by_role("button", name="Edit this message").click()
    expect(stage.chat.page.locator("#editing")).to_be_visible()


def versions(stage: Stage) -> None:
    stage.answer("Which bell is the loudest?", "The brass one.")
    message = stage.server.messages()[0]
    stage.chat.page.get_by_role("button", name="Edit this message").click()
    stage.chat.say("Which bell is the quietest?")
    stage.until(lambda: len(stage.server.wishes()) == 2)
    said = stage.server.messages()[-1]
    stage.server.log(
        ev.UserMessage(
            item_id=said["item"]["id"],
            text="Which bell is the quietest?",
            client_event_id=said["event_id"],
            replaces=message["item"]["id"],
        )
    )
    stage.server.begin(stage.server.wishes()[-1], "resp_2")
    stage.server.finish("The plastic one.", response_id="resp_2", item_id="item_2")
    expect(stage.chat.messages.last.get_by_role("group", name="Versions")).to_contain_text("2 / 2")


def feedback(stage: Stage) -> None:
    answer(stage)
    stage.chat.page.get_by_role("button", name="Bad answer").click()
    expect(stage.chat.page.locator(".feedback-form")).to_be_visible()


def person(stage: Stage) -> None:
    stage.answer("I want to speak to somebody", "One moment, please.")
    stage.server.log(ev.OperatorTookOver(item_id="item_over", author="grace", shown_as="Grace"))
    expect(stage.chat.page.locator(".stepped")).to_be_visible()


def sidebar(stage: Stage) -> None:
    answer(stage)
    opener = stage.chat.page.locator("#open-sidebar")
    if opener.is_visible():
        opener.click()
    expect(stage.chat.page.locator("#session-list li").first).to_be_in_viewport()
    stage.chat.page.wait_for_timeout(300)  # it slides in


def own_menu(stage: Stage) -> None:
    sidebar(stage)
    stage.chat.page.locator("#session-list li").first.hover()
    stage.chat.page.locator("#session-list li .more").first.click()


def recap(stage: Stage) -> None:
    for number in (1, 2):
        stage.server.records += [
            ev.Record(
                "scripted", 3 * number - 2, THEN, ev.UserMessage(item_id=f"u{number}", text="And then?")
            ),
            ev.Record(
                "scripted",
                3 * number - 1,
                THEN,
                ev.ResponseStarted(response_id=f"r{number}", provider="demo", model="demo"),
            ),
            ev.Record(
                "scripted",
                3 * number,
                THEN,
                ev.ResponseDone(response_id=f"r{number}", status=ev.ResponseStatus.COMPLETED),
            ),
        ]
    stage.chat.go(stage.server.path)
    expect(stage.chat.page.locator("#recap")).to_be_visible()


STATES: dict[str, Callable[[Stage], None]] = {
    state.__name__: state
    for state in (
        first_visit,
        streaming,
        answer,
        tool_card,
        tool_card_open,
        approval,
        approved,
        refused,
        failed,
        stopped,
        cut,
        over,
        not_sent,
        no_connection,
        not_ones_own,
        queue,
        edit,
        versions,
        feedback,
        person,
        sidebar,
        own_menu,
        recap,
    )
}

THEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_TITLES = (
    "Chain and cassette",
    "Which saddle fits a long tour?",
    "Invoice of March",
    "Bell that is not too loud",
)


def own_sessions() -> dict[str, Any]:
    """As ``GET /api/sessions`` lists them."""
    now = datetime.now(UTC)
    listed = [
        {
            "id": f"old_{number}",
            "title": title,
            "named": number == 0,
            "pinned": number == 0,
            "started_at": (now - timedelta(days=number * 3, hours=2)).isoformat(),
            "last_word_at": (now - timedelta(days=number * 3, hours=1)).isoformat(),
            "last_event_at": (now - timedelta(days=number * 3, hours=1)).isoformat(),
            "status": "ended",
            "assistant": "",
            "summary": "",
        }
        for number, title in enumerate(_TITLES)
    ]
    summary = "The customer asked for a **quieter bell** and wants to have it sent to the office by Friday."
    listed.append({**listed[-1], "id": "scripted", "title": "Repair B-1042", "summary": summary})
    return {"sessions": listed, "next_cursor": None}


def stage_of(chat: ChatPage) -> Stage:
    """At a new session of a visitor who has talked before."""
    server = ScriptedServer(chat.page)
    chat.page.route("**/api/sessions*", lambda route: route.fulfill(json=own_sessions()))
    chat.go("/")
    chat.expect_connection("Ready")
    return Stage(chat, server)
