"""What only the Responses API has: reasoning that may be refused, messages with a phase, calls that were cut off."""

from collections.abc import AsyncGenerator, Iterator

import pytest
from pytest_django import Settings

from chat.errors import (
    ModelBadAnswer,
    ModelBadRequest,
    ModelOverloaded,
    ModelQuota,
    ModelRefused,
    ProviderError,
)
from chat.llm.openai.responses import OpenAIProvider
from chat.llm.provider import AssistantText, FinishReason, HistoryItem, Part, TextDelta, ToolCallItem
from tests.fakes.openai_responses_api import ResponsesApi, Writer
from tests.fakes.openai_script import JSON, Answer, Data, HttpError, Sleep, Stream
from tests.fakes.openai_server import API_KEY, OpenAIServer
from tests.providers.rounds import GET_TIME, calls_of, end_of, events_of, joined, remembered, request, result

MODEL = "gpt-5.5"


@pytest.fixture
def server(settings: Settings) -> Iterator[OpenAIServer]:
    with OpenAIServer(ResponsesApi()) as running:
        settings.CHAT_OPENAI_BASE_URL = running.url
        yield running


@pytest.fixture
async def provider(server: OpenAIServer) -> AsyncGenerator[OpenAIProvider]:
    openai = OpenAIProvider(API_KEY)
    yield openai
    await openai.aclose()


def thinking_call(body: JSON) -> Answer:
    writer = Writer(body)
    call = writer.call("get_time", '{"zone":"UTC"}')
    return Stream((*writer.begin(), *writer.reasoning("Hm."), *call, *writer.end()))


def reasoning_in(body: JSON) -> list[JSON]:
    return [item for item in body["input"] if item["type"] == "reasoning"]


async def thoughtful_history(server: OpenAIServer, provider: OpenAIProvider) -> list[HistoryItem | str]:
    server.then(thinking_call)
    items = remembered(await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME])))
    return ["Hi", *items, *(result(call, "noon") for call in items if isinstance(call, ToolCallItem))]


async def test_nothing_is_kept_at_the_vendors(server: OpenAIServer, provider: OpenAIProvider) -> None:
    await events_of(provider, request("Hi", model=MODEL))
    body = server.requests[0]
    assert (body["store"], body["stream"], body["include"]) == (False, True, ["reasoning.encrypted_content"])
    assert "previous_response_id" not in body


async def test_tools_are_flat_and_not_strict(server: OpenAIServer, provider: OpenAIProvider) -> None:
    await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    [tool] = server.requests[0]["tools"]
    assert (tool["type"], tool["name"], tool["strict"]) == ("function", "get_time", False)
    assert tool["parameters"] == GET_TIME.parameters


async def test_a_model_without_reasoning_is_asked_again_once_and_from_then_on_so(
    server: OpenAIServer, provider: OpenAIProvider
) -> None:
    for _ in range(2):
        assert joined(await events_of(provider, request("Hi", model="gpt-4.1"))) == "You said: Hi"
    assert server.hits == 3
    assert all("include" not in body for body in server.requests)


async def test_reasoning_that_has_gone_stale_does_not_end_the_session(
    server: OpenAIServer, provider: OpenAIProvider
) -> None:
    """E.g. because the key now is another organization's."""
    history = await thoughtful_history(server, provider)
    server.then(
        HttpError(400, "The encrypted content could not be verified.", code="invalid_encrypted_content")
    )
    assert joined(await events_of(provider, request(*history, model=MODEL, tools=[GET_TIME])))
    refused, accepted = server.requests[-2:]
    assert (len(reasoning_in(refused)), len(reasoning_in(accepted))) == (1, 0)
    assert [item["type"] for item in accepted["input"]][1:] == ["function_call", "function_call_output"]


async def test_a_request_is_not_repeated_for_any_other_fault(
    server: OpenAIServer, provider: OpenAIProvider
) -> None:
    server.then(HttpError(400, "Something else.", code="invalid_value", param="input"))
    with pytest.raises(ModelBadRequest):
        await events_of(provider, request("Hi", model=MODEL))
    assert server.hits == 1


async def test_the_first_words_behind_a_call_begin_no_paragraph(
    server: OpenAIServer, provider: OpenAIProvider
) -> None:
    def answer(body: JSON) -> Answer:
        writer = Writer(body)
        call, message = writer.call("get_time", '{"zone":"UTC"}'), writer.message(["I look ", "it up."])
        return Stream((*writer.begin(), *call, *message, *writer.end()))

    server.then(answer)
    events = await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    assert joined(events) == "I look it up."


async def test_a_message_comes_back_with_its_phase_and_apart_from_the_next(
    server: OpenAIServer, provider: OpenAIProvider
) -> None:
    def answer(body: JSON) -> Answer:
        writer = Writer(body)
        first = writer.message(["Let me ", "see."], phase="commentary")
        second = writer.message(["It is ", "noon."], phase="final_answer")
        return Stream((*writer.begin(), *first, *second, *writer.end()))

    server.then(answer)
    events = await events_of(provider, request("Hi", model=MODEL))
    assert joined(events) == "Let me see.\n\nIt is noon."
    await events_of(provider, request("Hi", *remembered(events), "And now?", model=MODEL))
    messages = [item for item in server.requests[-1]["input"] if item["role"] == "assistant"]
    assert [(item["content"].strip(), item["phase"]) for item in messages] == [
        ("Let me see.", "commentary"),
        ("It is noon.", "final_answer"),
    ]


