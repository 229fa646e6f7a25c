"""Calls and their results on Gemini's wire. The fake refuses, with a 400, whatever breaks the API's rules."""

import base64
import json
from typing import Any

import pytest

from chat.llm.gemini.provider import GeminiProvider
from chat.llm.provider import AssistantText, HistoryItem, Part, TextDelta, ToolCallItem, ToolResultItem
from tests.fakes.gemini_script import JSON, Chunk, Raw, ask, call, reply, text
from tests.fakes.gemini_server import GeminiServer
from tests.providers.rounds import (
    GET_PROFILE,
    GET_TIME,
    MODEL,
    calls_of,
    events_of,
    remembered,
    request,
    result,
    text_of,
)

TOOLS = [GET_TIME, GET_PROFILE]


async def called(
    server: GeminiServer, provider: GeminiProvider, *calls: JSON, before: tuple[JSON, ...] = ()
) -> list[HistoryItem]:
    """What the history holds after a round that asked for these calls."""
    server.then(ask(*calls, before=before))
    return remembered(await events_of(provider, request("What time is it?", tools=TOOLS)))


def calls_in(items: list[HistoryItem]) -> list[ToolCallItem]:
    return [item for item in items if isinstance(item, ToolCallItem)]


def parts_of(server: GeminiServer, index: int) -> list[JSON]:
    parts: list[JSON] = server.requests[-1]["contents"][index]["parts"]
    return parts


def signature_bytes(part: JSON) -> bytes:
    """The SDK writes the alphabet for URLs, the API the other one: the bytes are what counts."""
    return base64.b64decode(part["thoughtSignature"], altchars=b"-_")


