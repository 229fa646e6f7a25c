"""``docs/protocol.md`` says what the code does: nothing less, nothing more."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest

import chat.errors
import sessions_app.errors
from chat.conf import ChatConf
from chat.wire.codes import REASONS, UNKNOWN_REASON, CloseCode, FrameCode
from chat.wire.realtime import client as client_events
from chat.wire.realtime import objects
from chat.wire.realtime import objects as items
from chat.wire.realtime import server as server_events
from chat.wire.realtime.client import AUDIO_EVENT_TYPES, CLIENT_EVENT_TYPES, decode
from chat.wire.realtime.server import SERVER_EVENT_TYPES, ServerEvent, encode
from tests.protocol import example_log
from tests.protocol.sdk import held

DOCS = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
EXAMPLES = [
    json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
]
CLIENT_EXAMPLES = [example for example in EXAMPLES if example["type"] in CLIENT_EVENT_TYPES]
SERVER_EXAMPLES = [example for example in EXAMPLES if example["type"] in SERVER_EVENT_TYPES]


def section(title: str) -> str:
    """The text under a heading, up to the next one that is not below it."""
    found = re.search(rf"^(#+) {re.escape(title)}$", DOCS, re.MULTILINE)
    assert found is not None, f"docs/protocol.md has no heading {title!r}"
    rest = DOCS[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(title: str) -> list[list[str]]:
    """The cells of the tables in a section, without their heads."""
    lines = re.findall(r"^\|(.*)\|$", section(title), re.MULTILINE)
    table = [[cell.strip() for cell in line.split("|")] for line in lines]
    rules = [index for index, cells in enumerate(table) if set(cells[0]) == {"-"}]
    heads = {index - 1 for index in rules} | set(rules)
    return [cells for index, cells in enumerate(table) if index not in heads]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def structs(*modules: Any) -> Iterator[type[msgspec.Struct]]:
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, msgspec.Struct):
                yield value


def errors() -> dict[str, list[type[Any]]]:
    """The classes of each error code."""
    by_code: dict[str, list[type[Any]]] = {}
    for module in (chat.errors, sessions_app.errors):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(
                value, chat.errors.ChatError | sessions_app.errors.SessionsError
            ):
                by_code.setdefault(value.code, []).append(value)
    return by_code


# Events


def test_every_event_has_a_heading_and_every_heading_is_an_event() -> None:
    client = set(re.findall(r"^### `(.*)`$", section("Client events"), re.MULTILINE))
    server = set(re.findall(r"^### `(.*)`$", section("Server events"), re.MULTILINE))

    assert client == CLIENT_EVENT_TYPES.keys()
    assert server == SERVER_EVENT_TYPES.keys()


def test_every_event_has_an_example_under_its_heading() -> None:
    for event_type in [*CLIENT_EVENT_TYPES, *SERVER_EVENT_TYPES]:
        assert f'"type": "{event_type}"' in section(f"`{event_type}`"), event_type


def test_every_example_is_an_event() -> None:
    assert len(CLIENT_EXAMPLES) + len(SERVER_EXAMPLES) == len(EXAMPLES)


@pytest.mark.parametrize("example", CLIENT_EXAMPLES, ids=lambda example: example["type"])
def test_the_clients_examples_are_taken(example: dict[str, Any]) -> None:
    assert type(decode(json.dumps(example))) is CLIENT_EVENT_TYPES[example["type"]]


@pytest.mark.parametrize("example", SERVER_EXAMPLES, ids=lambda example: example["event_id"])
def test_the_servers_examples_are_frames_that_the_code_makes(example: dict[str, Any]) -> None:
    frame = json.dumps(example)
    held(frame)
    event = msgspec.json.decode(frame, type=ServerEvent)
    assert json.loads(encode(event)) == example
    if not example["event_id"].startswith("evt_"):
        assert event in example_log.frames()


def test_the_order_of_a_turn_is_the_codes() -> None:
    said = re.findall(r"^ +([a-z_.]+)(?:  .*)?$", section("Realtime: a turn"), re.MULTILINE)
    text_only = [event for event in example_log.frames() if _is_of_the_text(event)]
    types = [str(event.__struct_config__.tag) for event in text_only]
    deltas = [name for index, name in enumerate(types) if name != types[index - 1] or index == 0]

    assert said == ["session.created", *deltas]


def _is_of_the_text(event: ServerEvent) -> bool:
    """Of the example's first answer: what is not its tool."""
    fields = json.loads(encode(event))
    place = int(re.split(r"[_.]", fields["event_id"])[2])
    return place <= 9 and place not in (4, 5)


