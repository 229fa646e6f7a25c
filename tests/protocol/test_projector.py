"""What each kind of event looks like on the wire, and in which order."""

import json
from typing import Any

import msgspec
import pytest

from chat.wire.realtime.projector import RealtimeProjector
from chat.wire.realtime.server import encode
from sessions_app.errors import ReplayGap
from sessions_app.log import events as ev
from tests.protocol.logs import BEGAN_AT, SESSION_ID, numbered
from tests.protocol.sdk import held

ASKED = ev.UserMessage(item_id="item_u", text="Hello", client_event_id="mine_1")
STARTED = ev.ResponseStarted(
    response_id="resp_1",
    provider="gemini",
    model="flash",
    input_item_ids=["item_u"],
    client_event_id="mine_2",
)
MESSAGE = ev.AssistantMessage(response_id="resp_1", item_id="item_a", output_index=0, text="Hi you")
DONE = ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED, model="gemini:flash")


def delta(offset: int, text: str) -> ev.AssistantDelta:
    return ev.AssistantDelta(response_id="resp_1", item_id="item_a", output_index=0, offset=offset, text=text)


def call(location: str = "server", **changes: Any) -> ev.ToolCall:
    fields = {
        "response_id": "resp_1",
        "item_id": "item_c",
        "call_id": "call_1",
        "output_index": 0,
        "name": "get_time",
        "arguments": '{"zone":"UTC"}',
        "location": location,
    }
    return ev.ToolCall(**{**fields, **changes})


def result(outcome: str = "ok", output: str = "noon", response_id: str | None = "resp_1") -> ev.ToolResult:
    return ev.ToolResult(
        item_id="item_c",
        call_id="call_1",
        name="get_time",
        output=output,
        outcome=ev.Outcome(outcome),
        duration_ms=2.5,
        response_id=response_id,
    )


def wire(*events: ev.Event) -> list[dict[str, Any]]:
    projector = RealtimeProjector(SESSION_ID)
    said = [encode(frame) for record in numbered(list(events)) for frame in projector.frames(record)]
    for frame in said:
        held(frame)
    return [json.loads(frame) for frame in said]


def types(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


def only(frames: list[dict[str, Any]], event_type: str) -> dict[str, Any]:
    [frame] = [frame for frame in frames if frame["type"] == event_type]
    return frame


def test_a_turn_goes_out_in_the_protocols_order() -> None:
    frames = wire(ASKED, STARTED, delta(0, "Hi"), delta(2, " you"), MESSAGE, DONE)

    assert types(frames) == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]


def test_the_first_and_last_place_of_a_record_of_many_frames() -> None:
    frames = wire(ASKED, STARTED, delta(0, "Hi"))

    assert [frame["event_id"] for frame in frames] == [
        f"event_{SESSION_ID}_1.1",
        f"event_{SESSION_ID}_1",
        f"event_{SESSION_ID}_2",
        f"event_{SESSION_ID}_3.1",
        f"event_{SESSION_ID}_3.2",
        f"event_{SESSION_ID}_3.3",
        f"event_{SESSION_ID}_3",
    ]


def test_the_users_item_carries_its_time_and_the_clients_own_id() -> None:
    frame = wire(ASKED)[1]

    assert frame["item"] == {
        "type": "message",
        "id": "item_u",
        "object": "realtime.item",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hello"}],
        "x_created_at": "2026-03-01T12:00:00.033Z",
        "x_client_event_id": "mine_1",
    }
    assert frame["previous_item_id"] is None


def test_an_answer_names_the_message_that_it_answers_as_previous() -> None:
    frames = wire(STARTED, delta(0, "Hi"), call(item_id="item_c", output_index=1))
    added = [frame for frame in frames if frame["type"] == "conversation.item.added"]

    assert [frame["previous_item_id"] for frame in added] == ["item_u", "item_a"]


def test_response_created_says_what_was_asked_for() -> None:
    options = {"metadata": {"topic": "t"}, "max_output_tokens": 50, "instructions": "secret"}
    [frame] = wire(ev.ResponseStarted(response_id="r", provider="demo", model="demo", options=options))

    assert frame["response"] == {
        "object": "realtime.response",
        "id": "r",
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "conversation_id": f"conv_{SESSION_ID}",
        "output_modalities": ["text"],
        "max_output_tokens": 50,
        "usage": None,
        "metadata": {"topic": "t"},
        "x_model": "demo",
        "x_input_item_ids": [],
    }


