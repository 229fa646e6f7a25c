"""The session whose frames stand as examples in ``docs/protocol.md``."""

from datetime import UTC, datetime, timedelta

from chat.wire.realtime.projector import RealtimeProjector
from chat.wire.realtime.server import ServerEvent
from sessions_app.log import events as ev

SESSION_ID = "demo123"
MODEL = "gemini-3.8-flash"

EVENTS: list[ev.Event] = [
    ev.SessionStarted(model=f"gemini:{MODEL}"),
    ev.UserMessage(item_id="item_71b2", text="What time is it in Berlin?", client_event_id="mine_1"),
    ev.ResponseStarted(
        response_id="resp_5e0c",
        provider="gemini",
        model=MODEL,
        input_item_ids=["item_71b2"],
        client_event_id="mine_2",
    ),
    ev.ToolCall(
        response_id="resp_5e0c",
        item_id="item_0a9d",
        call_id="call_c44f",
        output_index=0,
        name="current_time",
        arguments='{"zone":"Europe/Berlin"}',
    ),
    ev.ToolResult(
        item_id="item_0a9d",
        call_id="call_c44f",
        name="current_time",
        output='{"time":"14:05"}',
        duration_ms=1.8,
        response_id="resp_5e0c",
    ),
    ev.AssistantDelta(
        response_id="resp_5e0c", item_id="item_d310", output_index=1, offset=0, text="It is 14:05"
    ),
    ev.AssistantDelta(
        response_id="resp_5e0c", item_id="item_d310", output_index=1, offset=11, text=" in Berlin."
    ),
    ev.AssistantMessage(
        response_id="resp_5e0c", item_id="item_d310", output_index=1, text="It is 14:05 in Berlin."
    ),
    ev.ResponseDone(
        response_id="resp_5e0c",
        status=ev.ResponseStatus.COMPLETED,
        model=f"gemini:{MODEL}",
        usage=ev.Usage(input_tokens=412, output_tokens=31, cached_tokens=128),
        timings=ev.Timings(first_token_ms=412.7, total_ms=1034.2, model_ms=1030.9, tools_ms=1.9),
        cost_microusd=339,
    ),
    ev.ItemDeleted(item_id="item_71b2"),
    ev.ResponseStarted(response_id="resp_77aa", provider="gemini", model=MODEL, after_item_id="item_d310"),
    ev.ToolCall(
        response_id="resp_77aa",
        item_id="item_4c1e",
        call_id="call_90d2",
        output_index=0,
        name="get_weather",
        arguments='{"city":"Berlin"}',
        location=ev.Location.CLIENT,
    ),
    ev.ToolCall(
        response_id="resp_77aa",
        item_id="item_b8f0",
        call_id="call_11aa",
        output_index=1,
        name="current_time",
        arguments='{"zone":"Mars"}',
    ),
    ev.ToolResult(
        item_id="item_b8f0",
        call_id="call_11aa",
        name="current_time",
        output="There is no time zone 'Mars'. Use an IANA name.",
        outcome=ev.Outcome.ERROR,
        duration_ms=0.4,
        response_id="resp_77aa",
    ),
    ev.ResponseDone(
        response_id="resp_77aa",
        status=ev.ResponseStatus.FAILED,
        reason="model_overloaded",
        model=f"gemini:{MODEL}",
        timings=ev.Timings(total_ms=880.3, model_ms=879.6, tools_ms=0.4),
    ),
    ev.OperatorMessage(
        item_id="item_e55b", text="Apologise for the delay.", author="ann", after_item_id="item_b8f0"
    ),
    ev.ToolResult(
        item_id="item_f001",
        call_id="call_90d2",
        name="get_weather",
        output='{"sky":"clear"}',
        after_item_id="item_e55b",
    ),
    ev.FeedbackGiven(
        item_id="item_d310",
        rating=ev.Rating.DOWN,
        reason="wrong",
        comment="It was summer time.",
        client_event_id="mine_5",
    ),
    ev.OperatorWhispered(item_id="item_aa11", text="They are a friend of the house.", author="ann"),
    ev.OperatorTookOver(
        item_id="item_aa12", author="ann", shown_as="A member of staff", after_item_id="item_f001"
    ),
    ev.ResponseStarted(
        response_id="resp_9a01",
        provider="",
        model="",
        shown_as="A member of staff",
        input_item_ids=["item_aa12"],
        after_item_id="item_aa12",
    ),
    ev.AssistantMessage(
        response_id="resp_9a01",
        item_id="item_aa13",
        output_index=0,
        text="It is clear over Berlin.",
        author="ann",
        shown_as="A member of staff",
    ),
    ev.ResponseDone(response_id="resp_9a01", status=ev.ResponseStatus.COMPLETED, cost_microusd=0),
    ev.OperatorHandedBack(
        item_id="item_aa14", author="ann", shown_as="A member of staff", after_item_id="item_aa13"
    ),
    ev.VersionChosen(version="item_71b2", instead_of="item_71b3", client_event_id="mine_6"),
]


def records() -> list[ev.Record]:
    began_at = datetime(2026, 3, 1, 13, 5, tzinfo=UTC)
    return [
        ev.Record(SESSION_ID, seq, began_at + timedelta(milliseconds=137 * seq), event)
        for seq, event in enumerate(EVENTS, start=1)
    ]


def frames() -> list[ServerEvent]:
    projector = RealtimeProjector(SESSION_ID)
    return [frame for record in records() for frame in projector.frames(record)]
