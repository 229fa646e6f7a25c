"""The fake is strict: what the real API refuses, it refuses. Else the tests against it would prove nothing."""

import json
from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from tests.fakes.anthropic_script import JSON, Redacted, Stop, Think, ask, reply, text, use
from tests.fakes.anthropic_server import API_KEY, AnthropicServer
from tests.fakes.anthropic_turns import seal

MODEL = "claude-sonnet-5-5"
HEADERS = {"authorization": f"Bearer {API_KEY}", "anthropic-version": "2026-10-21"}
CACHE = {"type": "ephemeral"}


@pytest.fixture
def http(claude_server: AnthropicServer) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=claude_server.url, headers=HEADERS) as client:
        yield client


def said(words: str) -> JSON:
    return {"type": "text", "text": words}


def user(*blocks: JSON) -> JSON:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: JSON) -> JSON:
    return {"role": "assistant", "content": list(blocks)}


def called(id_: str = "toolu_1", **other: Any) -> JSON:
    return {"type": "tool_use", "id": id_, "name": "get_time", "input": {}, **other}


def answer(id_: str = "toolu_1", **other: Any) -> JSON:
    return {"type": "tool_result", "tool_use_id": id_, "content": "noon", **other}


def thought(words: str = "Hm.", *, model: str = MODEL) -> JSON:
    return {"type": "thinking", "thinking": words, "signature": seal(model, words)}


HI = user(said("Hi"))
TOOL = {"name": "get_time", "input_schema": {"type": "object"}}
TOOLS = [TOOL]


def body(*messages: JSON, **more: Any) -> JSON:
    return {"model": MODEL, "max_tokens": 99, "messages": list(messages), "stream": True, **more}


ACCEPTED: dict[str, JSON] = {
    "a text": body(HI),
    "a text for short": body({"role": "user", "content": "Hi"}),
    "a system for short": body(HI, system="Be brief."),
    "a role twice": body(HI, HI),
    "a turn": body(HI, assistant(said("Hello")), HI),
    "a call and its result": body(HI, assistant(called()), user(answer()), tools=TOOLS),
    "a result and words": body(HI, assistant(called()), user(answer(), said("Well?")), tools=TOOLS),
    "results in messages of their own": body(
        HI, assistant(called("a"), called("b")), user(answer("a")), user(answer("b")), tools=TOOLS
    ),
    "an empty result": body(
        HI, assistant(called()), user({"type": "tool_result", "tool_use_id": "toolu_1"}), tools=TOOLS
    ),
    "a thought": body(HI, assistant(thought(), said("Hello")), HI),
    "a hidden thought": body(HI, assistant(thought(""), said("Hello")), HI),
    "a redacted thought": body(
        HI, assistant({"type": "redacted_thinking", "data": seal(MODEL, "")}, said("Hello")), HI
    ),
    "a tool that must be used": body(HI, tools=TOOLS, tool_choice={"type": "tool", "name": "get_time"}),
    "four breakpoints": body(
        user({**said("Hi"), "cache_control": CACHE}),
        system=[{**said("Be brief."), "cache_control": CACHE}],
        tools=[{**TOOL, "cache_control": CACHE}],
        cache_control=CACHE,
    ),
}


def tool(**schema: Any) -> list[JSON]:
    return [{"name": "f", "input_schema": {"type": "object", **schema}}]


