"""The contract of all providers: calls, their results, and who decides whether there are any."""

import json
from typing import Any, NamedTuple
from unittest.mock import AsyncMock

import mcp_types as types
import pytest

from chat.llm.provider import (
    FinishReason,
    HistoryItem,
    OperatorText,
    Provider,
    ToolCallItem,
    ToolResultItem,
    ToolSpec,
    UserText,
)
from chat.session.commands import SessionConfig
from chat.tools.beside import Room, ToolLoop
from chat.tools.mcp.config import McpServer
from chat.tools.mcp.offers import offers_of
from chat.tools.schema import make_tool
from tests.contract.asking import HELLO, ask, events, sent_for
from tests.contract.vendor import JSON, Call, Reply, Vendor
from tests.providers.rounds import (
    GET_PROFILE,
    GET_TIME,
    calls_of,
    end_of,
    joined,
    remembered,
    result,
)

TOOLS = [GET_TIME, GET_PROFILE]


async def called(
    vendor: Vendor, provider: Provider, *calls: Call, text: tuple[str, ...] = ()
) -> list[HistoryItem]:
    """What the history holds after a round that asked for these calls."""
    vendor.then(Reply(text=text, calls=calls))
    return remembered(await events(provider, ask(vendor, "What time is it?", tools=TOOLS)))


def calls_in(items: list[HistoryItem]) -> list[ToolCallItem]:
    return [item for item in items if isinstance(item, ToolCallItem)]


async def test_a_tool_is_asked_for_and_answered(vendor: Vendor, provider: Provider) -> None:
    vendor.then(Reply(calls=(Call("get_time", {"zone": "Asia/Tokyo"}),)), Reply(text=("It is noon.",)))
    got = await events(provider, ask(vendor, "What time is it?", tools=TOOLS))
    [call] = calls_of(got)
    assert (call.name, json.loads(call.arguments)) == ("get_time", {"zone": "Asia/Tokyo"})
    assert call.call_id.startswith("call_")
    assert end_of(got).finish is FinishReason.TOOL_CALLS
    history = ["What time is it?", *remembered(got), result(call, "noon")]
    got = await events(provider, ask(vendor, *history, tools=TOOLS))
    assert joined(got) == "It is noon."
    [asked], [answered] = vendor.sent[-1].of("call"), vendor.sent[-1].of("result")
    assert (asked.name, json.loads(asked.text)) == ("get_time", {"zone": "Asia/Tokyo"})
    assert (answered.link, answered.text) == (asked.link, "noon")


async def test_parallel_calls_come_in_order_with_ids_of_their_own(vendor: Vendor, provider: Provider) -> None:
    items = await called(
        vendor,
        provider,
        Call("get_time", {"zone": "UTC"}),
        Call("get_my_profile"),
        Call("get_time", {"zone": "Asia/Tokyo"}),
    )
    calls = calls_in(items)
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("get_time", {"zone": "UTC"}),
        ("get_my_profile", {}),
        ("get_time", {"zone": "Asia/Tokyo"}),
    ]
    assert len({call.call_id for call in calls}) == 3
    outputs = [result(call, f"output {n}") for n, call in enumerate(calls)]
    sent = await sent_for(vendor, provider, "Hi", *items, *reversed(outputs), tools=TOOLS)
    answered = {entry.link: entry.text for entry in sent.of("result")}
    assert [answered[entry.link] for entry in sent.of("call")] == ["output 0", "output 1", "output 2"]


async def test_text_before_a_call_is_said_and_sent_back_before_it(vendor: Vendor, provider: Provider) -> None:
    items = await called(vendor, provider, Call("get_time", {"zone": "UTC"}), text=("One ", "moment."))
    sent = await sent_for(
        vendor, provider, "What time is it?", *items, result(calls_in(items)[0], "noon"), tools=TOOLS
    )
    assert "".join(entry.text for entry in sent.of("assistant")) == "One moment."
    kinds = [entry.kind for entry in sent.of("assistant", "call", "result")]
    assert list(dict.fromkeys(kinds)) == ["assistant", "call", "result"]


