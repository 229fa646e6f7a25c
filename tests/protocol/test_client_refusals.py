"""What a client may not say, and what it is told then."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings

from chat.errors import FrameError, FrameTooLarge
from chat.wire.realtime import client as ce
from chat.wire.realtime.client import decode
from tests.protocol.client_frames import TOOL, create, frame, message, respond, update


def refusal(text: str) -> FrameError:
    with pytest.raises(FrameError) as caught:
        decode(text)
    return caught.value


FILE = "file_" + "0" * 24
BAD = {
    "not json": ("{", "invalid_json", None),
    "empty": ("", "invalid_json", None),
    "two values": ("{} {}", "invalid_json", None),
    "no object": ("[1]", "invalid_event", None),
    "too deep": (
        '{"type":"response.create","response":' + '{"a":' * 70 + "1" + "}" * 71,
        "invalid_json",
        None,
    ),
    "hopelessly deep": ("[" * 30_000, "invalid_json", None),
    "number out of range": ('{"type":"response.cancel","n":1e999}', "invalid_json", None),
    "no type": ('{"event_id":"e"}', "missing_type", "type"),
    "type no string": ('{"type":7}', "missing_type", "type"),
    "unknown type": (frame("session.close"), "unknown_event_type", "type"),
    "audio": (frame("input_audio_buffer.append", audio="AAAA"), "unsupported_event", "type"),
    "truncate": (frame("conversation.item.truncate"), "unsupported_event", "type"),
    "event id empty": ('{"type":"response.cancel","event_id":""}', "invalid_event", "event_id"),
    "event id too long": (
        json.dumps({"type": "response.cancel", "event_id": "x" * 65}),
        "invalid_event",
        "event_id",
    ),
    "unknown field": (frame("response.cancel", respnse_id="r"), "unknown_parameter", "respnse_id"),
    "no session": (frame("session.update"), "missing_required_parameter", "session"),
    "no session type": (frame("session.update", session={}), "missing_required_parameter", "session.type"),
    "transcription": (
        frame("session.update", session={"type": "transcription"}),
        "invalid_event",
        "session.type",
    ),
    "unknown setting": (update(instruction="x"), "unknown_parameter", "session.instruction"),
    "prompt": (update(prompt={"id": "p"}), "unsupported_parameter", "session.prompt"),
    "audio out": (
        respond(output_modalities=["audio"]),
        "unsupported_modality",
        "response.output_modalities[0]",
    ),
    "pictures out": (
        update(output_modalities=["image"]),
        "unsupported_modality",
        "session.output_modalities[0]",
    ),
    "no output": (update(output_modalities=[]), "unsupported_modality", "session.output_modalities"),
    "no tokens": (update(max_output_tokens=0), "invalid_event", "session.max_output_tokens"),
    "tokens true": (update(max_output_tokens=True), "invalid_event", "session.max_output_tokens"),
    "bad choice": (update(tool_choice="any"), "invalid_event", "session.tool_choice"),
    "mcp choice": (update(tool_choice={"type": "mcp"}), "invalid_event", "session.tool_choice.type"),
    "bad policy": (update(x_turn_policy="drop"), "invalid_event", "session.x_turn_policy"),
    "mcp tool": (update(tools=[{"type": "mcp", "name": "m"}]), "invalid_event", "session.tools[0].type"),
    "nested tool": (
        update(tools=[{"type": "function", "function": TOOL}]),
        "missing_required_parameter",
        "session.tools[0].name",
    ),
    "tool's name": (
        update(tools=[{**TOOL, "name": "get weather"}]),
        "invalid_event",
        "session.tools[0].name",
    ),
    "name with line end": (update(tools=[{**TOOL, "name": "x\n"}]), "invalid_event", "session.tools[0].name"),
    "two of a name": (update(tools=[TOOL, TOOL]), "invalid_event", "session.tools[1].name"),
    "too many tools": (
        update(tools=[{"name": f"tool_{n}"} for n in range(129)]),
        "invalid_event",
        "session.tools",
    ),
    "tool takes no object": (
        update(tools=[{**TOOL, "parameters": {"type": "array"}}]),
        "invalid_event",
        "session.tools[0].parameters",
    ),
    "an argument that no vendor takes": (
        update(tools=[{**TOOL, "parameters": {"type": "object", "properties": {"größe": {}}}}]),
        "invalid_event",
        "session.tools[0].parameters",
    ),
    "schema too large": (
        update(tools=[{**TOOL, "parameters": {"description": "x" * 32_768}}]),
        "invalid_event",
        "session.tools[0].parameters",
    ),
    "schema too deep": (
        update(tools=[{**TOOL, "parameters": json.loads('{"a":' * 40 + "1" + "}" * 40)}]),
        "invalid_event",
        "session.tools[0].parameters",
    ),
    "item of no type": (create(id="x"), "missing_required_parameter", "item.type"),
    "item of the server": (create(type="mcp_call", id="x"), "unsupported_item", "item.type"),
    "item of a tool": (message(role="tool"), "invalid_event", "item.role"),
    "words of the model's from the user": (
        message(content=[{"type": "output_text", "text": "Hi"}]),
        "unsupported_content",
        "item.content[0].type",
    ),
    "call without a name": (
        create(type="function_call", call_id="c", arguments="{}"),
        "missing_required_parameter",
        "item.name",
    ),
    "item id": (message(id="a b"), "invalid_event", "item.id"),
    "item id too long": (message(id="a" * 129), "invalid_event", "item.id"),
    "item id of the root": (message(id="root"), "invalid_event", "item.id"),
    "audio part": (
        message(content=[{"type": "input_audio", "audio": "AAAA"}]),
        "unsupported_content",
        "item.content[0].type",
    ),
    "image elsewhere": (
        message(content=[{"type": "input_image", "image_url": "https://example.com/a.png"}]),
        "unsupported_content",
        "item.content[0]",
    ),
    "image without one": (message(content=[{"type": "input_image"}]), "invalid_event", "item.content[0]"),
    "image of the assistant's": (
        message(role="assistant", content=[{"type": "input_image", "file_id": FILE}]),
        "unsupported_content",
        "item.content[0].type",
    ),
    "file with a wrong id": (
        message(content=[{"type": "input_file", "file_id": "file_x"}]),
        "invalid_event",
        "item.content[0].file_id",
    ),
    "file out of the conversation": (
        respond(
            input=[{"type": "message", "role": "user", "content": [{"type": "input_file", "file_id": FILE}]}]
        ),
        "unsupported_content",
        "response.input[0].content[0].type",
    ),
    "files too many": (
        message(content=[{"type": "input_image", "file_id": FILE}] * 6),
        "too_many_files",
        "item.content",
    ),
    "no parts": (message(content=[]), "invalid_event", "item.content"),
    "text no string": (message(7), "invalid_event", "item.content[0].text"),
    "text missing": (
        message(content=[{"type": "input_text"}]),
        "missing_required_parameter",
        "item.content[0].text",
    ),
    "blank": (message(" \n"), "empty_message", "item.content"),
    "nul": (message("a\x00b"), "invalid_text", "item.content[0].text"),
    "nul in a key": (
        update(tools=[{**TOOL, "parameters": {"a\x00": 1}}]),
        "invalid_text",
        "session.tools[0].parameters",
    ),
    "half a pair": (message("a\ud83d"), "invalid_text", "item.content[0].text"),
    "half a pair unescaped": (
        '{"type": "response.cancel", "event_id": "mine_1", "response_id": "\ud83d"}',
        "invalid_text",
        "response_id",
    ),
    "half a pair alone": ("\ud83d", "invalid_json", None),
    "the other half": (message("\ude00"), "invalid_text", "item.content[0].text"),
    "output no string": (
        create(type="function_call_output", call_id="c", output={"a": 1}),
        "invalid_event",
        "item.output",
    ),
    "approve no bool": (
        create(type="mcp_approval_response", approval_request_id="r", approve="yes"),
        "invalid_event",
        "item.approve",
    ),
    "conversation": (respond(conversation="other"), "invalid_event", "response.conversation"),
    "metadata": (respond(metadata={"k": 1}), "invalid_event", "response.metadata[...]"),
    "too much metadata": (
        respond(metadata={str(n): "" for n in range(17)}),
        "invalid_event",
        "response.metadata",
    ),
    "input": (respond(input=[{"type": "mcp_call"}]), "unsupported_item", "response.input[0].type"),
    "blank input": (
        respond(input=[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": ""}]}]),
        "empty_message",
        "response.input[0].content",
    ),
}


@pytest.mark.parametrize(("text", "code", "param"), BAD.values(), ids=BAD.keys())
def test_a_bad_frame_has_its_code_and_names_the_field(text: str, code: str, param: str | None) -> None:
    error = refusal(text)

    assert (error.code, error.param) == (code, param)
    assert error.close_code is None, "a bad frame never costs the connection"


@pytest.mark.parametrize(
    "name", [name for name, (text, _, _) in BAD.items() if '"event_id": "mine_1"' in text]
)
def test_the_error_names_the_clients_event(name: str) -> None:
    assert refusal(BAD[name][0]).event_id == "mine_1"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (respond(output_modalities=["audio"]), '["text"]'),
        (update(tool_choice="any"), '"required"'),
        (update(tools=[{"type": "function", "function": TOOL}]), "flat"),
        (message(content=[{"type": "input_audio"}]), '"input_text"'),
        (frame("session.update", session={}), '"realtime"'),
        (frame("nonsense"), "response.create"),
    ],
)
def test_the_error_says_what_to_do(text: str, hint: str) -> None:
    assert hint in refusal(text).message


def test_the_bounds_of_the_settings_count(settings: Settings) -> None:
    settings.CHAT_MAX_MESSAGE_CHARS = 5
    settings.CHAT_MAX_FRAME_BYTES = 400

    assert decode(message("12345"))
    for text, param in [
        (message("123456"), "item.content"),
        (create(type="function_call_output", call_id="c", output="123456"), "item.output"),
        (update(instructions="123456"), "session.instructions"),
        (respond(instructions="123456"), "response.instructions"),
        (message("x" * 400), None),
    ]:
        error = refusal(text)
        assert isinstance(error, FrameTooLarge)
        assert (error.code, error.param) == ("message_too_large", param)


# Nothing else is ever raised

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=6), children, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ["session", "item", "response", "event_id", "item_id", "response_id", "previous_item_id", "x"]
SETTINGS = [
    *ce.SessionSettings.__struct_fields__,
    *ce.ResponseSettings.__struct_fields__,
    "id",
    "role",
    "content",
]
settings_values = st.dictionaries(st.sampled_from(SETTINGS), json_values, max_size=4)
events = st.fixed_dictionaries(
    {"type": st.sampled_from([*ce.CLIENT_EVENT_TYPES, *ce.AUDIO_EVENT_TYPES]) | json_values},
    optional=dict.fromkeys(FIELDS, json_values | settings_values),
)


@examples(max_examples=300, deadline=None)
@given(st.text(st.characters()) | events.map(json.dumps) | json_values.map(json.dumps))
def test_whatever_comes_gives_an_event_or_a_frame_error(text: str) -> None:
    with contextlib.suppress(FrameError):
        decode(text)


@examples(max_examples=300, deadline=None)
@given(st.sampled_from([message(), update(tools=[TOOL]), respond(metadata={"k": "v"})]), st.data())
def test_a_good_frame_with_something_put_wrong_gives_an_event_or_a_frame_error(
    good: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    with contextlib.suppress(FrameError):
        decode(good[:start] + data.draw(st.text(st.characters(), max_size=4)) + good[end:])