def test_a_response_outside_the_conversation_adds_nothing_to_it() -> None:
    started = ev.ResponseStarted(
        response_id="resp_1", provider="demo", model="demo", options={"conversation": "none"}
    )
    frames = wire(started, delta(0, "Hi you"), MESSAGE, call(output_index=1), result(), DONE)

    assert not [name for name in types(frames) if name.startswith("conversation.")]
    assert frames[0]["response"]["conversation_id"] is None
    assert [item["id"] for item in frames[-1]["response"]["output"]] == ["item_a", "item_c"]


def test_a_text_that_was_never_streamed_is_opened_and_goes_out_as_one_delta() -> None:
    frames = wire(STARTED, MESSAGE)

    assert types(frames)[1:] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
    ]
    assert only(frames, "response.output_text.delta")["delta"] == "Hi you"


def test_an_empty_text_has_no_delta() -> None:
    empty = ev.AssistantMessage(response_id="resp_1", item_id="item_a", output_index=0, text="")

    frames = wire(STARTED, empty)

    assert "response.output_text.delta" not in types(frames)
    assert only(frames, "response.output_text.done")["text"] == ""


def test_what_the_deltas_left_out_of_the_final_text_follows_as_one_more() -> None:
    frames = wire(STARTED, delta(0, "Hi"), MESSAGE)

    assert [frame["delta"] for frame in frames if frame["type"].endswith(".delta")] == ["Hi", " you"]


def test_a_cut_off_text_is_an_incomplete_item() -> None:
    message = ev.AssistantMessage(
        response_id="resp_1", item_id="item_a", output_index=0, text="Hi", status=ev.TextStatus.INCOMPLETE
    )
    frames = wire(STARTED, delta(0, "Hi"), message)

    assert only(frames, "response.output_item.added")["item"]["status"] == "in_progress"
    assert only(frames, "response.output_item.done")["item"]["status"] == "incomplete"


def test_a_servers_tool_is_an_mcp_call() -> None:
    frames = wire(STARTED, call(), result())

    assert types(frames)[1:] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
    ]
    assert frames[1]["item"]["arguments"] == ""
    assert frames[-1]["item"] == {
        "type": "mcp_call",
        "id": "item_c",
        "server_label": "server",
        "name": "get_time",
        "arguments": '{"zone":"UTC"}',
        "approval_request_id": None,
        "output": "noon",
        "error": None,
        "x_created_at": "2026-03-01T12:00:00.067Z",
        "x_outcome": "ok",
        "x_duration_ms": 2.5,
    }


@pytest.mark.parametrize("outcome", ["error", "unknown"])
def test_a_servers_tool_that_failed_says_so_in_an_error_object(outcome: str) -> None:
    frames = wire(STARTED, call(), result(outcome, "no such zone"))

    assert "response.mcp_call.failed" in types(frames)
    item = frames[-1]["item"]
    assert (item["output"], item["x_outcome"]) == (None, outcome)
    assert item["error"] == {"type": "tool_execution_error", "message": "no such zone"}


def test_a_clients_tool_is_a_function_call_that_is_done_at_once() -> None:
    frames = wire(STARTED, call("client"))

    assert types(frames)[1:] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
    ]
    assert frames[1]["item"]["status"] == "in_progress"
    assert frames[-1]["item"]["arguments"] == '{"zone":"UTC"}'
    assert only(frames, "response.function_call_arguments.done")["name"] == "get_time"


def test_a_clients_answer_to_a_call_is_an_item_of_its_own() -> None:
    answer = ev.ToolResult(item_id="item_o", call_id="call_1", name="get_time", output="noon")
    frames = wire(STARTED, call("client"), DONE, answer)

    assert types(frames)[-2:] == ["conversation.item.added", "conversation.item.done"]
    assert frames[-1]["item"]["type"] == "function_call_output"
    assert (frames[-1]["item"]["call_id"], frames[-1]["item"]["output"]) == ("call_1", "noon")


