"""The fakes of OpenAI's APIs refuse what the real ones refuse, so that what passes them is right."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.openai_chat_api import ChatApi
from tests.fakes.openai_reasoning import call_id_after, reasoning_item
from tests.fakes.openai_responses_api import ResponsesApi
from tests.fakes.openai_script import JSON
from tests.fakes.openai_server import API_KEY, OpenAIServer

MODEL = "gpt-5.5"
REASONING = reasoning_item(MODEL, "Hm.")
THOUGHT_CALL = call_id_after(REASONING)
TOOL = {"type": "function", "name": "get_time", "parameters": {"type": "object"}, "strict": False}
CHAT_TOOL = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}
USER = {"role": "user", "content": "Hi"}


@pytest.fixture(scope="module")
def responses() -> Iterator[OpenAIServer]:
    with OpenAIServer(ResponsesApi()) as server:
        yield server


@pytest.fixture(scope="module")
def chat() -> Iterator[OpenAIServer]:
    with OpenAIServer(ChatApi(groq=False)) as server:
        yield server


def post(server: OpenAIServer, body: JSON, *, key: str = API_KEY) -> tuple[int, JSON]:
    """Status and the error of the answer; an empty object where there is none."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    asked = urllib.request.Request(server.url + server.api.path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, {}
    except urllib.error.HTTPError as error:
        refused: JSON = json.loads(error.read())["error"]
        return error.code, refused


def response_body(*items: JSON, **more: Any) -> JSON:
    body = {"model": MODEL, "input": [USER, *items], "stream": True, "store": False, **more}
    return {name: value for name, value in body.items() if value is not None}


def chat_body(*messages: JSON, **more: Any) -> JSON:
    body = {"model": MODEL, "messages": [USER, *messages], "stream": True, **more}
    return {name: value for name, value in body.items() if value is not None}


def call(call_id: str, **more: Any) -> JSON:
    return {"type": "function_call", "call_id": call_id, "name": "get_time", "arguments": "{}", **more}


def answered(call_id: str, **more: Any) -> JSON:
    return {"type": "function_call_output", "call_id": call_id, "output": "noon", **more}


