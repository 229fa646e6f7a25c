"""Chat Completions as gateways and other vendors speak it: what has to come back, what they refuse, reasoning in the text."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

import pytest

from chat.errors import ModelBadRequest, ModelContextTooLong
from chat.llm.openai.chat import ChatCompletionsProvider
from chat.llm.provider import (
    AssistantText,
    FinishReason,
    HistoryItem,
    TextDelta,
    ToolCallItem,
    ToolCallRequest,
    ToolSpec,
    Usage,
)
from tests.fakes.http_server import HttpAnswer
from tests.fakes.openai_chat_api import DONE, ChatApi
from tests.fakes.openai_script import JSON, Data, HttpError, Raw, RefusedError
from tests.fakes.openai_server import API_KEY, OpenAIServer
from tests.providers.rounds import GET_TIME, calls_of, end_of, events_of, joined, remembered, request, result
from tests.providers.test_openai_chat import CALLS, MODEL, STOP, call, delta, said


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(ChatApi(groq=False)) as running:
        yield running


@pytest.fixture
async def provider(server: OpenAIServer) -> AsyncGenerator[ChatCompletionsProvider]:
    compatible = ChatCompletionsProvider("compatible", api_key=API_KEY, base_url=server.url)
    yield compatible
    await compatible.aclose()


async def calls_in(
    pieces: Sequence[JSON], server: OpenAIServer, provider: ChatCompletionsProvider
) -> list[ToolCallRequest]:
    """What comes of these pieces, each in a chunk of its own."""
    server.then(said(*(delta(tool_calls=[piece]) for piece in pieces), CALLS, DONE))
    return calls_of(await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME])))


async def next_message(
    server: OpenAIServer, provider: ChatCompletionsProvider, *steps: Data | Raw, model: str = MODEL
) -> JSON:
    """The assistant's message with calls that the server is sent after it has streamed them."""
    server.then(said(*steps, CALLS, DONE))
    items = remembered(await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME])))
    outputs: list[HistoryItem] = [result(one, "noon") for one in items if isinstance(one, ToolCallItem)]
    await events_of(provider, request("Hi", *items, *outputs, model=model))
    message: JSON = next(one for one in server.requests[-1]["messages"] if "tool_calls" in one)
    return message


@pytest.mark.parametrize("word", ["STOP", "end_turn", "tool_use", "eos_token", "TOOL_CALLS"])
async def test_a_good_end_in_another_vendors_word_is_one(
    server: OpenAIServer, provider: ChatCompletionsProvider, word: str
) -> None:
    """As gateways pass it on."""
    end = Data({"choices": [{"index": 0, "delta": {}, "finish_reason": word}]})
    server.then(said(delta(tool_calls=[call("get_time", '{"zone":"A"}', index=0, id="a")]), end, DONE))
    events = await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    assert [one.arguments for one in calls_of(events)] == ['{"zone":"A"}']
    assert end_of(events).finish is FinishReason.TOOL_CALLS


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("MAX_TOKENS", FinishReason.MAX_OUTPUT_TOKENS),
        ("model_length", FinishReason.MAX_OUTPUT_TOKENS),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("guardrail_intervened", FinishReason.CONTENT_FILTER),
    ],
)
async def test_a_limit_or_a_filter_in_another_vendors_word_is_told_as_that(
    server: OpenAIServer, provider: ChatCompletionsProvider, word: str, finish: FinishReason
) -> None:
    end = Data({"choices": [{"index": 0, "delta": {}, "finish_reason": word}]})
    server.then(said(delta(content="Hello"), end, DONE))
    got = end_of(await events_of(provider, request("Hi", model=MODEL)))
    assert (got.finish, got.vendor_reason) == (finish, word)