def test_an_approval_and_its_answer_are_items_and_the_call_names_them() -> None:
    asked = ev.ToolApprovalRequested(
        response_id="resp_1",
        item_id="apr_1",
        call_id="call_1",
        output_index=0,
        name="get_time",
        arguments="{}",
    )
    answer = ev.ToolApproval(
        item_id="item_yes",
        approval_id="apr_1",
        approve=True,
        by="ann",
        reason="go on",
        client_event_id="mine",
    )
    going_on = ev.ResponseStarted(response_id="resp_2", provider="demo", model="demo", continues="resp_1")
    made = msgspec.structs.replace(call(), response_id="resp_2", approval_id="apr_1")
    given = msgspec.structs.replace(result("ok"), response_id="resp_2")
    done = msgspec.structs.replace(DONE, response_id="resp_2")
    frames = wire(STARTED, asked, DONE, answer, going_on, made, given, done)
    items = {
        frame["item"]["type"]: frame["item"] for frame in frames if frame["type"] == "conversation.item.done"
    }

    assert items["mcp_approval_request"]["id"] == "apr_1"
    response = items["mcp_approval_response"]
    assert (response["approval_request_id"], response["approve"]) == ("apr_1", True)
    assert (response["reason"], response["x_author"]) == ("go on", "staff")
    assert items["mcp_call"]["approval_request_id"] == "apr_1"
    ends = {
        frame["response"]["id"]: frame["response"] for frame in frames if frame["type"] == "response.done"
    }
    assert [item["type"] for item in ends["resp_1"]["output"]] == ["mcp_approval_request"]
    assert [item["type"] for item in ends["resp_2"]["output"]] == ["mcp_call"]
    assert ends["resp_2"]["x_continues"] == "resp_1"


def test_a_response_that_waits_is_told_and_told_again_when_its_turn_comes() -> None:
    waits = ev.ResponseQueued(
        response_id="resp_2", position=1, item_ids=["item_u"], client_event_id="mine", options={}
    )
    runs = ev.ResponseStarted(
        response_id="resp_2", provider="demo", model="demo", input_item_ids=["item_u"], client_event_id="mine"
    )
    frames = wire(STARTED, waits, DONE, runs)
    created = [frame["response"] for frame in frames if frame["type"] == "response.created"]

    assert [response["id"] for response in created] == ["resp_1", "resp_2", "resp_2"]
    assert created[1]["x_queued"] == {"position": 1}
    assert created[1]["x_client_event_id"] == "mine"
    assert "x_queued" not in created[2]


def test_a_response_that_leaves_the_queue_is_done_without_having_run() -> None:
    waits = ev.ResponseQueued(response_id="resp_2", position=1)
    leaves = ev.ResponseDone(
        response_id="resp_2", status=ev.ResponseStatus.CANCELLED, reason="client_cancelled", waited=True
    )
    frames = wire(STARTED, waits, leaves, DONE)

    ends = [frame["response"] for frame in frames if frame["type"] == "response.done"]
    assert [(end["id"], end["status"], end["output"]) for end in ends[:1]] == [("resp_2", "cancelled", [])]
    assert ends[1]["id"] == "resp_1"


def test_the_output_stands_in_the_order_of_its_indexes_not_of_the_log() -> None:
    text = ev.AssistantMessage(response_id="resp_1", item_id="item_a", output_index=1, text="wait")
    frames = wire(STARTED, text, call(output_index=0), result(), DONE)

    assert [item["id"] for item in frames[-1]["response"]["output"]] == ["item_c", "item_a"]


def test_an_answer_without_a_price_tells_so() -> None:
    done = ev.ResponseDone(
        response_id="resp_1", status=ev.ResponseStatus.COMPLETED, usage=ev.Usage(input_tokens=10)
    )

    assert wire(STARTED, MESSAGE, done)[-1]["response"]["usage"]["x_cost_usd"] is None


def test_a_compaction_is_not_shown_to_clients() -> None:
    assert wire(ev.HistoryCompacted(item_id="item_s", summary="They talked.", through_seq=1)) == []