async def test_rounds_of_one_turn_stay_apart(vendor: Vendor, provider: Provider) -> None:
    history: list[HistoryItem | str] = ["What time is it, here and there?"]
    for zone in ("UTC", "Asia/Tokyo"):
        vendor.then(Reply(calls=(Call("get_time", {"zone": zone}),)))
        items = remembered(await events(provider, ask(vendor, *history, tools=TOOLS)))
        history += [*items, result(calls_in(items)[0], f"noon in {zone}")]
    sent = await sent_for(vendor, provider, *history, tools=TOOLS)
    assert [entry.kind for entry in sent.of("call", "result")] == ["call", "result", "call", "result"]


async def test_a_tool_that_failed_is_told_apart_from_one_that_worked(
    vendor: Vendor, provider: Provider
) -> None:
    call = ToolCallItem("i", "call_1", "get_time", '{"zone": "Nowhere"}')
    texts = []
    for is_error in (False, True):
        outcome = result(call, "There is no such zone.", is_error=is_error)
        sent = await sent_for(vendor, provider, "Hi", call, outcome, tools=TOOLS)
        [entry] = sent.of("result", "error")
        texts.append(entry.text)
        assert "There is no such zone." in entry.text
        assert (entry.kind == "error") is (is_error and vendor.says_tool_errors)
    assert vendor.says_tool_errors or texts[0] != texts[1]


@pytest.mark.parametrize("choice", ["auto", "none", "required", "get_time"])
async def test_tool_choice(vendor: Vendor, provider: Provider, choice: str) -> None:
    sent = await sent_for(vendor, provider, "Hi", tools=TOOLS, tool_choice=choice)
    assert sent.tool_choice == choice
    assert sent.tools == ["get_time", "get_my_profile"]


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
async def test_a_choice_without_tools_is_no_error(vendor: Vendor, provider: Provider, choice: str) -> None:
    assert (await sent_for(vendor, provider, "Hi", tool_choice=choice)).tool_choice == "auto"


async def test_calls_in_the_history_need_no_tools_in_the_request(vendor: Vendor, provider: Provider) -> None:
    """A tool may be withdrawn from one turn to the next."""
    items = await called(vendor, provider, Call("get_time", {"zone": "UTC"}))
    sent = await sent_for(vendor, provider, "Hi", *items, result(calls_in(items)[0], "noon"), "And now?")
    assert [entry.text for entry in sent.of("result")] == ["noon"]


@pytest.mark.parametrize(
    "extra",
    [
        None,
        {"another": {"id": "x", "model": "y"}},
        {"gemini": {"id": "g", "thought_signature": "c2ln", "model": "gemini-2"}},
        {
            "openai": {
                "id": "o",
                "model": "gpt-4",
                "reasoning": [{"type": "reasoning", "id": "rs_1", "summary": []}],
            }
        },
    ],
    ids=["none", "unknown", "gemini", "openai"],
)
async def test_calls_of_another_model_are_acceptable(
    vendor: Vendor, provider: Provider, extra: JSON | None
) -> None:
    calls = [ToolCallItem(f"i{n}", f"call_{n}", "get_time", '{"zone":"UTC"}', extra) for n in (1,)]
    sent = await sent_for(
        vendor, provider, "Hi", *calls, *[result(one, "noon") for one in calls], tools=TOOLS
    )
    assert [entry.kind for entry in sent.of("call", "result")] == ["call", "result"]


async def test_words_right_behind_results_follow_them(vendor: Vendor, provider: Provider) -> None:
    """An answer that was stopped behind its tools; staff who whisper to one that goes on."""
    items = await called(vendor, provider, Call("get_time", {"zone": "UTC"}))
    for words in (UserText("i", "And now?"), OperatorText("i", "And now?")):
        history = ["Hi", *items, result(calls_in(items)[0], "noon"), words]
        sent = await sent_for(vendor, provider, *history, tools=TOOLS)
        kinds = [entry.kind for entry in sent.of("result", "user", "operator")]
        assert kinds[-2:] in (["result", "user"], ["result", "operator"])
        assert "And now?" in sent.of("user", "operator")[-1].text


