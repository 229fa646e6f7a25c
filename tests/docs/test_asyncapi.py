"""The sockets' frames as AsyncAPI has them, checked in: current, whole, and true of the examples in the docs."""

import json
import re
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from chat.wire.realtime.client import CLIENT_EVENT_TYPES
from chat.wire.realtime.server import SERVER_EVENT_TYPES
from tests.docs import asyncapi
from tests.protocol.test_protocol_docs import CLIENT_EXAMPLES, SERVER_EXAMPLES

DOCUMENT = json.loads(asyncapi.FILE.read_text(encoding="utf-8"))
MESSAGES = DOCUMENT["components"]["messages"]


def test_the_document_is_current() -> None:
    assert asyncapi.FILE.read_text(encoding="utf-8") == asyncapi.text(), "python -m tests.docs.asyncapi"


def test_every_frame_is_a_message_of_both_channels() -> None:
    named = {(*name.split(".", 1)[:1], message.get("name")) for name, message in MESSAGES.items()}
    told = {("client", one) for one in CLIENT_EVENT_TYPES} | {("server", one) for one in SERVER_EVENT_TYPES}
    assert named == told | {("text", None)}
    for channel in DOCUMENT["channels"].values():
        assert channel["messages"].keys() | {"text"} == MESSAGES.keys()
    sent = DOCUMENT["operations"]["realtime.send"]["messages"]
    assert len(sent) == len(SERVER_EVENT_TYPES)


def test_every_reference_leads_somewhere() -> None:
    for place in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT))):
        found: Any = DOCUMENT
        for name in place.split("/"):
            found = found[name]


@pytest.mark.parametrize("example", CLIENT_EXAMPLES, ids=lambda example: example["type"])
def test_the_clients_examples_fit(example: dict[str, Any]) -> None:
    _check("client", example)


@pytest.mark.parametrize("example", SERVER_EXAMPLES, ids=lambda example: example["event_id"])
def test_the_servers_examples_fit(example: dict[str, Any]) -> None:
    _check("server", example)


def test_another_type_does_not_fit() -> None:
    with pytest.raises(jsonschema.ValidationError):
        _check("server", {**SERVER_EXAMPLES[0], "event_id": 5})


def _check(side: str, example: dict[str, Any]) -> None:
    payload = MESSAGES[f"{side}.{example['type']}"]["payload"]
    jsonschema.validate(example, {**payload, "components": DOCUMENT["components"]})