def chat_call(*ids: str, **more: Any) -> JSON:
    function = {"name": "get_time", "arguments": "{}"}
    calls = [{"id": one, "type": "function", "function": function} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


def chat_answer(call_id: str) -> JSON:
    return {"role": "tool", "tool_call_id": call_id, "content": "noon"}


def tool(**schema: Any) -> list[JSON]:
    return [TOOL | {"parameters": {"type": "object", **schema}}]


RESPONSES = {
    "array schema missing items": response_body(tools=tool(properties={"a": {"type": "array"}})),
    "items is not of type": response_body(tools=tool(properties={"a": {"type": "array", "items": [{}]}})),
    "not have 'oneOf'/'anyOf'": response_body(tools=tool(anyOf=[{"properties": {}}])),
    "type is not valid": response_body(tools=tool(properties={"a": {"type": "any"}})),
    "reference can only point": response_body(tools=tool(properties={"a": {"$ref": "#/x"}})),
    "Unknown parameter: 'max_tokens'": response_body(max_tokens=5),
    "Missing required parameter: 'model'": response_body(model=None),
    "streams only": response_body(stream=False),
    "integer below minimum value": response_body(max_output_tokens=5),
    "empty array": response_body(input=[]),
    "Supported values are: 'message'": response_body({"type": "picture"}),
    "Supported values are: 'user'": response_body({"role": "tool", "content": "x"}),
    "'input[1].content': empty string": response_body({"role": "user", "content": ""}),
    "Unknown parameter: 'input[1].tool_calls'": response_body(
        {"role": "user", "content": "x", "tool_calls": []}
    ),
    "No tool call found": response_body(answered("call_1")),
    "No tool output found": response_body(call("call_1")),
    "No tool call found for function call output with call_id call_2": response_body(
        call("call_1"), answered("call_1"), answered("call_2")
    ),
    "string too long": response_body(call("c" * 65), answered("c" * 65)),
    "'input[1].name': string does not match": response_body(call("c", name="get time"), answered("c")),
    "without its required following item": response_body(REASONING, {"role": "user", "content": "x"}),
    "not found. Items are not persisted": response_body(
        {**REASONING, "encrypted_content": None}, call("c"), answered("c")
    ),
    "could not be verified": response_body(
        {**REASONING, "summary": []}, call(THOUGHT_CALL), answered(THOUGHT_CALL)
    ),
    "Unknown parameter: 'tools[0].function'": response_body(tools=[CHAT_TOOL]),
    "schema must be a JSON Schema": response_body(tools=[TOOL | {"parameters": {"type": "array"}}]),
    "'additionalProperties' is required": response_body(tools=[TOOL | {"strict": True}]),
    "must be unique": response_body(tools=[TOOL, TOOL]),
    "not found in 'tools'": response_body(tools=[TOOL], tool_choice={"type": "function", "name": "other"}),
    "must be specified with 'tools'": response_body(tool_choice="required"),
    "Invalid value: 'any'": response_body(tools=[TOOL], tool_choice="any"),
    "Encrypted content is not supported": response_body(
        model="gpt-4.1", include=["reasoning.encrypted_content"]
    ),
    "does not exist or you do not have access": response_body(model="no-such-model"),
}

CHAT = {
    "Unknown parameter: 'max_output_tokens'": chat_body(max_output_tokens=5),
    "Unknown parameter: 'max_completion_tokens'": chat_body(max_completion_tokens=5),
    "Missing required parameter: 'messages'": chat_body(messages=None),
    "Supported values are: 'system'": chat_body({"role": "developer", "content": "x"}),
    "System message must be at the beginning": chat_body({"role": "system", "content": "x"}),
    "'messages[1].content': empty string": chat_body({"role": "assistant", "content": ""}, USER),
    "must alternate": chat_body(USER),
    "beginning with the user": chat_body(messages=[{"role": "assistant", "content": "x"}, USER]),
    "last message is from the assistant": chat_body({"role": "assistant", "content": "x"}),
    "must be a response to a preceding message": chat_body(chat_answer("a")),
    "did not have response messages: b": chat_body(chat_call("a", "b"), chat_answer("a"), USER),
    "must contain non-whitespace text": chat_body({"role": "assistant", "content": "\n\n"}, USER),
    "Unexpected role 'user' after": chat_body(chat_call("a"), chat_answer("a"), USER),
    "is not next": chat_body(chat_call("a", "b"), chat_answer("b"), chat_answer("a")),
    "is too short - 'tools'": chat_body(tools=[]),
    "Missing required parameter: 'tools[0].function'": chat_body(tools=[{"type": "function"}]),
    "Unknown parameter: 'tools[0].name'": chat_body(tools=[TOOL]),
    "only allowed when 'tools' are specified": chat_body(tool_choice="none"),
    "Tool choice is not in 'tools'": chat_body(
        tools=[CHAT_TOOL], tool_choice={"type": "function", "function": {"name": "other"}}
    ),
    "is not what this model said": chat_body(chat_call("a", reasoning="Invented."), chat_answer("a")),
    "is unsupported here": chat_body({"role": "assistant", "content": "x", "reasoning": "y"}, USER),
    "expected a string": chat_body({"role": "assistant", "content": [{"type": "text", "text": "x"}]}, USER),
}


@pytest.mark.parametrize(("message", "body"), RESPONSES.items(), ids=RESPONSES)
def test_the_responses_api_refuses(responses: OpenAIServer, message: str, body: JSON) -> None:
    status, error = post(responses, body)
    assert status in {400, 404}
    assert message in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(("message", "body"), CHAT.items(), ids=CHAT)
def test_chat_completions_refuse(chat: OpenAIServer, message: str, body: JSON) -> None:
    status, error = post(chat, body)
    assert status in {400, 404}
    assert message in error["message"]


def test_a_server_of_mistrals_wants_short_ids() -> None:
    with OpenAIServer(ChatApi(groq=False, mistral=True)) as server:
        assert (
            "length of 9" in post(server, chat_body(chat_call("call_1"), chat_answer("call_1")))[1]["message"]
        )
        assert post(server, chat_body(chat_call("abcDEF123"), chat_answer("abcDEF123")))[0] == 200


def test_reasoning_that_another_call_of_the_turn_lost(responses: OpenAIServer) -> None:
    """Where some is sent back, all is wanted; none at all is a client that gave up on it."""
    other = reasoning_item(MODEL, "Once more.")
    kept = [call(THOUGHT_CALL), answered(THOUGHT_CALL), other, call("c"), answered("c")]
    assert "without its required 'reasoning' item" in post(responses, response_body(*kept))[1]["message"]
    assert post(responses, response_body(REASONING, *kept))[0] == 200
    assert post(responses, response_body(call(THOUGHT_CALL), answered(THOUGHT_CALL)))[0] == 200


@pytest.mark.parametrize("body", [response_body, chat_body])
def test_keys_and_paths(responses: OpenAIServer, chat: OpenAIServer, body: Callable[[], JSON]) -> None:
    server = responses if body is response_body else chat
    assert post(server, body())[0] == 200
    status, error = post(server, body(), key="wrong-key-0123456789")
    assert (status, error["code"]) == (401, "invalid_api_key")
    assert "wrong-key-0123456789" not in error["message"]


def test_a_server_without_keys_wants_none() -> None:
    with OpenAIServer(ChatApi(groq=False), key="") as server:
        assert post(server, chat_body())[0] == 401