@pytest.mark.parametrize("arguments", ['{"zone": ', '"UTC"', "[1]", ""])
async def test_arguments_that_are_no_object_reach_the_engine_and_go_back_readable(
    vendor: Vendor, provider: Provider, arguments: str
) -> None:
    call = ToolCallItem("i", "call_1", "get_time", arguments)
    if vendor.calls_are_text and arguments:
        vendor.then(Reply(calls=(Call("get_time", arguments),)))
        [asked] = calls_of(await events(provider, ask(vendor, "Hi", tools=TOOLS)))
        assert asked.arguments == arguments
    sent = await sent_for(vendor, provider, "Hi", call, result(call, "bad", is_error=True), tools=TOOLS)
    [entry] = sent.of("call")
    assert isinstance(json.loads(entry.text), dict)
    assert json.dumps(arguments)[1:-1] in entry.text


async def test_a_call_without_a_result_is_answered_for(vendor: Vendor, provider: Provider) -> None:
    calls = [ToolCallItem(f"i{n}", f"call_{n}", "get_time", "{}") for n in (1, 2)]
    sent = await sent_for(vendor, provider, "Hi", *calls, result(calls[0], "noon"), "And?", tools=TOOLS)
    answered = {entry.link: entry.text for entry in sent.of("result", "error")}
    assert [bool(answered[call.link]) for call in sent.of("call")] == [True, True]


async def test_a_result_without_a_call_is_left_out(vendor: Vendor, provider: Provider) -> None:
    stray = ToolResultItem("i", "call_gone", "get_time", "noon")
    sent = await sent_for(vendor, provider, "Hi", stray, "And?")
    assert sent.of("result", "error", "call") == []


@pytest.mark.parametrize(
    "output", ["", "\n", "plain words", '{"a": [1, 2]}', "[1, 2]", '{"a": NaN}', "x" * 32_000]
)
async def test_any_output_is_acceptable(vendor: Vendor, provider: Provider, output: str) -> None:
    call = ToolCallItem("i", "call_1", "get_time", "{}")
    vendor.then(HELLO)
    asked = ask(vendor, "Hi", call, result(call, output), tools=TOOLS)
    assert joined(await events(provider, asked)) == "Hello"


class Pin(NamedTuple):
    lat: float
    name: str = "here"


def tag(order: int, tags: list, pins: list[Pin], pair: tuple[int, str], table: dict[str, list[Any]]) -> str:  # type: ignore[type-arg]
    """Tag an order."""
    return "done"


FOREIGN: dict[str, JSON] = {
    "an array of nothing": {"type": "object", "properties": {"tags": {"type": "array"}}},
    "a choice at the top": {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["b"]}]},
    "references": {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"type": ["string", "null"], "enum": ["", "x"]}},
    },
    "what is required is no property": {"type": "object", "properties": {"a": {}}, "required": ["b"]},
    "a type of nobody's": {
        "type": "object",
        "properties": {"a": {"type": "any", "items": [{"type": "int"}]}},
    },
    "bounds as an older draft had them": {
        "type": "object",
        "properties": {"ttl": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": "9"}},
    },
    "patterns of JavaScript's, and without ends": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": "^(?!__)[^\\p{Cc}]{1,200}$", "maxLength": 10_000},
            "word": {"type": "string", "pattern": "\\S", "description": "Of any language."},
        },
    },
    "nothing": {},
}


def clients(parameters: JSON) -> list[ToolSpec]:
    tools = [{"type": "function", "name": "get_time", "parameters": parameters}]
    return SessionConfig(tools=tools).client_tools()


async def test_a_function_of_any_types_is_taken(vendor: Vendor, provider: Provider) -> None:
    sent = await sent_for(vendor, provider, "Hi", tools=[make_tool(tag).spec])
    assert sent.tools == ["tag"]
    assert vendor.refusals == []


@pytest.mark.parametrize("schema", FOREIGN.values(), ids=FOREIGN)
async def test_a_schema_of_a_clients_or_of_an_mcp_servers_is_taken(
    vendor: Vendor, provider: Provider, schema: JSON
) -> None:
    tool = types.Tool(name="get_time", input_schema=schema)
    server = McpServer(name="s", command="s")
    offers = offers_of(server, [tool], call=AsyncMock(), room=Room(1), place=ToolLoop("s"))
    for specs in (clients(schema), [offered.spec for offered in offers.tools]):
        sent = await sent_for(vendor, provider, "Hi", tools=specs)
        assert len(sent.tools) == 1
    assert vendor.refusals == []