def test_the_audio_events_are_named() -> None:
    assert {name for name in quoted(section("Audio")) if "." in name} == AUDIO_EVENT_TYPES


def test_every_kind_of_item_is_named() -> None:
    kinds = {str(cls.__struct_config__.tag) for cls in structs(items) if cls.__name__.endswith("Item")}
    named = {quoted(cells[0])[0] for cells in rows("`conversation.item.done`")}

    assert named == kinds


# Fields


def test_every_field_of_ours_is_named_and_no_other() -> None:
    ours = {
        name
        for cls in structs(server_events, items, objects, client_events)
        for name in cls.__struct_fields__
        if name.startswith("x_")
    }
    in_table = {name for cells in rows("Fields of ours") for name in quoted(cells[0])}

    assert in_table == ours
    events = {name.split(".")[0] for name in (*CLIENT_EVENT_TYPES, *SERVER_EVENT_TYPES) if name[:2] == "x_"}
    anchors = {name.replace(".", "") for name in (*CLIENT_EVENT_TYPES, *SERVER_EVENT_TYPES) if "." in name}
    assert set(re.findall(r"\bx_[a-z_]+", DOCS)) - anchors == ours | events


@pytest.mark.parametrize("cls", [objects.StreamInfo, objects.Timings])
def test_the_fields_of_our_objects_are_named(cls: type[msgspec.Struct]) -> None:
    for name in cls.__struct_fields__:
        assert f'"{name}"' in DOCS or f"`{name}`" in DOCS, name


def test_every_setting_is_named_with_what_becomes_of_it() -> None:
    in_table = {quoted(cells[0])[0] for cells in rows("`session.update`")}
    text = section("`session.update`") + section("`response.create`")

    assert in_table == set(EXAMPLES[0]["session"])
    for cls in (client_events.SessionSettings, client_events.ResponseSettings):
        for name in cls.__struct_fields__:
            assert f"`{name}`" in text or f'"{name}"' in text, name


def test_every_reason_is_named() -> None:
    named = [quoted(cells[0])[0] for cells in rows("`response.done`") if quoted(cells[0])]

    assert set(named) - {UNKNOWN_REASON} == REASONS.keys()
    assert UNKNOWN_REASON in named


# Codes


def test_every_error_code_is_named_and_no_other() -> None:
    named = [quoted(cells[0])[0] for cells in rows("Error codes")]

    assert len(named) == len(set(named))
    assert set(named) == {*errors(), *FrameCode}


def test_error_codes_tell_their_close_code_and_whether_to_try_again() -> None:
    for code, close, again, advice in rows("Error codes"):
        for cls in errors().get(code.strip("`"), [chat.errors.FrameError]):
            assert close == str(cls.close_code or "–"), cls
            assert again == ("yes" if cls.retryable else "no"), cls
        assert advice


def test_every_close_code_is_named_with_its_meaning_and_no_other() -> None:
    assert [(cells[0], cells[1]) for cells in rows("Close codes")] == [
        (str(int(code)), code.meaning) for code in CloseCode
    ]
    assert all(cells[2] for cells in rows("Close codes"))


def test_the_limits_are_the_settings_defaults() -> None:
    defaults = {f"CHAT_{field.name.upper()}": field.default for field in fields(ChatConf)}
    codes = {*errors(), *FrameCode}
    for name, default, consequence in rows("Limits"):
        assert float(default) == float(defaults[name.strip("`")]), name  # type: ignore[arg-type]
        assert set(quoted(consequence)) <= codes
        for close in re.findall(r"\b\d{4}\b", consequence):
            assert int(close) in set(CloseCode)
