"""OpenAI's client for Python against Chat Completions: an answer, a stream, a tool, and a session by its name."""

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from identity.models import ApiKey
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.responses.conftest import Client
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.sockets import realtime

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def said(text: str) -> Any:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]


async def test_an_answer_is_logged_as_a_session_of_its_own(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    raw = await client_of(server, key).chat.completions.with_raw_response.create(
        model="demo", messages=said("count to 3")
    )
    answer = raw.parse()
    ChatCompletion.model_validate(answer.to_dict())
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("1, 2, 3.", "stop")
    assert answer.usage
    assert answer.usage.total_tokens > 0
    session = await in_db_thread(Session.objects.get, pk=raw.headers["x-session-id"])
    assert (session.source, session.user_messages) == ("responses", 1)


async def test_a_stream(server: ServerProcess, client_of: Client) -> None:
    stream = await client_of(server).chat.completions.create(
        model="demo",
        messages=said("count to 5"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict())
    assert len({chunk.id for chunk in chunks}) == 1
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "1, 2, 3, 4, 5."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage


@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_of_the_clients(server: ServerProcess, client_of: Client, stream: bool) -> None:
    client = client_of(server)
    messages = said("What is the weather in Oslo?")
    asked: dict[str, Any] = {"model": "demo", "tools": [TOOL], "tool_choice": "required"}
    if stream:
        async with client.chat.completions.stream(messages=messages, **asked) as chunks:
            answer: Any = await chunks.get_final_completion()
    else:
        answer = await client.chat.completions.create(messages=messages, **asked)
    choice = answer.choices[0]
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, call.function.name) == ("tool_calls", "get_weather")
    told = {"role": "tool", "tool_call_id": call.id, "content": "4 degrees, rain"}
    back = {
        "role": "assistant",
        "tool_calls": [{"id": call.id, "type": "function", "function": call.function.to_dict()}],
    }
    final = await client.chat.completions.create(model="demo", messages=[*messages, back, told], tools=[TOOL])
    assert "4 degrees, rain" in str(final.choices[0].message.content)


async def test_a_session_by_its_name_is_told_what_is_new_alone(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    client = client_of(server, key)
    headers = {"x-session-id": "my-chat"}
    first = await client.chat.completions.with_raw_response.create(
        model="demo", messages=[{"role": "user", "content": "my name is Ada"}], extra_headers=headers
    )
    history: Any = [
        {"role": "user", "content": "my name is Ada"},
        {"role": "assistant", "content": first.parse().choices[0].message.content},
        {"role": "user", "content": "what is my name"},
    ]
    second = await client.chat.completions.with_raw_response.create(
        model="demo", messages=history, extra_headers=headers
    )
    assert "Ada" in str(second.parse().choices[0].message.content)
    assert first.headers["x-session-id"] == second.headers["x-session-id"]
    session = await in_db_thread(Session.objects.get, pk=first.headers["x-session-id"])
    assert session.user_messages == 2


async def test_a_session_in_which_nothing_was_said_is_told_all_also_where_another_process_holds_it(
    start_server: StartServer, redis_url: str, client_of: Client, key: str
) -> None:
    home, other = start_server(REDIS_URL=redis_url), start_server(REDIS_URL=redis_url)
    history: Any = [
        {"role": "user", "content": "my name is Ada"},
        {"role": "assistant", "content": "Hello, Ada."},
        {"role": "user", "content": "what is my name"},
    ]
    async with realtime(home.ws_url, additional_headers={"Authorization": f"Bearer {key}"}) as talk:
        answer = await client_of(other, key).chat.completions.create(
            model="demo", messages=history, extra_headers={"x-session-id": talk.session_id}
        )
    assert "Ada" in str(answer.choices[0].message.content)


async def test_a_session_by_its_name_is_begun_with_the_assistant_that_is_asked_for(
    start_server: StartServer, client_of: Client, key: str
) -> None:
    server = start_server(ASSISTANTS=json.dumps({"sales": {"name": "Sales"}}))

    async def asked(assistant: str, name: str) -> Any:
        completions = client_of(server, key).chat.completions.with_raw_response
        return await completions.create(
            model="demo",
            messages=said("count to 3"),
            extra_headers={"x-session-id": name},
            extra_query={"assistant": assistant},
        )

    told = await asked("sales", "my-chat")
    session = await in_db_thread(Session.objects.get, pk=told.headers["x-session-id"])
    assert session.assistant == "sales"
    with pytest.raises(openai.NotFoundError) as refused:
        await asked("nobody", "another-chat")
    assert refused.value.code == "assistant_not_found"


X: Any = {"role": "user", "content": "x"}
CALL: Any = {"type": "function", "id": "call_1", "function": {"name": "look", "arguments": "{}"}}


def shaped(schema: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "one", "schema": schema}}}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
        ({"stop": ["x"]}, "stop"),
        ({"messages": []}, "messages"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        (shaped({"type": "array"}), "response_format.json_schema.schema"),
        ({"tools": [{"type": "function", "function": {"name": "no name"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        (
            {"messages": [X, {"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[1].content[0].type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "of/theirs"}}]}]},
            "messages[0].content",
        ),
        (
            {
                "messages": [
                    X,
                    {"role": "assistant", "content": "Well.", "tool_calls": [CALL]},
                    {"role": "tool", "tool_call_id": "a b", "content": "{}"},
                ]
            },
            "messages[2].tool_call_id",
        ),
        (
            {
                "messages": [
                    X,
                    {"role": "assistant", "content": "Well.", "tool_calls": [{**CALL, "id": "a b"}]},
                ]
            },
            "messages[1].tool_calls",
        ),
    ],
)
async def test_what_is_not_offered_is_refused_by_its_name(
    server: ServerProcess, client_of: Client, body: dict[str, Any], param: str
) -> None:
    """By that which it has in this API."""
    with pytest.raises(openai.BadRequestError) as refused:
        await client_of(server).post(
            "/chat/completions", body={"model": "demo", "messages": said("x"), **body}, cast_to=object
        )
    assert refused.value.param == param
    for word in ("text.format", "max_output_tokens", "input[", "input_file", "flat"):
        assert word not in refused.value.message


async def test_a_stream_that_is_cut_by_its_client_is_stopped(
    server: ServerProcess, client_of: Client
) -> None:
    stream = await client_of(server).chat.completions.create(
        model="demo", messages=said("count to 2000"), stream=True
    )
    first = await anext(aiter(stream))
    await stream.close()
    response = first.id.removeprefix("chatcmpl-")
    final = None
    async for event in await client_of(server).responses.retrieve(response, stream=True):
        final = event
    assert final
    assert final.response.status == "cancelled"


async def test_with_its_key_a_stream_ends_in_an_error_of_the_clients_own(
    start_server: StartServer, client_of: Client, key: str
) -> None:
    server = start_server(DJANGO_SETTINGS_MODULE="tests.identity.settings", DEMO_DELAY_MS="20")
    stream = await client_of(server, key).chat.completions.create(
        model="demo", messages=said("count to 1000"), stream=True
    )
    await anext(aiter(stream))
    await in_db_thread(ApiKey.objects.all().delete)
    with pytest.raises(openai.APIError) as ended:
        assert all([chunk.choices async for chunk in stream])
    assert ended.value.code == "credentials_ended"