def test_an_operators_word_is_a_system_message() -> None:
    frames = wire(ev.OperatorMessage(item_id="item_o", text="be kind", author="ann"))

    assert types(frames) == ["conversation.item.added", "conversation.item.done"]
    assert (frames[1]["item"]["role"], frames[1]["item"]["x_author"]) == ("system", "staff")


def test_a_staffs_login_name_is_in_no_frame() -> None:
    word = ev.OperatorMessage(item_id="item_o", text="be kind", author="ann")
    decided = ev.ToolApproval(item_id="item_y", approval_id="apr_1", approve=True, by="ann")
    assert "ann" not in json.dumps(wire(word, decided))
    own = ev.ToolApproval(item_id="item_z", approval_id="apr_1", approve=True, by="client")
    assert wire(own)[-1]["item"]["x_author"] == "client"


def test_a_deleted_item() -> None:
    [frame] = wire(ev.ItemDeleted(item_id="item_u"))

    assert frame == {
        "type": "conversation.item.deleted",
        "event_id": f"event_{SESSION_ID}_1",
        "item_id": "item_u",
    }


def test_a_completed_response_tells_usage_and_timings() -> None:
    done = ev.ResponseDone(
        response_id="resp_1",
        status=ev.ResponseStatus.COMPLETED,
        model="gemini:flash",
        usage=ev.Usage(input_tokens=10, output_tokens=5, cached_tokens=4, reasoning_tokens=2),
        timings=ev.Timings(first_token_ms=80.0, total_ms=200.5, model_ms=190.0, tools_ms=0.0),
        cost_microusd=1_234,
    )
    response = wire(STARTED, MESSAGE, done)[-1]["response"]

    assert response["status"] == "completed"
    assert response["status_details"] is None
    assert response["usage"] == {
        "total_tokens": 15,
        "input_tokens": 10,
        "output_tokens": 5,
        "input_token_details": {"text_tokens": 10, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 4},
        "output_token_details": {"text_tokens": 5, "audio_tokens": 0, "x_reasoning_tokens": 2},
        "x_cost_usd": 0.001234,
    }
    assert response["x_timings"] == {
        "first_token_ms": 80.0,
        "total_ms": 200.5,
        "model_ms": 190.0,
        "tools_ms": 0.0,
    }
    assert (response["x_model"], response["x_client_event_id"]) == ("gemini:flash", "mine_2")
    assert "x_message" not in response


def test_tokens_that_nobody_counted_are_unknown_not_zero() -> None:
    assert wire(STARTED, DONE)[-1]["response"]["usage"] is None


def test_a_failed_response_tells_code_sentence_and_whether_to_try_again() -> None:
    done = ev.ResponseDone(
        response_id="resp_1", status=ev.ResponseStatus.FAILED, reason="model_overloaded", cause="HTTP 529"
    )
    response = wire(STARTED, done)[-1]["response"]

    sentence = "The model is overloaded. Try again in a moment."
    assert response["status_details"] == {
        "type": "failed",
        "x_reason": "model_overloaded",
        "error": {
            "type": "server_error",
            "code": "model_overloaded",
            "message": sentence,
            "x_retryable": True,
        },
    }
    assert response["x_message"] == sentence


@pytest.mark.parametrize(
    ("status", "reason", "vendors_word"),
    [
        ("cancelled", "client_cancelled", "client_cancelled"),
        ("incomplete", "max_output_tokens", "max_output_tokens"),
        ("incomplete", "interrupted", None),
        ("incomplete", "recitation", None),
    ],
)
def test_a_response_cut_short_says_why(status: str, reason: str, vendors_word: str | None) -> None:
    done = ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus(status), reason=reason)
    response = wire(STARTED, done)[-1]["response"]

    assert response["status"] == response["status_details"]["type"] == status
    assert response["status_details"].get("reason") == vendors_word
    assert response["status_details"]["x_reason"] == reason
    assert response["x_message"]


