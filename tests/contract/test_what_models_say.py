"""The contract of all providers: whatever a model says, and a tool gives, the conversation goes on with any of them."""

import asyncio
import json

import pytest
from pytest_django import Settings

from chat.errors import ModelBadAnswer, ModelEmptyAnswer
from chat.llm.provider import FinishReason, Provider, ToolCallItem, ToolResultItem, ToolSpec
from tests.contract.asking import HELLO, ask, events, failure, sent_for
from tests.contract.vendor import Call, Ending, Reply, Thinking, Vendor
from tests.providers.rounds import GET_TIME, calls_of, end_of, joined, remembered, result

NAMES = {
    "none": "",
    "blanks": "find.item now!",
    "a template's mark": "get_time<|end|>",
    "a leading digit": "2fa_check",
    "a leading dash": "-check",
    "dots and colons": "default_api:get.time",
    "letters of the world": "größe",
    "blank": " ",
    "too long": "n" * 200,
}
EMPTY = {
    "nothing": Reply(),
    "blanks": Reply(text=(" ", "\n\n")),
    "thoughts alone": Reply(thinking=(Thinking(),)),
    "an end that nobody knows": Reply(finish=FinishReason.OTHER),
    "a call that never came": Reply(finish=FinishReason.TOOL_CALLS),
}
BEHIND = [Ending.THEN_SILENT, Ending.THEN_ALIVE, Ending.THEN_OVERLOADED, Ending.THEN_DROPPED]
REFERENCES = {
    "an own tool's": '{"$ref": "#/parts/7", "n": 1}',
    "a client's": '{"who": {"$ref": "people", "$id": "9"}}',
    "in a list": '{"all": [1, [{"$ref": "x"}]]}',
    "a schema": '{"openapi": "3.1.0", "paths": {"/a": {"$ref": "#/components/b"}}}',
}


# Names


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_a_call_under_any_name_reaches_the_engine_and_goes_back(
    vendor: Vendor, provider: Provider, name: str
) -> None:
    vendor.then(Reply(calls=(Call(name), Call("get_time", {"zone": "UTC"}))))
    got = await events(provider, ask(vendor, "Hi", tools=[GET_TIME]))
    assert [call.name for call in calls_of(got)] == [name, "get_time"]
    outputs = [result(call, f"output {n}") for n, call in enumerate(calls_of(got))]
    sent = await sent_for(vendor, provider, "Hi", *remembered(got), *outputs, tools=[GET_TIME])
    assert [entry.text for entry in sent.of("result")] == ["output 0", "output 1"]
    assert [entry.link for entry in sent.of("call")] == [entry.link for entry in sent.of("result")]
    assert vendor.refusals == []


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_a_call_of_another_model_under_any_name_goes_back(
    vendor: Vendor, provider: Provider, name: str
) -> None:
    call = ToolCallItem("i", "call_1", name, "{}")
    sent = await sent_for(vendor, provider, "Hi", call, result(call, "There is no such tool.", is_error=True))
    assert len(sent.of("call")) == len(sent.of("result", "error")) == 1
    assert vendor.refusals == []


async def test_a_clients_tool_is_called_by_the_name_that_the_client_gave_it(
    vendor: Vendor, provider: Provider
) -> None:
    """Gemini takes no leading digit, and the name next to it is another tool's already."""
    parameters = {"type": "object", "properties": {"code": {"type": "string"}}}
    tools = [ToolSpec(name, "Check.", parameters) for name in ("2fa_check", "_2fa_check")]
    vendor.then(HELLO)
    await events(provider, ask(vendor, "Hi", tools=tools, tool_choice="2fa_check"))
    there, other = vendor.sent[-1].tools
    assert (other, vendor.sent[-1].tool_choice) == ("_2fa_check", there)
    assert there.startswith("_2fa_check_")
    vendor.then(Reply(calls=(Call(there), Call(other))))
    got = await events(provider, ask(vendor, "Hi", tools=tools))
    assert [call.name for call in calls_of(got)] == ["2fa_check", "_2fa_check"]
    sent = await sent_for(
        vendor, provider, "Hi", *remembered(got), *[result(call, "ok") for call in calls_of(got)], tools=tools
    )
    assert [entry.name for entry in sent.of("call")] == [there, other]