async def test_what_stands_beside_a_call_goes_back_with_that_call(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    assert isinstance(server.api, ChatApi)
    beside = {"google": {"thought_signature": "c2ln", "other": [1, {"a": None}]}}
    server.api.signed[MODEL, "a"] = beside
    calls = [
        call("get_time", '{"zone":"A"}', index=0, id="a", extra_content=beside),
        call("get_time", '{"zone":"B"}', index=1, id="b"),
    ]
    message = await next_message(server, provider, delta(tool_calls=calls))
    assert [one.get("extra_content") for one in message["tool_calls"]] == [beside, None]


async def test_another_model_is_not_sent_it(server: OpenAIServer, provider: ChatCompletionsProvider) -> None:
    asked = call("get_time", "{}", index=0, id="a", extra_content={"google": {"thought_signature": "c2ln"}})
    message = await next_message(server, provider, delta(tool_calls=[asked]), model="another/model")
    assert message["tool_calls"][0].keys() == {"id", "type", "function"}


async def test_a_vendors_id_goes_back_as_long_as_it_is(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    long = f"call_1__thought__{'s' * 600}"
    message = await next_message(
        server, provider, delta(tool_calls=[call("get_time", "{}", index=0, id=long)])
    )
    assert message["tool_calls"][0]["id"] == long


async def test_another_model_at_the_same_server_is_sent_an_id_that_all_take(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    """Mistral's models refuse every id but one of nine letters and digits."""
    asked = delta(tool_calls=[call("get_time", "{}", index=0, id="call_1__thought__sealed")])
    message = await next_message(server, provider, asked, model="mistral/large")
    assert re.fullmatch("[a-zA-Z0-9]{9}", message["tool_calls"][0]["id"])


async def test_reasoning_in_details_goes_back_whole(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    assert isinstance(server.api, ChatApi)
    text = {"type": "reasoning.text", "index": 0, "format": "x", "signature": None}
    sealed = {"type": "reasoning.encrypted", "index": 1, "data": "AAAA", "id": "rs_1"}
    whole = [{**text, "text": "Let me think.", "signature": "sig"}, sealed]
    server.api.reasoning_given += [whole]  # type: ignore[list-item]
    message = await next_message(
        server,
        provider,
        delta(reasoning_details=[{**text, "text": "Let me "}]),
        delta(reasoning_details=[{**text, "text": "think."}]),
        delta(reasoning_details=[{**text, "text": "", "signature": "sig"}]),
        delta(reasoning_details=[sealed]),
        delta(tool_calls=[call("get_time", "{}", index=0, id="a")]),
    )
    assert message["reasoning_details"] == whole


@pytest.mark.parametrize("ids", [(None, None), ("one", "one"), ("a1", "a2")], ids=str)
@pytest.mark.parametrize("apart", [True, False], ids=["two chunks", "one chunk"])
async def test_calls_that_all_say_index_0_are_as_many_as_they_are(
    server: OpenAIServer,
    provider: ChatCompletionsProvider,
    ids: tuple[str | None, str | None],
    *,
    apart: bool,
) -> None:
    asked = [
        call("get_time", f'{{"zone":"{zone}"}}', index=0, **({"id": one} if one else {}))
        for zone, one in zip("AB", ids, strict=True)
    ]
    chunks = [delta(tool_calls=[one]) for one in asked] if apart else [delta(tool_calls=asked)]
    server.then(said(*chunks, CALLS, DONE))
    events = await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    assert [one.arguments for one in calls_of(events)] == ['{"zone":"A"}', '{"zone":"B"}']


async def test_a_name_that_is_repeated_with_each_piece_begins_no_call(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    pieces = [call("get_time", piece, index=0, id="a") for piece in ("", '{"zo', 'ne":"A', '"}', "")]
    [only] = await calls_in(pieces, server, provider)
    assert only.arguments == '{"zone":"A"}'


async def test_a_call_without_arguments_before_another_at_the_same_index(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    pieces = [call("get_my_profile", "", index=0), call("get_time", '{"zone":"A"}', index=0)]
    calls = await calls_in(pieces, server, provider)
    assert [(one.name, one.arguments) for one in calls] == [
        ("get_my_profile", "{}"),
        ("get_time", '{"zone":"A"}'),
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        [("a", "get_time", ""), ("b", None, '{"zo'), ("c", None, 'ne":"A"}')],
        [("a", None, ""), (None, "get_time", '{"zo'), (None, None, 'ne":"A"}')],
    ],
    ids=["another id with each piece", "the name behind the id"],
)
async def test_pieces_at_one_index_of_which_one_has_the_name_are_one_call(
    server: OpenAIServer,
    provider: ChatCompletionsProvider,
    pieces: list[tuple[str | None, str | None, str]],
) -> None:
    asked = [call(name, piece, index=0, **({"id": one} if one else {})) for one, name, piece in pieces]
    calls = await calls_in(asked, server, provider)
    assert [(one.name, one.arguments) for one in calls] == [("get_time", '{"zone":"A"}')]


async def test_arguments_at_an_index_of_their_own_belong_to_the_call_before(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    """As some servers send the second of two calls: its name at the first one's index, its arguments at its own."""
    pieces = [
        call("get_time", "", index=0, id="a"),
        call(None, '{"zone":"A"}', index=0),
        call("get_time", "", index=0, id="b"),
        call(None, '{"zo', index=1),
        call(None, 'ne":"B"}', index=1),
    ]
    calls = await calls_in(pieces, server, provider)
    assert [(one.name, one.arguments) for one in calls] == [
        ("get_time", '{"zone":"A"}'),
        ("get_time", '{"zone":"B"}'),
    ]


async def test_a_call_that_is_told_again_at_another_index_is_one_call(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    pieces = [
        call("get_time", "", index=0, id="a"),
        call(None, '{"zone":"A"}', index=0),
        call("get_time", '{"zone":"A"}', index=1, id="a"),
        call("get_time", '{"zone":"B"}', index=2, id="a"),  # one id for all calls: this is another
    ]
    calls = await calls_in(pieces, server, provider)
    assert [one.arguments for one in calls] == ['{"zone":"A"}', '{"zone":"B"}']


async def test_null_is_no_end(server: OpenAIServer, provider: ChatCompletionsProvider) -> None:
    null = Raw(b"data: null\n\n")
    server.then(said(delta(content="Hel"), null, delta(content="lo"), STOP, null, DONE))
    assert joined(await events_of(provider, request("Hi", model=MODEL))) == "Hello"


@pytest.mark.parametrize("count", [2.0, 2.7, "2", None, [2], -2, True], ids=str)
async def test_no_count_fails_an_answer(
    server: OpenAIServer, provider: ChatCompletionsProvider, count: object
) -> None:
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": count,
        "prompt_tokens_details": {"cached_tokens": count},
    }
    server.then(said(delta(content="Hello"), STOP, Data({"choices": [], "usage": usage}), DONE))
    counted = end_of(await events_of(provider, request("Hi", model=MODEL))).usage
    assert counted.input_tokens == 3
    assert counted.output_tokens == (2 if isinstance(count, float) else int(count is True))


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (("<think>Hm. <b>", "Hm.</think>\n\n", "\nHello"), ["Hello"]),
        (("\n<th", "ink", ">Hm.", "</thi", "nk>", "Hello", " you"), ["Hello", " you"]),
        (("<think></think>Hello",), ["Hello"]),
        (("<thi", "s> is"), ["<this> is"]),
        (("Hello <think>", "no</think>"), ["Hello <think>", "no</think>"]),
        (("<think>Hm.</think>", "<think>said</think>"), ["<think>said</think>"]),
        (("  Hello",), ["  Hello"]),
        (("<th",), ["<th"]),
    ],
    ids=str,
)
async def test_reasoning_at_the_beginning_of_a_text_is_not_shown(
    server: OpenAIServer, provider: ChatCompletionsProvider, pieces: tuple[str, ...], shown: list[str]
) -> None:
    server.then(said(*(delta(content=piece) for piece in pieces), STOP, DONE))
    events = await events_of(provider, request("Hi", model=MODEL))
    assert [event.text for event in events if isinstance(event, TextDelta)] == shown


WITHIN = ("Hm. They greet", " me.\n</th", "ink>\n", "\nHello")


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ((WITHIN, WITHIN), ["Hello"]),
        ((WITHIN, ("<think>Hm.", "\n</think>", "\n\nHello")), ["Hello"]),
        ((WITHIN, ("Hello", " you")), ["Hello you"]),
        ((WITHIN, ("Hello", " you"), ("Hello", " you")), ["Hello", " you"]),
        ((("Write <think>.\n</think>\n",), ("Hello", " you")), ["Hello", " you"]),
        ((("It ends with </think>.",), ("Hello", " you")), ["Hello", " you"]),
    ],
    ids=["within", "opened all the same", "none", "never again", "of the tags", "of one of them"],
)
async def test_reasoning_that_the_template_opens_is_shown_once_at_most(
    server: OpenAIServer,
    provider: ChatCompletionsProvider,
    texts: tuple[tuple[str, ...], ...],
    shown: list[str],
) -> None:
    """DeepSeek R1 and QwQ behind a server without a parser: what is reasoning is known at its end alone, so the next one is held."""
    for pieces in texts:
        server.then(said(*(delta(content=piece) for piece in pieces), STOP, DONE))
        events = await events_of(provider, request("Hi", model=MODEL))
    assert [event.text for event in events if isinstance(event, TextDelta)] == shown


async def test_what_a_server_refuses_is_learned_once_for_each_model(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    server.api = ChatApi(groq=False, gateway=True)
    for model in (MODEL, MODEL, "another/model"):
        asked = request("Hi", model=model, max_output_tokens=9)
        assert joined(await events_of(provider, asked)) == "You said: Hi"
    assert server.hits == 3 + 1 + 3
    assert [body["max_completion_tokens"] for body in server.requests] == [9, 9, 9]
    assert not [body for body in server.requests if "stream_options" in body or "max_tokens" in body]


async def test_what_one_question_has_learned_another_that_was_asked_beside_it_knows(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    """The first of a process come in company."""
    server.api = ChatApi(groq=False, gateway=True)
    asked = request("Hi", model=MODEL, max_output_tokens=9)
    answers = await asyncio.gather(*(events_of(provider, asked) for _ in range(3)))
    assert [joined(events) for events in answers] == ["You said: Hi"] * 3


class NoSchemas(ChatApi):
    def check(self, body: Any) -> None:
        if body.get("response_format", {}).get("type") == "json_schema":
            raise RefusedError("'response_format.type' json_schema is not supported")
        super().check(body)


async def test_a_schema_that_is_refused_to_several_at_once_is_refused_once(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    server.api = NoSchemas(groq=False)
    asked = request("How warm is it?", model=MODEL, answer_schema={"type": "object", "properties": {}})
    await asyncio.gather(*(events_of(provider, asked) for _ in range(2)))
    assert [body["response_format"]["type"] for body in server.requests] == ["json_object"] * 2


@pytest.mark.parametrize(
    "refusal",
    [
        HttpError(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
            "instead.",
            code="unsupported_parameter",
            param="max_tokens",
        ),
        HttpError(400, "", whole={"detail": "Unknown field: max_tokens"}),
        HttpError(422, "", whole={"message": "max_tokens: Extra inputs are not permitted"}),
    ],
    ids=["openai", "detail", "message"],
)
async def test_the_limit_has_two_names(
    server: OpenAIServer, provider: ChatCompletionsProvider, refusal: HttpError
) -> None:
    assert isinstance(server.api, ChatApi)
    server.api.limit_field = "max_completion_tokens"
    server.http.instead.append(HttpAnswer(refusal.status, json.dumps(refusal.body())))
    assert (
        joined(await events_of(provider, request("Hi", model=MODEL, max_output_tokens=9))) == "You said: Hi"
    )
    assert server.requests[-1]["max_completion_tokens"] == 9


async def test_a_limit_that_does_not_fit_beside_the_prompt_is_left_out(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    """Of that one request: without one, a server gives what there is room for."""
    assert isinstance(server.api, ChatApi)
    server.api.window = 4096
    for limit in (8192, 1000, 8192):
        asked = request("Hi", model=MODEL, max_output_tokens=limit)
        assert joined(await events_of(provider, asked)) == "You said: Hi"
    assert [body.get("max_tokens") for body in server.requests] == [None, 1000, None]
    assert server.hits == 2 + 1 + 2
    with pytest.raises(ModelContextTooLong):
        await events_of(provider, request("Hi " * 9_000, model=MODEL, max_output_tokens=8192))
    assert server.hits == 5 + 2


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, you requested 8292 (100 in the messages, 8192 in the completion).",
        "You passed 100 input tokens and requested 8192 output tokens. However, the model's context length is only 8192 tokens.",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. Given: 100 `inputs` tokens.",
    ],
)
async def test_a_limit_that_does_not_fit_is_said_in_many_words(
    server: OpenAIServer, provider: ChatCompletionsProvider, message: str
) -> None:
    server.then(HttpError(400, message))
    for _ in range(2):
        await events_of(provider, request("Hi", model=MODEL, max_output_tokens=8192))
    assert [body.get("max_tokens") for body in server.requests] == [8192, None, 8192]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "registry.ollama.ai/library/gemma3:4b does not support tools"),
        (400, "deepseek-reasoner does not support Function Calling"),
        (400, "`tool calling` is not supported with this model"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        (404, "No endpoints found that support tool use. To learn more about provider routing, visit: ..."),
        (500, "tools param requires --jinja flag"),
    ],
)
async def test_a_model_without_tools_answers_without(
    server: OpenAIServer, provider: ChatCompletionsProvider, status: int, message: str
) -> None:
    server.then(HttpError(status, message))
    for _ in range(2):
        asked = request("Hi", model=MODEL, tools=[GET_TIME])
        assert joined(await events_of(provider, asked)) == "You said: Hi"
    assert ["tools" in body for body in server.requests] == [True, False, False]
    assert not [body for body in server.requests[1:] if "tool_choice" in body]


async def test_a_tool_that_was_wished_for_is_not_left_out(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    server.then(HttpError(400, "gemma3:4b does not support tools"))
    with pytest.raises(ModelBadRequest):
        await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME], tool_choice="required"))
    assert server.hits == 1


