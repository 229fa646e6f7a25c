"""A small session as the database would hold it, for the tests of the checks: whole, or broken in one place."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sessions_app.log import events as ev
from sessions_app.log.rows import encode_rows
from tests.chaos.logged import LoggedSession, Written

SESSION_ID = "one"
MESSAGE, ASK = "mine_message", "mine_ask"


def delta(text: str, offset: int) -> ev.AssistantDelta:
    return ev.AssistantDelta(response_id="resp", item_id="item", output_index=0, offset=offset, text=text)


def events() -> list[ev.Event]:
    return [
        ev.SessionStarted(model="chaos"),
        ev.UserMessage(item_id="asked", text="count to 2", client_event_id=MESSAGE),
        ev.ResponseStarted(
            response_id="resp",
            provider="chaos",
            model="chaos",
            input_item_ids=["asked"],
            client_event_id=ASK,
        ),
        ev.ToolCall(
            response_id="resp",
            item_id="called",
            call_id="call",
            output_index=1,
            name="leave_mark",
            arguments="{}",
            side_effects=True,
        ),
        ev.ToolResult(item_id="called", call_id="call", name="leave_mark", output="left", response_id="resp"),
        delta("1, ", 0),
        delta("2.", 3),
        ev.AssistantMessage(response_id="resp", item_id="item", output_index=0, text="1, 2."),
        ev.ResponseDone(response_id="resp", status=ev.ResponseStatus.COMPLETED, model="chaos"),
        ev.SessionEnded(reason=ev.EndReason.LEFT),
        ev.SummaryWritten(summary="It counted.", title="Counting", model="chaos"),
    ]


def logged(happened: Sequence[ev.Event] | None = None, **columns: Any) -> LoggedSession:
    """``columns`` are laid over those that fit the whole session."""
    happened = events() if happened is None else happened
    records = [
        ev.Record(SESSION_ID, seq, datetime(2026, 1, 1, tzinfo=UTC), event)
        for seq, event in enumerate(happened, start=1)
    ]
    rows = encode_rows(records)
    fitting = {
        "status": "ended",
        "end_time": datetime(2026, 1, 1, tzinfo=UTC),
        "duration_seconds": 1.0,
        "summary_state": "written",
        "last_seq": len(happened),
        "user_messages": sum(isinstance(event, ev.UserMessage) for event in happened),
        "assistant_messages": sum(isinstance(event, ev.AssistantMessage) for event in happened),
        "tool_calls": sum(isinstance(event, ev.ToolCall) for event in happened),
        "responses": sum(isinstance(event, ev.ResponseDone) for event in happened),
    }
    writers = [Written(row.first_seq, row.seq, 1, "server-0.1") for row in rows]
    writers[-1] = replace(writers[-1], writer="worker.0")
    return LoggedSession(SESSION_ID, fitting | columns, rows, writers)