async def test_reasoning_without_what_followed_it_stays_away(
    server: OpenAIServer, provider: OpenAIProvider
) -> None:
    """The answer was stopped between the two."""
    kept = {"openai": {"model": MODEL, "reasoning": [{"type": "reasoning", "id": "rs_1", "summary": []}]}}
    cut = AssistantText("a", "", [Part(0, kept)])
    await events_of(provider, request("Hi", cut, "Hello?", model=MODEL))
    assert [item["role"] for item in server.requests[0]["input"]] == ["user", "user"]


async def test_parts_of_another_vendor_are_one_message(
    server: OpenAIServer, provider: OpenAIProvider
) -> None:
    said = AssistantText("a", "One two", [Part(4), Part(3, {"gemini": {"thought_signature": "x"}})])
    await events_of(provider, request("Hi", said, "And?", model=MODEL))
    assert [item["content"] for item in server.requests[0]["input"]] == ["Hi", "One two", "And?"]


async def test_a_call_that_was_cut_off_is_not_made(server: OpenAIServer, provider: OpenAIProvider) -> None:
    def answer(body: JSON) -> Answer:
        writer = Writer(body)
        call = writer.call("get_time", '{"zone":"U', status="incomplete")
        return Stream((*writer.begin(), *call, *writer.end("incomplete", reason="max_output_tokens")))

    server.then(answer)
    events = await events_of(provider, request("Hi", model=MODEL, tools=[GET_TIME]))
    assert calls_of(events) == []
    assert end_of(events).finish is FinishReason.MAX_OUTPUT_TOKENS


@pytest.mark.parametrize(
    ("code", "message", "cls", "seconds"),
    [
        ("server_error", "The server had an error.", ModelOverloaded, None),
        ("rate_limit_exceeded", "Rate limit reached. Please try again in 11.5s.", ModelQuota, 11.5),
        ("invalid_image_format", "The image could not be read.", ModelBadRequest, None),
        ("image_content_policy_violation", "Not this image.", ModelRefused, None),
        ("rate_limit_exceeded", "Rate limit reached. Please try again in 1m2s.", ModelQuota, 62.0),
        ("rate_limit_exceeded", "Rate limit reached. Please try again in 250ms.", ModelQuota, 0.25),
        ("invalid_prompt", "Invalid prompt: your prompt was flagged.", ModelRefused, None),
    ],
)
async def test_an_answer_that_fails_says_why(
    server: OpenAIServer,
    provider: OpenAIProvider,
    code: str,
    message: str,
    cls: type[ProviderError],
    seconds: float | None,
) -> None:
    def answer(body: JSON) -> Answer:
        writer = Writer(body)
        return Stream((*writer.begin(), *writer.fail(code, message)))

    server.then(answer)
    with pytest.raises(ProviderError) as failed:
        await events_of(provider, request("Hi", model=MODEL))
    assert (type(failed.value), failed.value.retry_after_s) == (cls, seconds)
    assert message in failed.value.cause


@pytest.mark.parametrize(
    "event",
    [
        {"no": "type"},
        {"type": "response.output_text.delta", "delta": 7},
        {"type": "response.output_item.done", "item": {"type": "function_call", "call_id": "c", "name": "n"}},
        {"type": "response.completed", "response": {"usage": "much"}},
        [1, 2],
    ],
    ids=str,
)
async def test_an_event_of_the_wrong_shape(
    server: OpenAIServer, provider: OpenAIProvider, event: JSON
) -> None:
    server.then(lambda body: Stream((*Writer(body).begin(), _Raw(event))))
    with pytest.raises(ModelBadAnswer):
        await events_of(provider, request("Hi", model=MODEL))


async def test_events_that_are_new_to_us_are_passed_over(
    server: OpenAIServer, provider: OpenAIProvider
) -> None:
    new = Data({"type": "response.hologram.delta", "delta": {"x": 1}, "sequence_number": 9})
    server.then(
        lambda body: Stream(
            (new, Data({"type": "keepalive", "sequence_number": 3}), *Writer(body).whole("Hi"))
        )
    )
    assert joined(await events_of(provider, request("Hi", model=MODEL))) == "Hi"


async def test_what_a_gateway_leaves_null_is_as_if_it_were_not_there(
    server: OpenAIServer, provider: OpenAIProvider
) -> None:
    end = Data({"type": "response.completed", "response": {"output": None, "usage": None}})
    server.then(lambda body: Stream((*Writer(body).begin(), *Writer(body).message(["Hi"]), end)))
    assert joined(await events_of(provider, request("Hi", model=MODEL))) == "Hi"


async def test_a_model_that_thinks_is_not_silent(
    server: OpenAIServer, provider: OpenAIProvider, settings: Settings
) -> None:
    """Nothing comes while it does, for longer than a stream that speaks may pause."""
    settings.CHAT_MODEL_SILENCE_SECONDS = 1.0

    def answer(body: JSON) -> Answer:
        writer = Writer(body)
        return Stream((*writer.begin(), Sleep(2.0), *writer.message(["Hello"]), *writer.end()))

    server.then(answer)
    assert joined(await events_of(provider, request("Hi", model=MODEL))) == "Hello"


async def test_text_is_shown_as_it_comes(server: OpenAIServer, provider: OpenAIProvider) -> None:
    events = await events_of(provider, request("one two three", model=MODEL))
    assert [event.text for event in events if isinstance(event, TextDelta)] == [
        "You",
        " said:",
        " one",
        " two",
        " three",
    ]


class _Raw(Data):
    def wire(self) -> bytes:
        return Data({"type": "x"}).wire().replace(b'{"type": "x"}', str(self.body).replace("'", '"').encode())