async def test_what_does_not_go_together_takes_no_model_its_tools(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    server.then(HttpError(400, "response_format is not supported when tools are given"))
    await events_of(
        provider,
        request("Hi", model=MODEL, tools=[GET_TIME], answer_schema={"type": "object", "properties": {}}),
    )
    await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    assert ["tools" in body for body in server.requests] == [True] * 3


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 9000. This model supports at most 8192 completion tokens.",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        "`max_tokens` must be less than or equal to `4096`",
        "Range of max_tokens should be [1, 2048]",
    ],
)
async def test_a_limit_above_the_models_own_is_left_out_from_then_on(
    server: OpenAIServer, provider: ChatCompletionsProvider, message: str
) -> None:
    server.then(HttpError(400, message))
    for limit in (9000, 9000, 9):
        await events_of(provider, request("Hi", model=MODEL, max_output_tokens=limit))
    assert server.hits == 2 + 1 + 1
    assert [body.get("max_tokens") for body in server.requests] == [9000, None, None, 9]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Error from provider (DeepSeek): The `reasoning_content` in the thinking mode must be passed back to the API.",
    ],
    ids=["Kimi", "DeepSeek"],
)
async def test_a_model_that_wants_reasoning_of_each_message_gets_none_of_those_that_have_none(
    server: OpenAIServer, provider: ChatCompletionsProvider, message: str
) -> None:
    """Such as another model has made, or where it had none itself."""
    assert isinstance(server.api, ChatApi)
    server.api.wants_reasoning = True
    if message:
        server.http.instead.append(HttpAnswer(400, json.dumps({"error": {"message": message}})))
    asked = ToolCallItem("i", "call_1", "get_time", "{}")
    history: list[HistoryItem | str] = [
        "Hi",
        asked,
        result(asked, "noon"),
        AssistantText("a", "It is noon."),
        "Thanks",
    ]
    events = await events_of(provider, request(*history, model=MODEL))
    assert joined(events) == "You said: Thanks"
    reasoning = [
        one["reasoning_content"] for one in server.requests[-1]["messages"] if one["role"] == "assistant"
    ]
    assert reasoning == ["", ""]