@pytest.mark.parametrize("call_id", ["a.b~c:1", "x" * 128, "call 1"])
async def test_any_id_of_a_call_is_acceptable(vendor: Vendor, provider: Provider, call_id: str) -> None:
    call = ToolCallItem("i", call_id, "get_time", "{}")
    sent = await sent_for(vendor, provider, "Hi", call, result(call, "noon"), tools=[GET_TIME])
    [asked], [answered] = sent.of("call"), sent.of("result")
    assert asked.link == answered.link
    assert vendor.refusals == []


# Results


@pytest.mark.parametrize("is_error", [False, True])
@pytest.mark.parametrize("output", REFERENCES.values(), ids=REFERENCES)
async def test_a_result_with_a_reference_is_taken_and_readable(
    vendor: Vendor, provider: Provider, output: str, is_error: bool
) -> None:
    call = ToolCallItem("i", "call_1", "get_time", "{}")
    outcome = ToolResultItem("i", "call_1", "get_time", output, is_error=is_error)
    sent = await sent_for(vendor, provider, "Hi", call, outcome, tools=[GET_TIME])
    [entry] = sent.of("result", "error")
    assert json.loads(entry.text.removeprefix("Error: ")) == json.loads(output)
    assert vendor.refusals == []


# Answers without a word


@pytest.mark.parametrize("reply", EMPTY.values(), ids=EMPTY)
async def test_an_answer_without_a_word_is_none(vendor: Vendor, provider: Provider, reply: Reply) -> None:
    vendor.then(reply)
    error = await failure(vendor, provider)
    assert isinstance(error, ModelEmptyAnswer)
    assert error.retryable
    assert error.another_may_help
    assert "neither text nor a call" in error.cause
    assert error.usage.output_tokens == reply.usage.output_tokens


async def test_a_call_that_the_vendor_cannot_read_is_none(vendor: Vendor, provider: Provider) -> None:
    vendor.then(Reply(ending=Ending.NO_CALL))
    error = await failure(vendor, provider)
    assert isinstance(error, ModelEmptyAnswer | ModelBadAnswer)
    assert error.retryable
    assert error.another_may_help


async def test_words_before_a_call_that_cannot_be_read_stay_said(vendor: Vendor, provider: Provider) -> None:
    if vendor.name == "groq":
        pytest.skip("its error is one in the middle of an answer")
    vendor.then(Reply(text=("One moment.",), ending=Ending.NO_CALL))
    assert joined(await events(provider, ask(vendor, "Hi"))) == "One moment."


@pytest.mark.parametrize("finish", [FinishReason.MAX_OUTPUT_TOKENS, FinishReason.CONTENT_FILTER])
async def test_a_limit_or_a_filter_before_the_first_word_keeps_its_name(
    vendor: Vendor, provider: Provider, finish: FinishReason
) -> None:
    if vendor.name == "anthropic" and finish is FinishReason.CONTENT_FILTER:
        pytest.skip("a refusal; see test_a_refusal_is_told_in_the_models_words_or_in_ours")
    vendor.then(Reply(finish=finish))
    assert end_of(await events(provider, ask(vendor, "Hi"))).finish is finish


async def test_blanks_before_the_first_word_are_part_of_the_answer(
    vendor: Vendor, provider: Provider
) -> None:
    vendor.then(Reply(text=("\n\n", "Hello")))
    assert joined(await events(provider, ask(vendor, "Hi"))) == "\n\nHello"


# Behind the end


@pytest.mark.parametrize("ending", BEHIND, ids=lambda ending: ending.name.lower())
@pytest.mark.parametrize("calls", [(), (Call("get_time", {"zone": "UTC"}),)], ids=["text", "a call"])
async def test_an_answer_that_has_ended_is_whole_whatever_follows(
    vendor: Vendor,
    provider: Provider,
    ending: Ending,
    calls: tuple[Call, ...],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for what a vendor has to say behind its last word: a person reads, or a tool is to run."""
    monkeypatch.setattr("chat.llm.openai.streaming.OpenAIStreaming.tail_s", 1.0)
    settings.CHAT_MODEL_SILENCE_SECONDS = 600.0
    vendor.then(Reply(text=("Hello",), calls=calls, ending=ending))
    async with asyncio.timeout(30):
        got = await events(provider, ask(vendor, "Hi", tools=[GET_TIME]))
    assert joined(got) == "Hello"
    assert [call.name for call in calls_of(got)] == [call.name for call in calls]
    assert end_of(got).finish is (FinishReason.TOOL_CALLS if calls else FinishReason.STOP)
    assert end_of(got).usage.output_tokens > 0