def test_models_that_failed_before_are_told_at_the_end_without_their_vendors_words() -> None:
    failed = ev.ModelAttemptFailed(
        response_id="resp_1", model="gemini:flash", code="model_overloaded", cause="secret", next_model="demo"
    )
    answered = ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED, model="demo")
    frames = wire(STARTED, failed, delta(0, "Hi"), answered)
    response = frames[-1]["response"]

    assert response["x_model"] == "demo"
    assert response["x_failed_attempts"] == [{"model": "gemini:flash", "code": "model_overloaded"}]
    assert "secret" not in str(frames)
    assert "x_failed_attempts" not in wire(STARTED, answered)[-1]["response"]


def test_a_vendors_hint_is_told_with_the_error() -> None:
    done = ev.ResponseDone(
        response_id="resp_1",
        status=ev.ResponseStatus.FAILED,
        reason="model_quota_exceeded",
        retry_after_s=23.456,
    )
    error = wire(STARTED, done)[-1]["response"]["status_details"]["error"]

    assert (error["code"], error["x_retryable"], error["x_retry_after_s"]) == (
        "model_quota_exceeded",
        True,
        23.5,
    )


def test_items_that_the_log_left_open_are_closed_before_the_end() -> None:
    done = ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.INCOMPLETE, reason="interrupted")
    frames = wire(STARTED, delta(0, "Hi"), call(output_index=1), done)

    assert types(frames)[-8:] == [
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.mcp_call.failed",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    text, tool = frames[-1]["response"]["output"]
    assert (text["status"], text["content"]) == ("incomplete", [{"type": "output_text", "text": "Hi"}])
    assert tool["x_outcome"] == "unknown"


@pytest.mark.parametrize(
    "event",
    [
        ev.SessionStarted(model="demo"),
        ev.SessionReopened(model="demo"),
        ev.SessionUpdated(config={"instructions": "x"}),
        ev.SessionEnded(reason=ev.EndReason.LEFT),
        ev.ConnectionOpened(connection_id="c", dialect="plain"),
        ev.ConnectionClosed(connection_id="c", close_code=1000),
        ev.SummaryWritten(summary="s", title="t", model="m"),
        ev.SummaryFailed(error="e", attempts=1),
    ],
    ids=lambda event: event.event_type,
)
def test_what_clients_are_not_shown_gives_no_frame(event: ev.Event) -> None:
    assert wire(event) == []


def test_a_fold_that_was_begun_in_the_middle_of_a_response_is_refused() -> None:
    for event in (delta(0, "Hi"), MESSAGE, call(), DONE):
        with pytest.raises(ReplayGap):
            RealtimeProjector(SESSION_ID).frames(ev.Record(SESSION_ID, 9, BEGAN_AT, event))


def test_a_response_that_is_done_is_forgotten() -> None:
    with pytest.raises(ReplayGap, match="goes on but never started"):
        wire(STARTED, DONE, delta(0, "Hi"))


def test_a_hole_in_a_text_is_refused() -> None:
    with pytest.raises(ReplayGap, match="goes on at character 4, not at 2"):
        wire(STARTED, delta(0, "Hi"), delta(4, "ou"))


def test_records_out_of_order_are_refused() -> None:
    first, second = numbered([ASKED, STARTED])
    projector = RealtimeProjector(SESSION_ID)
    projector.frames(second)

    with pytest.raises(ReplayGap):
        projector.frames(first)


def test_a_whisper_is_in_no_frame() -> None:
    assert wire(ev.OperatorWhispered(item_id="item_w", text="psst", author="ann")) == []
    assert wire(ev.WhisperWithdrawn(item_id="item_w", author="ann")) == []


def test_a_person_is_shown_by_the_name_for_users_and_no_model_is_named() -> None:
    frames = wire(
        ev.OperatorTookOver(item_id="item_t", author="ann", shown_as="Support"),
        ev.ResponseStarted(response_id="resp_p", provider="", model="", shown_as="Support"),
        ev.AssistantMessage(
            response_id="resp_p",
            item_id="item_p",
            output_index=0,
            text="Hi",
            author="ann",
            shown_as="Support",
        ),
        ev.ResponseDone(response_id="resp_p", status=ev.ResponseStatus.COMPLETED, cost_microusd=0),
    )
    done = frames[-1]["response"]
    assert (done["x_person"], "x_model" in done, done["usage"]) == ("Support", False, None)
    assert done["output"][0]["x_person"] == "Support"
    assert "ann" not in str(frames)
