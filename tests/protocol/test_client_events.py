"""What a client may say, and what it comes to."""

from typing import Any

import msgspec
import pytest
from openai.types import realtime as sdk
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from openai.types.realtime.realtime_response_create_params import RealtimeResponseCreateParams
from openai.types.realtime.realtime_session_create_request import RealtimeSessionCreateRequest

from chat.wire.realtime import client as ce
from chat.wire.realtime.client import decode
from tests.protocol.client_frames import TOOL, create, frame, message, respond, update


def test_a_message() -> None:
    event = decode(message(id="item_1", status="completed", object="realtime.item"))

    assert isinstance(event, ce.ItemCreate)
    assert event.event_id == "mine_1"
    assert isinstance(event.item, ce.Message)
    assert (event.item.id, event.item.role, event.item.text) == ("item_1", "user", "Hello")


def test_the_parts_of_a_message_are_paragraphs() -> None:
    parts = [{"type": "input_text", "text": text} for text in ("one", "two")]
    event = decode(create(type="message", role="system", content=parts))

    assert isinstance(event, ce.ItemCreate)
    assert isinstance(event.item, ce.Message)
    assert event.item.text == "one\n\ntwo"


def test_a_tools_output_and_an_approval() -> None:
    output = decode(create(type="function_call_output", call_id="call_1", output=""))
    approval = decode(
        create(type="mcp_approval_response", id="a", approval_request_id="apr_1", approve=False)
    )

    assert isinstance(output, ce.ItemCreate)
    assert output.item == ce.NewFunctionCallOutput(call_id="call_1", output="")
    assert isinstance(approval, ce.ItemCreate)
    assert approval.item == ce.NewApprovalResponse(id="a", approval_request_id="apr_1", approve=False)


def test_retrieve_delete_and_cancel() -> None:
    assert decode('{"type": "conversation.item.retrieve", "item_id": "i"}') == ce.ItemRetrieve(item_id="i")
    assert decode('{"type": "conversation.item.delete", "item_id": "i"}') == ce.ItemDelete(item_id="i")
    assert decode('{"type": "response.cancel"}') == ce.ResponseCancel()
    assert decode('{"type": "response.cancel", "response_id": "r"}') == ce.ResponseCancel(response_id="r")


def test_settings_come_out_as_the_log_keeps_them() -> None:
    event = decode(
        update(
            instructions="Be brief.",
            tools=[TOOL, {"name": "ping"}],
            tool_choice={"type": "function", "name": "ping"},
            max_output_tokens="inf",
            output_modalities=["text"],
            x_turn_policy="interrupt",
        )
    )

    assert isinstance(event, ce.SessionUpdate)
    assert event.session.changes() == {
        "instructions": "Be brief.",
        "tools": [TOOL, {"type": "function", "name": "ping", "description": ""}],
        "tool_choice": {"type": "function", "name": "ping"},
        "max_output_tokens": "inf",
        "turn_policy": "interrupt",
    }


def test_only_what_was_given_is_a_change_and_null_is_not_given() -> None:
    event = decode(update(instructions="", tools=[], tool_choice=None, max_output_tokens=None))

    assert isinstance(event, ce.SessionUpdate)
    assert event.session.changes() == {"instructions": "", "tools": []}


def test_a_response_with_everything() -> None:
    event = decode(
        respond(
            instructions="x",
            metadata={"k": "v"},
            max_output_tokens=5,
            tool_choice="required",
            conversation="none",
            input=[
                {"type": "item_reference", "id": "item_1"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
                {"type": "function_call", "call_id": "c", "name": "ping", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "pong"},
            ],
        )
    )

    assert isinstance(event, ce.ResponseCreate)
    assert event.response is not None
    assert event.response.conversation == "none"
    assert [type(item).__name__ for item in event.response.input or ()] == [
        "ItemReference",
        "Message",
        "FunctionCall",
        "NewFunctionCallOutput",
    ]
    assert event.response.changes() == {
        "instructions": "x",
        "metadata": {"k": "v"},
        "max_output_tokens": 5,
        "tool_choice": "required",
        "conversation": "none",
        "input": [
            {"type": "item_reference", "id": "item_1"},
            {
                "type": "message",
                "id": None,
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi"}],
            },
            {"type": "function_call", "id": None, "call_id": "c", "name": "ping", "arguments": "{}"},
            {"type": "function_call_output", "id": None, "call_id": "c", "output": "pong"},
        ],
    }


def test_a_response_with_nothing() -> None:
    assert decode('{"type": "response.create"}') == ce.ResponseCreate()
    assert decode('{"type": "response.create", "response": null, "event_id": null}') == ce.ResponseCreate()


def test_settings_for_audio_and_for_the_vendors_house_are_ignored() -> None:
    event = decode(
        update(
            audio={"input": {"turn_detection": None}, "output": {"voice": "marin"}},
            include=None,
            parallel_tool_calls=True,
            reasoning={"effort": "low"},
            tracing="auto",
            truncation="auto",
        )
    )

    assert isinstance(event, ce.SessionUpdate)
    assert event.session.changes() == {}


# The vendor's own types against ours


@pytest.mark.parametrize(
    ("vendors", "ours"),
    [(RealtimeSessionCreateRequest, ce.SessionSettings), (RealtimeResponseCreateParams, ce.ResponseSettings)],
)
def test_every_setting_that_the_sdk_knows_has_been_decided_on(
    vendors: Any, ours: type[msgspec.Struct]
) -> None:
    assert set(vendors.model_fields) <= set(ours.__struct_fields__)


def test_every_client_event_that_the_sdk_knows_has_been_decided_on() -> None:
    members = RealtimeClientEvent.__args__[0].__args__  # type: ignore[attr-defined]
    vendors = {member.model_fields["type"].annotation.__args__[0] for member in members}

    ours = {name for name in ce.CLIENT_EVENT_TYPES if name.startswith("x_")}
    assert vendors == (set(ce.CLIENT_EVENT_TYPES) | ce.AUDIO_EVENT_TYPES) - ours


@pytest.mark.parametrize("rating", ["up", "down", "none"])
def test_feedback(rating: str) -> None:
    event = decode(frame("x_feedback.give", item_id="a", rating=rating, comment="No."))
    assert event == ce.FeedbackGive(event_id="mine_1", item_id="a", rating=rating, comment="No.")  # type: ignore[arg-type]


def test_a_version_and_what_a_message_replaces() -> None:
    assert decode(frame("x_version.choose", item_id="a")) == ce.VersionChoose(event_id="mine_1", item_id="a")
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    event = decode(frame("conversation.item.create", item=said, x_replaces="b"))
    assert isinstance(event, ce.ItemCreate)
    assert event.x_replaces == "b"


def test_what_the_sdks_models_send_is_taken() -> None:
    items: list[Any] = [
        sdk.RealtimeConversationItemUserMessage(
            type="message",
            role="user",
            content=[{"type": "input_text", "text": "Hi"}],  # type: ignore[list-item]
        ),
        sdk.RealtimeConversationItemFunctionCallOutput(type="function_call_output", call_id="c", output="o"),
        sdk.RealtimeMcpApprovalResponse(
            type="mcp_approval_response", id="a", approval_request_id="r", approve=True
        ),
    ]
    for item in items:
        event = sdk.ConversationItemCreateEvent(
            type="conversation.item.create", item=item, previous_item_id="root"
        )
        assert isinstance(decode(event.to_json(exclude_unset=True)), ce.ItemCreate)
        assert isinstance(decode(event.to_json(exclude_unset=False)), ce.ItemCreate)
