"""Chat Completions as the servers that copy them really are: without ids, indices, usage, keys, and alive by odd means."""

import json
import time
from collections.abc import AsyncGenerator, Iterator

import pytest

from chat.errors import (
    ModelBadAnswer,
    ModelBadRequest,
    ModelContextTooLong,
    ModelOverloaded,
    ModelQuota,
    ModelUnreachable,
    ProviderError,
)
from chat.llm.openai.chat import ChatCompletionsProvider
from chat.llm.provider import FinishReason, TextDelta, ToolCallItem, Usage
from tests.fakes.openai_chat_api import DONE, ChatApi
from tests.fakes.openai_script import JSON, Data, Drop, Hang, HttpError, Raw, Sleep, Step, Stream
from tests.fakes.openai_server import API_KEY, OpenAIServer
from tests.providers.rounds import GET_TIME, calls_of, end_of, events_of, joined, remembered, request, result

MODEL = "some-org/some-model"
STOP = Data({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
CALLS = Data({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(ChatApi(groq=False)) as running:
        yield running


@pytest.fixture
async def provider(server: OpenAIServer) -> AsyncGenerator[ChatCompletionsProvider]:
    compatible = ChatCompletionsProvider("compatible", api_key=API_KEY, base_url=server.url)
    yield compatible
    await compatible.aclose()


def delta(**fields: object) -> Data:
    return Data({"choices": [{"index": 0, "delta": fields, "finish_reason": None}]})


def call(name: str | None, arguments: object, **fields: object) -> JSON:
    return {**fields, "type": "function", "function": {"name": name, "arguments": arguments}}


def said(*steps: Step) -> Stream:
    return Stream(steps)


async def test_a_server_that_counts_nothing(server: OpenAIServer, provider: ChatCompletionsProvider) -> None:
    server.then(said(delta(content="Hello"), STOP, DONE))
    events = await events_of(provider, request("Hi", model=MODEL))
    assert joined(events) == "Hello"
    assert (end_of(events).finish, end_of(events).usage) == (FinishReason.STOP, Usage())


@pytest.mark.parametrize(
    "noise",
    [
        b": ping\n\n",
        b"event: ping\n\n",
        b"retry: 3000\n\n",
        b"data:\n\n",
        b"id: 7\n\n",
        b'data: {"choices": []}\n\n',
        b"\n\n",
    ],
)
async def test_odd_ways_of_keeping_a_connection_alive(
    server: OpenAIServer, provider: ChatCompletionsProvider, noise: bytes
) -> None:
    server.then(
        said(Raw(noise), delta(content="Hel"), Raw(noise), delta(content="lo"), STOP, Raw(noise), DONE)
    )
    assert joined(await events_of(provider, request("Hi", model=MODEL))) == "Hello"


@pytest.mark.parametrize(
    "fields",
    [
        ({"index": 0}, {"index": 1}),
        ({"index": 0, "id": ""}, {"index": 1, "id": ""}),
        ({"index": 0, "id": "call_0"}, {"index": 1, "id": "call_0"}),
        ({"id": "a"}, {"id": "b"}),
        ({}, {}),
    ],
    ids=["no ids", "empty ids", "one id for all", "no indices", "neither"],
)
async def test_calls_without_ids_of_their_own(
    server: OpenAIServer, provider: ChatCompletionsProvider, fields: tuple[JSON, JSON]
) -> None:
    asked = [
        call("get_time", json.dumps({"zone": zone}), **one) for zone, one in zip("AB", fields, strict=True)
    ]
    server.then(said(delta(tool_calls=[asked[0]]), delta(tool_calls=[asked[1]]), CALLS, DONE))
    events = await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    calls = calls_of(events)
    assert [json.loads(one.arguments)["zone"] for one in calls] == ["A", "B"]
    items = remembered(events)
    await events_of(provider, request("Hi", *items, *(result(one, "noon") for one in calls), model=MODEL))
    [message] = [one for one in server.requests[-1]["messages"] if "tool_calls" in one]
    assert len({one["id"] for one in message["tool_calls"]}) == 2


async def test_calls_that_all_say_index_0(server: OpenAIServer, provider: ChatCompletionsProvider) -> None:
    asked = [call("get_time", f'{{"zone":"{zone}"}}', index=0, id=f"id_{zone}") for zone in "AB"]
    server.then(said(delta(tool_calls=asked), CALLS, DONE))
    calls = calls_of(await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME])))
    assert [one.arguments for one in calls] == ['{"zone":"A"}', '{"zone":"B"}']


async def test_pieces_of_two_calls_that_come_in_turns(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    pieces = [
        [call("get_time", '{"zo', index=0, id="a"), call("get_time", '{"zo', index=1, id="b")],
        [call(None, 'ne":"B"}', index=1), call(None, 'ne":"A"}', index=0)],
    ]
    server.then(said(*(delta(tool_calls=piece) for piece in pieces), CALLS, DONE))
    calls = calls_of(await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME])))
    assert [one.arguments for one in calls] == ['{"zone":"A"}', '{"zone":"B"}']