async def test_a_call_goes_back_with_its_signature_and_id(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    asked = call("get_time", {"zone": "Asia/Tokyo"}, signed=True, id_="vendor-1")
    items = await called(server, provider, asked)
    answer = await text_of(
        provider, request("What time is it?", *items, result(calls_in(items)[0], "noon"), tools=TOOLS)
    )
    assert answer == 'get_time: "noon"'
    [sent] = parts_of(server, 1)
    assert signature_bytes(sent) == signature_bytes(asked)
    assert sent["functionCall"] == asked["functionCall"]
    assert parts_of(server, 2) == [
        {"functionResponse": {"id": "vendor-1", "name": "get_time", "response": {"output": "noon"}}}
    ]


async def test_our_call_id_is_our_own(server: GeminiServer, provider: GeminiProvider) -> None:
    items = await called(server, provider, call("get_time", {"zone": "UTC"}, signed=True, id_="vendor-1"))
    assert calls_in(items)[0].call_id.startswith("call_")


async def test_parallel_calls_are_answered_together_and_in_order(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    calls = (
        call("get_time", {"zone": "UTC"}, signed=True),
        call("get_my_profile"),
        call("get_time", {"zone": "Z"}),
    )
    items = await called(server, provider, *calls)
    outputs = [result(one, f"output {n}") for n, one in enumerate(calls_in(items))]
    await text_of(provider, request("What time is it?", *items, *outputs, tools=TOOLS))
    assert ["thoughtSignature" in part for part in parts_of(server, 1)] == [True, False, False]
    assert [part["functionResponse"]["response"]["output"] for part in parts_of(server, 2)] == [
        "output 0",
        "output 1",
        "output 2",
    ]


async def test_results_out_of_order_are_put_in_order(server: GeminiServer, provider: GeminiProvider) -> None:
    items = await called(
        server, provider, call("get_time", {"zone": "UTC"}, signed=True), call("get_my_profile")
    )
    first, second = calls_in(items)
    await text_of(provider, request("Hi", *items, result(second, "two"), result(first, "one"), tools=TOOLS))
    names = [part["functionResponse"]["name"] for part in parts_of(server, 2)]
    assert names == ["get_time", "get_my_profile"]


async def test_each_step_of_a_turn_keeps_its_own_signature(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    history: list[HistoryItem | str] = ["What time is it, here and there?"]
    for zone in ("UTC", "Asia/Tokyo"):
        server.then(ask(call("get_time", {"zone": zone}, signed=True)))
        items = remembered(await events_of(provider, request(*history, tools=TOOLS)))
        history += [*items, result(calls_in(items)[0], "noon")]
    await events_of(provider, request(*history, tools=TOOLS))
    assert "thoughtSignature" in parts_of(server, 1)[0]
    assert "thoughtSignature" in parts_of(server, 3)[0]
    assert server.refusals == []


async def test_a_signature_on_a_last_part_without_text_goes_back_on_that_part(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    last = text("", signed=True)
    server.then(reply(Chunk((text("Hello "),)), Chunk((text("you"),)), Chunk((last,), finish="STOP")))
    events = await events_of(provider, request("Hi"))
    assert isinstance(events[2], TextDelta)
    assert events[2].text == ""
    await events_of(provider, request("Hi", *remembered(events), "And now?"))
    *spoken, signed = parts_of(server, 1)
    assert "".join(part["text"] for part in spoken) == "Hello you"
    assert not any("thoughtSignature" in part for part in spoken)
    assert signed["text"] == ""
    assert signature_bytes(signed) == signature_bytes(last)


async def test_a_signed_text_is_never_joined_with_its_neighbours(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    given = (text("Before. "), text("Signed. ", signed=True), text("After."))
    server.then(reply(*(Chunk((part,)) for part in given), Chunk(finish="STOP")))
    events = await events_of(provider, request("Hi"))
    await events_of(provider, request("Hi", *remembered(events), "And now?"))
    assert [part["text"] for part in parts_of(server, 1)] == ["Before. ", "Signed. ", "After."]
    assert signature_bytes(parts_of(server, 1)[1]) == signature_bytes(given[1])


async def test_text_before_calls_stands_in_the_same_content(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    asked = call("get_time", {"zone": "UTC"}, signed=True)
    items = await called(server, provider, asked, before=(text("One moment."),))
    await text_of(provider, request("Hi", *items, result(calls_in(items)[0], "noon"), tools=TOOLS))
    assert [next(iter(part)) for part in parts_of(server, 1)] == ["text", "functionCall"]


@pytest.mark.parametrize("extra", [None, {"openai": {"id": "x"}}])
async def test_calls_of_another_provider_are_acceptable(
    server: GeminiServer, provider: GeminiProvider, extra: JSON | None
) -> None:
    calls = [ToolCallItem(f"i{n}", f"call_{n}", "get_time", '{"zone":"UTC"}', extra) for n in (1, 2)]
    results = [result(one, "noon") for one in calls]
    await text_of(provider, request("What time is it?", *calls, *results, tools=TOOLS))
    first, second = parts_of(server, 1)
    assert signature_bytes(first) == b"skip_thought_signature_validator"
    assert "thoughtSignature" not in second
    assert (first["functionCall"]["id"], second["functionCall"]["id"]) == ("call_1", "call_2")


async def test_signatures_that_have_gone_stale_do_not_end_the_conversation(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    """Such as another project's key has given: it is asked once more without."""
    kept = {"gemini": {"thought_signature": "c3RhbGU=", "model": MODEL, "id": "vendor-1"}}
    asked = ToolCallItem("i", "call_1", "get_time", '{"zone":"UTC"}', kept)
    said = AssistantText("a", "Noon.", [Part(5, kept)])
    history = request("Hi", said, "What time is it?", asked, result(asked, "noon"), tools=TOOLS)
    assert await text_of(provider, history) == 'get_time: "noon"'
    assert len(server.refusals) == 1
    [spoken], [sent] = parts_of(server, 1), parts_of(server, 3)
    assert spoken == {"text": "Noon."}
    assert signature_bytes(sent) == b"skip_thought_signature_validator"
    assert sent["functionCall"]["id"] == "vendor-1"


async def test_signatures_of_another_gemini_model_stay_at_home(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    asked = call("get_time", {"zone": "UTC"}, signed=True)
    items = await called(server, provider, asked, before=(text("One moment.", signed=True),))
    history = request(
        "Hi", *items, result(calls_in(items)[0], "noon"), model="gemini-4-hydrogen", tools=TOOLS
    )
    await text_of(provider, history)
    spoken, sent = parts_of(server, 1)
    assert spoken == {"text": "One moment."}
    assert signature_bytes(sent) == b"skip_thought_signature_validator"


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("get_time", {"mode": "ANY", "allowedFunctionNames": ["get_time"]}),
    ],
)
async def test_tool_choice(
    server: GeminiServer, provider: GeminiProvider, choice: str, config: dict[str, Any]
) -> None:
    await events_of(provider, request("Hi", tools=TOOLS, tool_choice=choice))
    assert server.requests[0]["toolConfig"] == {"functionCallingConfig": config}


@pytest.mark.parametrize(
    ("output", "is_error", "response"),
    [
        ("plain words", False, {"output": "plain words"}),
        ('{"zone": "UTC", "error": "a field"}', False, {"output": {"zone": "UTC", "error": "a field"}}),
        ("[1, 2]", False, {"output": "[1, 2]"}),
        ("", False, {"output": ""}),
        ('{"a": NaN}', False, {"output": '{"a": NaN}'}),
        ("There is no such zone.", True, {"error": "There is no such zone."}),
        ('{"reason": "no such zone"}', True, {"error": {"reason": "no such zone"}}),
    ],
)
async def test_results_are_objects_that_say_whether_it_worked(
    server: GeminiServer, provider: GeminiProvider, output: str, is_error: bool, response: JSON
) -> None:
    one = ToolCallItem("i", "call_1", "get_time", "{}")
    await text_of(provider, request("Hi", one, result(one, output, is_error=is_error), tools=TOOLS))
    assert parts_of(server, 2)[0]["functionResponse"]["response"] == response


async def test_a_result_too_deep_for_the_api_travels_as_text(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    deep = '{"a":' * 99 + "1" + "}" * 99
    one = ToolCallItem("i", "call_1", "get_time", "{}")
    await text_of(provider, request("Hi", one, result(one, deep), tools=TOOLS))
    assert parts_of(server, 2)[0]["functionResponse"]["response"] == {"output": deep}


@pytest.mark.parametrize("arguments", ['{"zone": ', '"UTC"', "", "[1]"])
async def test_arguments_that_are_no_object_stay_readable(
    server: GeminiServer, provider: GeminiProvider, arguments: str
) -> None:
    one = ToolCallItem("i", "call_1", "get_time", arguments)
    await text_of(provider, request("Hi", one, result(one, "bad", is_error=True), tools=TOOLS))
    assert parts_of(server, 1)[0]["functionCall"]["args"] == {"invalid_arguments": arguments}


async def test_a_call_without_a_result_is_answered_as_failed(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    calls = [ToolCallItem(f"i{n}", f"call_{n}", "get_time", "{}") for n in (1, 2)]
    await text_of(provider, request("Hi", *calls, result(calls[0], "noon"), "And?", tools=TOOLS))
    first, second, *_ = parts_of(server, 2)
    assert first["functionResponse"]["response"] == {"output": "noon"}
    assert "error" in second["functionResponse"]["response"]


async def test_a_result_without_a_call_is_left_out(server: GeminiServer, provider: GeminiProvider) -> None:
    stray = ToolResultItem("i", "call_gone", "get_time", "noon")
    await text_of(provider, request("Hi", stray, "And?"))
    assert server.requests[0]["contents"] == [{"role": "user", "parts": [{"text": "Hi"}, {"text": "And?"}]}]


@pytest.mark.parametrize(
    ("history", "roles"),
    [
        ([], ["user"]),
        ([AssistantText("a", "Welcome!")], ["user", "model", "user"]),
        ([AssistantText("a", "Welcome!"), "Hi"], ["user", "model", "user"]),
        (["Hi", AssistantText("a", "Hello")], ["user", "model", "user"]),
        (["Hi", AssistantText("a", "")], ["user"]),
        (["Hi", AssistantText("a", "One"), AssistantText("b", "Two"), "Go on"], ["user", "model", "user"]),
        (["", "Hi"], ["user"]),
    ],
)
async def test_odd_histories_are_made_acceptable(
    server: GeminiServer, provider: GeminiProvider, history: list[HistoryItem | str], roles: list[str]
) -> None:
    await events_of(provider, request(*history))
    assert [content["role"] for content in server.requests[0]["contents"]] == roles


async def test_a_call_without_arguments_has_an_empty_object(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    server.then(ask({"functionCall": {"name": "get_my_profile"}}, before=(text("x"),)))
    events = await events_of(provider, request("Hi", tools=TOOLS))
    assert calls_of(events)[0].arguments == "{}"
    assert calls_of(events)[0].extra is None


async def test_arguments_that_are_no_text_can_be_stored_all_the_same(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    """Half of a surrogate pair, as a model may write it between two tokens."""
    chunk = {"candidates": [{"content": {"parts": [call("get_time", {"zone": "\ud83d Zürich"})]}}]}
    server.then(reply(Raw(f"data: {json.dumps(chunk)}\r\n\r\n".encode()), Chunk(finish="STOP")))
    [asked] = calls_of(await events_of(provider, request("Hi", tools=TOOLS)))
    assert asked.arguments == '{"zone":"? Zürich"}'