@pytest.mark.parametrize("refusals", [1, 2])
async def test_a_schema_that_a_server_does_not_take_is_told_in_words(
    server: OpenAIServer, provider: ChatCompletionsProvider, refusals: int
) -> None:
    schema = {
        "type": "object",
        "properties": {"degrees": {"type": "integer"}},
        "required": ["degrees"],
        "additionalProperties": False,
    }
    refusal = {"error": {"message": "'response_format.type' is not supported"}}
    server.http.instead += [HttpAnswer(400, json.dumps(refusal))] * refusals
    await events_of(provider, request("How warm is it?", model=MODEL, answer_schema=schema))
    assert ("response_format" in server.requests[-1]) is (refusals == 1)
    told = server.requests[-1]["messages"][0]
    assert told["role"] == "system"
    assert json.loads(told["content"].partition("Schema is: ")[2]) == schema


@pytest.mark.parametrize(
    "message",
    [
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        "litellm.UnsupportedParamsError: Bedrock doesn't support tool calling without `tools=` param specified.",
        "Requests which include `tool_use` or `tool_result` blocks must define tools",
    ],
)
async def test_calls_whose_tools_are_gone_are_named_where_a_model_wants_that(
    server: OpenAIServer, provider: ChatCompletionsProvider, message: str
) -> None:
    server.then(HttpError(400, message))
    asked = ToolCallItem("i", "call_1", "get_time", "{}")
    for _ in range(2):
        await events_of(provider, request("Hi", asked, result(asked, "noon"), "And now?", model=MODEL))
    named = [[tool["function"]["name"] for tool in body.get("tools", [])] for body in server.requests]
    assert named == [[], ["get_time"], ["get_time"]]
    assert server.requests[-1]["tool_choice"] == "none"
    await events_of(provider, request("Hi", model=MODEL))
    assert "tools" not in server.requests[-1]