async def test_arguments_as_an_object_and_a_finish_that_knows_of_no_calls(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    server.then(said(delta(tool_calls=[call("get_time", {"zone": "A"}, index=0, id="a")]), STOP, DONE))
    events = await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    assert json.loads(calls_of(events)[0].arguments) == {"zone": "A"}
    assert end_of(events).finish is FinishReason.TOOL_CALLS


async def test_calls_that_were_cut_off_are_not_made(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    length = Data({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
    server.then(said(delta(tool_calls=[call("get_time", '{"zo', index=0, id="a")]), length, DONE))
    events = await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    assert calls_of(events) == []
    assert end_of(events).finish is FinishReason.MAX_OUTPUT_TOKENS


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_reasoning_goes_back_with_its_call_under_the_name_that_it_came_by(
    server: OpenAIServer, provider: ChatCompletionsProvider, field: str
) -> None:
    assert isinstance(server.api, ChatApi)
    server.api.reasoning_given.append("Let me think.")
    asked = delta(tool_calls=[call("get_time", "{}", index=0, id="a")])
    server.then(said(delta(**{field: "Let me "}), delta(**{field: "think."}), asked, CALLS, DONE))
    events = await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    assert joined(events) == ""
    items = remembered(events)
    outcome = [result(one, "noon") for one in items if isinstance(one, ToolCallItem)]
    await events_of(provider, request("Hi", *items, *outcome, model=MODEL))
    [message] = [one for one in server.requests[-1]["messages"] if "tool_calls" in one]
    assert message[field] == "Let me think."


async def test_content_in_parts(server: OpenAIServer, provider: ChatCompletionsProvider) -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Hello"},
    ]
    server.then(said(delta(content=parts), STOP, DONE))
    assert joined(await events_of(provider, request("Hi", model=MODEL))) == "Hello"


@pytest.mark.parametrize("tail", [Drop(), Raw(b"data: {garbage\n\n")], ids=["cut", "garbage"])
async def test_what_goes_wrong_behind_the_end_does_not_unmake_the_answer(
    server: OpenAIServer, provider: ChatCompletionsProvider, tail: Step
) -> None:
    server.then(said(delta(content="Hello"), STOP, tail))
    events = await events_of(provider, request("Hi", model=MODEL))
    assert (joined(events), end_of(events).finish) == ("Hello", FinishReason.STOP)


async def test_a_server_that_never_closes_its_stream(
    server: OpenAIServer, provider: ChatCompletionsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChatCompletionsProvider, "tail_s", 0.1)
    server.then(said(delta(content="Hello"), STOP, Hang()))
    assert joined(await events_of(provider, request("Hi", model=MODEL))) == "Hello"
    assert await server.hung_up_within(5)


async def test_words_behind_an_end_are_waited_for_like_any_others(
    server: OpenAIServer, provider: ChatCompletionsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers say with every piece that it is the last."""
    monkeypatch.setattr(ChatCompletionsProvider, "tail_s", 0.6)
    steps: list[Step] = []
    for word in "abcd":
        choice = {"index": 0, "delta": {"content": word}, "finish_reason": "stop"}
        steps += [Data({"choices": [choice]}), Sleep(0.3)]
    server.then(said(*steps, DONE))
    assert joined(await events_of(provider, request("Hi", model=MODEL))) == "abcd"


@pytest.mark.parametrize(
    ("steps", "cls"),
    [
        ((Data({"error": {"message": "Provider returned error", "code": 502}}),), ModelOverloaded),
        (
            (Data({"error": {"message": "Failed to call a function.", "code": "tool_use_failed"}}),),
            ModelBadAnswer,
        ),
        (
            (Data({"error": {"message": "This model's maximum context length is 8192 tokens."}}),),
            ModelContextTooLong,
        ),
        ((delta(content="Hel"), Data({"choices": "none"})), ModelBadAnswer),
        ((Data({"choices": [{"delta": {}, "finish_reason": "error"}]}), DONE), ModelUnreachable),
        ((DONE,), ModelUnreachable),
        ((), ModelUnreachable),
    ],
    ids=["status as code", "bad call", "too long", "wrong shape", "finish error", "only done", "nothing"],
)
async def test_streams_that_fail(
    server: OpenAIServer, provider: ChatCompletionsProvider, steps: tuple[Step, ...], cls: type[ProviderError]
) -> None:
    server.then(said(*steps))
    with pytest.raises(ProviderError) as failed:
        await events_of(provider, request("Hi", model=MODEL))
    assert type(failed.value) is cls


@pytest.mark.parametrize(
    ("error", "cls"),
    [
        (HttpError(400, "This model's maximum context length is 4096 tokens."), ModelContextTooLong),
        (HttpError(500, "the request exceeds the available context size"), ModelContextTooLong),
        (
            HttpError(413, "Request too large for model: Limit 6000", "tokens", "rate_limit_exceeded"),
            ModelContextTooLong,
        ),
        (
            HttpError(
                400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."
            ),
            ModelContextTooLong,
        ),
        (
            HttpError(
                500, "The decoder prompt (length 66501) is longer than the maximum model length of 65536."
            ),
            ModelContextTooLong,
        ),
        (
            HttpError(422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096."),
            ModelContextTooLong,
        ),
        (HttpError(400, "Input is too long for requested model."), ModelContextTooLong),
        (HttpError(400, "Your request exceeded model token limit: 8192"), ModelContextTooLong),
        (HttpError(400, "Range of input length should be [1, 129024]"), ModelContextTooLong),
        (HttpError(400, "Prompt exceeds max length", code="1261"), ModelContextTooLong),
        (HttpError(400, "Input length 203743 exceeds the maximum length 202752"), ModelContextTooLong),
        (
            HttpError(
                400,
                "Invalid 'messages[0].content': string too long. Expected a string with maximum length 10485760.",
                code="string_above_max_length",
            ),
            ModelContextTooLong,
        ),
        (
            HttpError(
                400,
                "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64.",
                code="string_above_max_length",
            ),
            ModelBadRequest,
        ),
        (HttpError(498, "Flex capacity exceeded"), ModelOverloaded),
        (HttpError(302, "Over there.", headers={"location": "http://127.0.0.1:9/"}), ModelUnreachable),
    ],
    ids=lambda value: (
        f"{value.status} {value.message[:40]}" if isinstance(value, HttpError) else value.__name__
    ),
)
async def test_refusals_without_a_code_of_openais(
    server: OpenAIServer, provider: ChatCompletionsProvider, error: HttpError, cls: type[ProviderError]
) -> None:
    server.then(error)
    with pytest.raises(ProviderError) as failed:
        await events_of(provider, request("Hi", model=MODEL))
    assert type(failed.value) is cls
    assert server.hits == 1


@pytest.mark.parametrize(
    ("message", "headers", "seconds"),
    [
        ("Rate limit reached. Please try again in 7.66s.", {}, 7.66),
        ("Rate limit reached. Please try again in 2m.", {}, 120.0),
        ("Rate limit reached. Please try again in 1h2m3.5s. Need more?", {}, 3723.5),
        ("Please retry after 26 seconds.", {}, 26.0),
        ("Please retry in 5 minutes.", {}, 300.0),
        ("Rate limit reached.", {"retry-after-ms": "250"}, 0.25),
        ("Rate limit reached. Please try again in 9s.", {"retry-after": "3"}, 3.0),
        ("Rate limit reached. Try again soon.", {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ("Rate limit reached. Try again soon.", {"retry-after": "tomorrow"}, None),
    ],
)
async def test_hints_when_to_come_back(
    server: OpenAIServer,
    provider: ChatCompletionsProvider,
    message: str,
    headers: dict[str, str],
    seconds: float | None,
) -> None:
    server.then(HttpError(429, message, "requests", "rate_limit_exceeded", headers=headers))
    with pytest.raises(ModelQuota) as failed:
        await events_of(provider, request("Hi", model=MODEL))
    assert failed.value.retry_after_s == seconds


async def test_a_hint_among_what_openrouter_passes_on(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    reset_ms = round((time.time() + 50) * 1000)
    headers = {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset_ms)}
    error = {"message": "Rate limit exceeded", "code": 429, "metadata": {"headers": headers}}
    server.then(HttpError(429, "", whole={"error": error}))
    with pytest.raises(ModelQuota) as failed:
        await events_of(provider, request("Hi", model=MODEL))
    assert 0 < (failed.value.retry_after_s or 0) <= 50


async def test_usage_as_groq_alone_tells_it(server: OpenAIServer, provider: ChatCompletionsProvider) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "queue_time": 0.1}
    server.then(said(delta(content="Hello"), Data({**STOP.body, "x_groq": {"usage": usage}}), DONE))
    events = await events_of(provider, request("Hi", model=MODEL))
    assert end_of(events).usage == Usage(input_tokens=7, output_tokens=3)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (
            {"completion_tokens_details": {"reasoning_tokens": 60}, "total_tokens": 70},
            Usage(input_tokens=7, output_tokens=63, reasoning_tokens=60),
        ),
        ({"total_tokens": 70}, Usage(input_tokens=7, output_tokens=63, reasoning_tokens=60)),
        (
            {"completion_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 10},
            Usage(input_tokens=7, output_tokens=3, reasoning_tokens=2),
        ),
        (
            {"prompt_tokens_details": {"cached_tokens": 5}, "total_tokens": 15},
            Usage(input_tokens=7, output_tokens=3, cached_tokens=5),
        ),
        (
            {"prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 2},
            Usage(input_tokens=7, output_tokens=3, cached_tokens=5),
        ),
        ({"cached_tokens": 5}, Usage(input_tokens=7, output_tokens=3, cached_tokens=5)),
    ],
    ids=["xAI", "Google", "OpenAI", "a total of another kind", "DeepSeek", "Kimi"],
)
async def test_usage_in_each_vendors_words(
    server: OpenAIServer, provider: ChatCompletionsProvider, usage: JSON, counted: Usage
) -> None:
    """Reasoning is paid for as output, also by whom it is counted in the total alone; what was cached costs less."""
    told = Data({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, **usage}})
    server.then(said(delta(content="Hello"), STOP, told, DONE))
    assert end_of(await events_of(provider, request("Hi", model=MODEL))).usage == counted


async def test_counts_that_say_nothing_unmake_none(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    told = [{"prompt_tokens": 7, "completion_tokens": 3}, {"prompt_tokens_details": {"cached_tokens": 0}}]
    server.then(
        said(delta(content="Hello"), STOP, *(Data({"choices": [], "usage": one}) for one in told), DONE)
    )
    events = await events_of(provider, request("Hi", model=MODEL))
    assert end_of(events).usage == Usage(input_tokens=7, output_tokens=3)


async def test_a_server_without_keys_is_sent_none() -> None:
    with OpenAIServer(ChatApi(groq=False), key="") as server:
        provider = ChatCompletionsProvider("compatible", api_key="", base_url=server.url)
        assert joined(await events_of(provider, request("Hi", model=MODEL))) == "You said: Hi"
        assert "authorization" not in server.http.requests[0].headers
        await provider.aclose()


async def test_openais_variables_are_for_openais_eyes(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "OPENAI_API_KEY": "secret-key",
        "OPENAI_ADMIN_KEY": "secret-admin",
        "OPENAI_ORG_ID": "secret-org",
        "OPENAI_PROJECT_ID": "secret-project",
        "OPENAI_CUSTOM_HEADERS": "X-Gateway: secret-gateway\nAuthorization: Bearer secret-token",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    for name in ("groq", "compatible"):
        provider = ChatCompletionsProvider(name, api_key=API_KEY, base_url=server.url)
        await events_of(provider, request("Hi", model=MODEL))
        await provider.aclose()
    assert "secret" not in str([one.headers for one in server.http.requests])


async def test_text_is_shown_as_it_comes(server: OpenAIServer, provider: ChatCompletionsProvider) -> None:
    events = await events_of(provider, request("one two", model=MODEL))
    assert [event.text for event in events if isinstance(event, TextDelta)] == [
        "You",
        " said:",
        " one",
        " two",
    ]