REFUSED: dict[str, tuple[JSON, str]] = {
    "a choice at the top of a schema": (body(HI, tools=tool(anyOf=[{}])), "at the top level"),
    "the name of an argument": (body(HI, tools=tool(properties={"not ok": {}})), "Property keys"),
    "a type that is none": (body(HI, tools=tool(properties={"a": {"type": "any"}})), "draft 2020-12"),
    "no messages": (body(), "at least one message"),
    "no limit": ({"model": MODEL, "messages": [HI]}, "max_tokens: Field required"),
    "a limit of nought": (body(HI, max_tokens=0), "max_tokens"),
    "too high a limit": (body(HI, max_tokens=1_000_000), "maximum allowed number of output tokens"),
    "an unknown field": (body(HI, instructions="x"), "instructions: Extra inputs are not permitted"),
    "a field of the past": (body(HI, temperature=1), "temperature: Extra inputs are not permitted"),
    "an unknown field of a message": (body({**HI, "name": "x"}), "messages.0.name: Extra inputs"),
    "an unknown field of a block": (
        body(user({**said("Hi"), "extra": {}})),
        "messages.0.content.0.text.extra: Extra inputs",
    ),
    "the role model": (body(HI, {"role": "model", "content": "x"}), 'Unexpected role "model"'),
    "the role system": (body(HI, {"role": "system", "content": "x"}), "role 'system' is not supported"),
    "the assistant first": (body(assistant(said("x")), HI), 'first message must use the "user" role'),
    "the assistant last": (body(HI, assistant(said("x"))), "assistant message prefill"),
    "no content": (body(user()), "non-empty content"),
    "an empty text": (body(user(said(""))), "text content blocks must be non-empty"),
    "a blank text": (body(user(said(" \n"))), "must contain non-whitespace text"),
    "an empty system": (body(HI, system=""), "system: text content blocks must be non-empty"),
    "a system that is no text": (body(HI, system=[called()]), "system.0.type"),
    "a text that is none": (body(user({"type": "text", "text": 7})), "valid string"),
    "an unknown block": (body(user({"type": "input_text", "text": "Hi"})), "Input tag 'input_text'"),
    "a call by the user": (body(user(called()), tools=TOOLS), "can only be in `assistant` messages"),
    "a result by the assistant": (body(HI, assistant(answer()), HI), "can only be in `user` messages"),
    "a bad id": (body(HI, assistant(called("a b")), user(answer("a b")), tools=TOOLS), "tool_use.id"),
    "a bad name in a call": (
        body(HI, assistant(called(name="get.time")), user(answer()), tools=TOOLS),
        "tool_use.name",
    ),
    "arguments that are text": (
        body(HI, assistant(called(input="{}")), user(answer()), tools=TOOLS),
        "valid dictionary",
    ),
    "an id twice": (
        body(HI, assistant(called(), called()), user(answer()), tools=TOOLS),
        "ids must be unique",
    ),
    "a result without a call": (body(HI, user(answer()), tools=TOOLS), "unexpected `tool_use_id`"),
    "a result too late": (
        body(HI, assistant(called()), user(answer()), assistant(said("x")), user(answer()), tools=TOOLS),
        "unexpected `tool_use_id`",
    ),
    "too few results": (
        body(HI, assistant(called("a"), called("b")), user(answer("a")), tools=TOOLS),
        "without `tool_result` blocks immediately after: b",
    ),
    "no results": (body(HI, assistant(called()), HI, tools=TOOLS), "immediately after: toolu_1"),
    "words before the result": (
        body(HI, assistant(called()), user(said("x"), answer()), tools=TOOLS),
        "immediately after: toolu_1",
    ),
    "a result twice": (
        body(HI, assistant(called()), user(answer(), answer()), tools=TOOLS),
        "must have a single result",
    ),
    "an error without words": (
        body(HI, assistant(called()), user(answer(content="", is_error=True)), tools=TOOLS),
        "content cannot be empty if `is_error` is true",
    ),
    "calls without tools": (body(HI, assistant(called()), user(answer())), "must define tools"),
    "a changed thought": (
        body(HI, assistant({**thought(), "thinking": "Ha."}, said("x")), HI),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "another model's thought": (
        body(HI, assistant(thought(model="claude-haiku-5-5"), said("x")), HI),
        "Invalid `signature`",
    ),
    "a changed redacted thought": (
        body(HI, assistant({"type": "redacted_thinking", "data": "AAAA"}, said("x")), HI),
        "Invalid `data`",
    ),
    "a thought last": (body(HI, assistant(said("x"), thought()), HI), "final block"),
    "a tool twice": (body(HI, tools=[TOOL, TOOL]), "Tool names must be unique"),
    "a bad name of a tool": (body(HI, tools=[{**TOOL, "name": "get time"}]), "tools.0.custom.name"),
    "a tool without a schema": (body(HI, tools=[{"name": "a"}]), "input_schema: Field required"),
    "a schema that is no object": (
        body(HI, tools=[{"name": "a", "input_schema": {"type": "string"}}]),
        "input_schema.type",
    ),
    "an unknown field of a tool": (body(HI, tools=[{**TOOL, "parameters": {}}]), "Extra inputs"),
    "a choice without tools": (body(HI, tool_choice={"type": "auto"}), "only be specified while providing"),
    "an unknown choice": (body(HI, tools=TOOLS, tool_choice={"type": "required"}), "Input tag 'required'"),
    "a choice of no tool": (body(HI, tools=TOOLS, tool_choice={"type": "tool"}), "name: Field required"),
    "a choice of another tool": (
        body(HI, tools=TOOLS, tool_choice={"type": "tool", "name": "x"}),
        "Tool 'x' not found",
    ),
    "five breakpoints": (
        body(
            user(*[{**said("Hi"), "cache_control": CACHE}] * 2),
            system=[{**said("Be brief."), "cache_control": CACHE}],
            tools=[{**TOOL, "cache_control": CACHE}],
            cache_control=CACHE,
        ),
        "A maximum of 4 blocks",
    ),
    "another kind of cache": (body(HI, cache_control={"type": "eternal"}), "'ephemeral'"),
    "no stream": ({**body(HI), "stream": False}, "only streams"),
}


@pytest.mark.parametrize("accepted", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(http: httpx2.Client, accepted: JSON) -> None:
    response = http.post("/v1/messages", json=accepted)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize(("refused", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(http: httpx2.Client, refused: JSON, words: str) -> None:
    response = http.post("/v1/messages", json=refused)
    assert response.status_code == 400, response.text
    error = response.json()
    assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
    assert words in error["error"]["message"]


@pytest.mark.parametrize("data", [b"{", b'{"messages": NaN}'])
def test_json_must_be_json(http: httpx2.Client, data: bytes) -> None:
    assert http.post("/v1/messages", content=data).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 401, "authentication_error"),
        ({**HEADERS, "authorization": "Bearer wrong"}, 401, "authentication_error"),
        ({"x-api-key": API_KEY}, 400, "invalid_request_error"),
        ({"x-api-key": API_KEY, "anthropic-version": "2026-10-21"}, 200, ""),
    ],
    ids=["no key", "a wrong key", "no version", "a key in the older header"],
)
def test_headers(claude_server: AnthropicServer, headers: dict[str, str], status: int, kind: str) -> None:
    response = httpx2.post(f"{claude_server.url}/v1/messages", json=body(HI), headers=headers)
    assert response.status_code == status
    assert not kind or response.json()["error"]["type"] == kind


def test_an_unknown_model(http: httpx2.Client) -> None:
    response = http.post("/v1/messages", json=body(HI, model="gpt-2"))
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")


def events(response: httpx2.Response) -> list[JSON]:
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def test_a_stream_has_the_events_of_the_real_one(claude_server: AnthropicServer, http: httpx2.Client) -> None:
    claude_server.then(ask(use("get_time", {"a": 1}), before=(Think("Hm hm"), Redacted(), text("Hel", "lo"))))
    given = events(http.post("/v1/messages", json=body(HI)))
    kinds = [(event["type"].removeprefix("content_block_"), event.get("index")) for event in given]
    assert kinds == [
        ("message_start", None),
        *[("start", 0), ("delta", 0), ("delta", 0), ("delta", 0), ("stop", 0)],
        *[("start", 1), ("stop", 1)],
        *[("start", 2), ("delta", 2), ("delta", 2), ("stop", 2)],
        *[("start", 3), ("delta", 3), ("delta", 3), ("delta", 3), ("stop", 3)],
        ("message_delta", None),
        ("message_stop", None),
    ]


@pytest.mark.parametrize("kept", [True, False])
def test_the_thoughts_before_a_call_have_to_come_back(
    claude_server: AnthropicServer, http: httpx2.Client, kept: bool
) -> None:
    claude_server.then(ask(use("get_time", id_="toolu_1"), before=(Think(), Redacted())))
    http.post("/v1/messages", json=body(HI))
    thoughts = claude_server.thoughts if kept else claude_server.thoughts[:1]
    again = body(HI, assistant(*thoughts, called()), user(answer()), tools=TOOLS)
    response = http.post("/v1/messages", json=again)
    assert response.status_code == (200 if kept else 400)
    assert kept or "cannot be modified" in response.json()["error"]["message"]


def test_once_the_user_has_spoken_again_they_may_be_left_out(
    claude_server: AnthropicServer, http: httpx2.Client
) -> None:
    claude_server.then(reply(Think(), use("get_time", id_="toolu_1"), Stop("tool_use")))
    http.post("/v1/messages", json=body(HI))
    later = body(HI, assistant(called()), user(answer()), assistant(said("Noon")), HI, tools=TOOLS)
    assert http.post("/v1/messages", json=later).status_code == 200


def test_left_to_itself_it_asks_for_the_time_and_words_it(http: httpx2.Client) -> None:
    asked = user(said("What time is it in Asia/Tokyo?"))
    given = events(http.post("/v1/messages", json=body(asked, tools=TOOLS)))
    starts = [event["content_block"] for event in given if event["type"] == "content_block_start"]
    written = "".join(event["delta"].get("partial_json", "") for event in given if "delta" in event)
    assert [block["type"] for block in starts] == ["thinking", "tool_use"]
    assert json.loads(written) == {"zone": "Asia/Tokyo"}


def test_left_to_itself_it_summarises_when_instructed(http: httpx2.Client) -> None:
    asked = body(user(said("<conversation>")), system="Summarise it, as JSON.")
    given = events(http.post("/v1/messages", json=asked))
    words = "".join(event["delta"].get("text", "") for event in given if "delta" in event)
    assert json.loads(words).keys() == {"title", "summary"}
