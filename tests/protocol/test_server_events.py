"""The closed set of the server's frames, and those that are no part of the log."""

import json
from typing import Any

import msgspec
import pytest

from chat.errors import ActiveResponse, ChatError, FrameError, ItemNotFound, ProviderError
from chat.wire.codes import FrameCode
from chat.wire.realtime.dialect import error_event, item_retrieved, session_created, session_updated
from chat.wire.realtime.objects import SessionObject, StreamInfo, item_of
from chat.wire.realtime.server import SERVER_EVENT_TYPES, ServerEvent, encode, frames_of
from sessions_app.errors import JournalFull, SessionNotFound, SessionsError
from sessions_app.log import events as ev
from tests.protocol.logs import BEGAN_AT, SESSION_ID
from tests.protocol.sdk import SDK_SERVER_EVENTS, held

TOOL = {"type": "function", "name": "ping", "description": "", "parameters": {"type": "object"}}
SESSION = SessionObject(
    id="s1",
    model="demo",
    instructions="Be brief.",
    tools=[TOOL],
    tool_choice={"type": "function", "name": "ping"},
    max_output_tokens=50,
    expires_at=1_800_000_000,
)
STREAM = StreamInfo(
    session_id="s1", resumed=False, last_event_id="event_s1_0", status="idle", resume_token="its-secret"
)


def subclasses(cls: type[Any]) -> list[type[Any]]:
    return [cls, *(deeper for sub in cls.__subclasses__() for deeper in subclasses(sub))]


def said(event: ServerEvent) -> dict[str, Any]:
    frame = encode(event)
    held(frame)
    assert msgspec.json.decode(frame, type=ServerEvent) == event
    fields: dict[str, Any] = json.loads(frame)
    return fields


def test_every_type_is_one_of_the_vendors_or_says_that_it_is_ours() -> None:
    vendors = {name for name in SERVER_EVENT_TYPES if not name.startswith("x_")}
    assert vendors < SDK_SERVER_EVENTS.keys()
    assert not [name for name in SDK_SERVER_EVENTS if name.startswith("x_")]


@pytest.mark.parametrize("rating", ev.Rating)
def test_feedback_is_told_whole(rating: ev.Rating) -> None:
    event = ev.FeedbackGiven(item_id="a", rating=rating, reason="wrong", comment="No.")
    (frame,) = frames_of(event)
    assert said(frame) == {
        "type": "x_feedback.given",
        "event_id": "",
        "item_id": "a",
        "rating": rating,
        "reason": "wrong",
        "comment": "No.",
    }


def test_an_undeclared_field_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(
            '{"type":"conversation.item.deleted","event_id":"e","item_id":"i","x":1}', type=ServerEvent
        )


def test_session_created_tells_the_settings_and_the_place_in_the_stream() -> None:
    frame = said(session_created(SESSION, STREAM, notice="demo model: no key set"))

    assert frame["event_id"].startswith("evt_")
    assert frame["session"] == {
        "type": "realtime",
        "object": "realtime.session",
        "id": "s1",
        "model": "demo",
        "output_modalities": ["text"],
        "instructions": "Be brief.",
        "tools": [TOOL],
        "tool_choice": {"type": "function", "name": "ping"},
        "max_output_tokens": 50,
        "expires_at": 1_800_000_000,
        "x_turn_policy": "enqueue",
    }
    assert frame["x_notice"] == "demo model: no key set"
    assert frame["x_stream"] == {
        "session_id": "s1",
        "resumed": False,
        "last_event_id": "event_s1_0",
        "status": "idle",
        "resume_token": "its-secret",
    }


def test_what_is_not_there_to_tell_stays_out() -> None:
    session = SessionObject(id="s1", model="demo", instructions="", tools=[])
    frame = said(session_created(session, STREAM))

    assert "x_notice" not in frame
    assert "truncated_to" not in frame["x_stream"]
    assert "expires_at" not in frame["session"]
    assert said(session_updated(session))["session"]["max_output_tokens"] == "inf"