async def test_a_description_that_is_too_long_is_cut_where_a_server_says_so(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    message = (
        "Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024, but got a "
        "string with length 2000 instead."
    )
    server.then(HttpError(400, message, code="string_above_max_length"))
    tool = ToolSpec("get_time", "d" * 2000, GET_TIME.parameters)
    for _ in range(2):
        await events_of(provider, request("Hi", model=MODEL, tools=[tool]))
    told = [len(body["tools"][0]["function"]["description"]) for body in server.requests]
    assert told == [2000, 1024, 1024]


async def test_another_refusal_is_a_refusal(server: OpenAIServer, provider: ChatCompletionsProvider) -> None:
    server.then(HttpError(400, "Unknown parameter: 'tools'."))
    with pytest.raises(ModelBadRequest):
        await events_of(provider, request("Hi", model=MODEL, max_output_tokens=9))
    assert server.hits == 1


async def test_a_server_that_refuses_both_names_is_asked_for_each_once(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    both = "Unknown field: max_tokens, max_completion_tokens, stream_options"
    server.then(*[HttpError(400, both)] * 9)
    with pytest.raises(ModelBadRequest):
        await events_of(provider, request("Hi", model=MODEL, max_output_tokens=9))
    assert server.hits == 3


async def test_a_whole_message_may_hold_reasoning_and_refusals(
    server: OpenAIServer, provider: ChatCompletionsProvider
) -> None:
    message = {"role": "assistant", "content": "<think>Hm.</think>\nHello", "reasoning_content": "Hm."}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"completion_tokens": 3.0}}
    server.http.instead.append(HttpAnswer(200, json.dumps(body)))
    events = await events_of(provider, request("Hi", model=MODEL))
    assert (joined(events), end_of(events).finish) == ("Hello", FinishReason.STOP)
    assert end_of(events).usage == Usage(output_tokens=3)
