"""The judge itself: it must be able to say no."""

import json
from typing import Any

import pydantic
import pytest

from tests.protocol.sdk import SDK_SERVER_EVENTS, validated

ITEM = {"id": "item_1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
ADDED: dict[str, Any] = {"type": "conversation.item.added", "event_id": "event_1", "item": ITEM}


def changed(**changes: Any) -> str:
    return json.dumps({**ADDED, **changes})


def test_a_good_frame_passes() -> None:
    event = validated(changed(x_extra={"anything": 1}))

    assert type(event).__name__ == "ConversationItemAdded"


@pytest.mark.parametrize(
    "frame",
    [
        json.dumps({"type": "conversation.item.added", "event_id": "event_1"}),
        changed(event_id=7),
        changed(item={**ITEM, "role": "robot"}),
        changed(item={**ITEM, "content": [{"type": "text", "text": "hi"}]}),
        changed(item={**ITEM, "content": [{"type": "input_text", "text": 3}]}),
        changed(item={"type": "mcp_call", "id": "x", "name": "n", "arguments": "{}"}),
    ],
    ids=["field missing", "wrong type", "wrong role", "wrong part", "wrong text", "item's field missing"],
)
def test_what_does_not_fit_the_vendors_types_fails(frame: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        validated(frame)


@pytest.mark.parametrize(
    "frame",
    [
        changed(undeclared=1),
        changed(item={**ITEM, "undeclared": 1}),
        changed(item={**ITEM, "content": [{"type": "input_text", "text": "hi", "undeclared": 1}]}),
        changed(type="conversation.item.invented"),
    ],
    ids=["event", "item", "part", "type"],
)
def test_what_the_vendor_does_not_declare_fails(frame: str) -> None:
    with pytest.raises(AssertionError):
        validated(frame)


def test_the_judge_knows_all_the_vendors_events() -> None:
    assert {"response.output_text.delta", "session.created", "error"} < SDK_SERVER_EVENTS.keys()
    assert len(SDK_SERVER_EVENTS) > 40