@pytest.mark.parametrize(
    "cls",
    [
        cls
        for cls in (*subclasses(ChatError), *subclasses(SessionsError))
        if cls.__module__.endswith(".errors")
    ],
    ids=lambda cls: cls.__name__,
)
def test_every_error_makes_a_valid_frame(cls: type[ChatError] | type[SessionsError]) -> None:
    frame = said(error_event(cls(), event_id="mine_1"))

    assert frame["error"]["code"] == cls.code
    assert frame["error"]["type"] in {"invalid_request_error", "server_error"}
    assert frame["error"]["event_id"] == "mine_1"
    assert frame["error"]["x_retryable"] is cls.retryable
    assert frame["error"]["message"].strip()


def test_an_error_tells_the_field_and_the_clients_event() -> None:
    error = FrameError("Wrong.", code=FrameCode.INVALID_TEXT, param="item.id", event_id="mine_1")

    assert said(error_event(error, event_id="ignored"))["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_text",
        "message": "Wrong.",
        "param": "item.id",
        "event_id": "mine_1",
        "x_retryable": False,
    }


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        (ActiveResponse(), "invalid_request_error"),
        (ItemNotFound(), "invalid_request_error"),
        (SessionNotFound(), "invalid_request_error"),
        (ProviderError(), "server_error"),
        (JournalFull(), "server_error"),
    ],
    ids=lambda value: getattr(value, "code", value),
)
def test_an_error_says_whose_fault_it_is(error: ChatError | SessionsError, error_type: str) -> None:
    assert said(error_event(error))["error"]["type"] == error_type


CALL = ev.ToolCall(response_id="r", item_id="c", call_id="c1", output_index=0, name="ping", arguments="{}")
CLIENT_CALL = msgspec.structs.replace(CALL, location="client")
RESULT = ev.ToolResult(item_id="c", call_id="c1", name="ping", output="pong", response_id="r")


@pytest.mark.parametrize(
    ("event", "item_type", "part_of_it"),
    [
        (ev.UserMessage(item_id="u", text="Hi"), "message", {"role": "user", "id": "u"}),
        (ev.OperatorMessage(item_id="o", text="Hi", author="ann"), "message", {"role": "system"}),
        (
            ev.OperatorTookOver(item_id="t", author="ann", shown_as="Our support"),
            "message",
            {"role": "system", "x_operator": "took_over", "x_person": "Our support"},
        ),
        (
            ev.OperatorHandedBack(item_id="b", author="ann", shown_as="Our support"),
            "message",
            {"role": "system", "x_operator": "handed_back", "x_person": "Our support"},
        ),
        (
            ev.AssistantMessage(
                response_id="r", item_id="a", output_index=0, text="Hi", status=ev.TextStatus.INCOMPLETE
            ),
            "message",
            {"role": "assistant", "status": "incomplete", "content": [{"type": "output_text", "text": "Hi"}]},
        ),
        (CLIENT_CALL, "function_call", {"call_id": "c1", "arguments": "{}"}),
        (CALL, "mcp_call", {"output": "pong", "arguments": "{}"}),
        (msgspec.structs.replace(RESULT, response_id=None), "function_call_output", {"output": "pong"}),
        (
            ev.ToolApprovalRequested(
                response_id="r", item_id="apr", call_id="c1", output_index=0, name="ping", arguments="{}"
            ),
            "mcp_approval_request",
            {"id": "apr"},
        ),
        (
            ev.ToolApproval(item_id="yes", approval_id="apr", approve=True, by="ann"),
            "mcp_approval_response",
            {"approve": True},
        ),
    ],
    ids=lambda value: getattr(value, "event_type", None),
)
def test_an_item_is_retrieved_as_its_record_has_it(
    event: ev.Event, item_type: str, part_of_it: dict[str, Any]
) -> None:
    item = item_of(ev.Record(SESSION_ID, 1, BEGAN_AT, event), ev.Record(SESSION_ID, 2, BEGAN_AT, RESULT))
    assert item is not None
    frame = said(item_retrieved(item))

    assert frame["item"]["type"] == item_type
    assert frame["item"].items() >= part_of_it.items()


def test_a_call_that_has_no_result_yet_is_retrieved_without() -> None:
    item = item_of(ev.Record(SESSION_ID, 1, BEGAN_AT, CALL))
    assert item is not None

    assert said(item_retrieved(item))["item"]["output"] is None


def test_a_record_that_made_no_item_has_none() -> None:
    assert item_of(ev.Record(SESSION_ID, 1, BEGAN_AT, ev.SessionEnded(reason=ev.EndReason.LEFT))) is None
