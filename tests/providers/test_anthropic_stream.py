"""What a round of Claude gives: text as it comes, calls, how it ended, what it cost."""

from dataclasses import replace

import pytest

from chat.errors import ModelRefused, ModelUnreachable
from chat.llm.anthropic.provider import AnthropicProvider
from chat.llm.provider import AssistantText, FinishReason, TextDelta, Usage
from tests.fakes.anthropic_script import (
    PING,
    USAGE,
    Event,
    Raw,
    Sleep,
    Step,
    Stop,
    Text,
    Think,
    Use,
    ask,
    reply,
    say,
    text,
    use,
)
from tests.fakes.anthropic_server import AnthropicServer
from tests.providers.anthropic_rounds import TOOLS, request
from tests.providers.rounds import calls_of, end_of, events_of, joined, text_of


async def test_text_arrives_in_the_pieces_that_the_model_gave(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(say("Hel", "", "lo, ", "wörld \u2028 🌍\r\n"))
    events = await events_of(claude, request("Hi"))
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    assert pieces == ["Hel", "lo, ", "wörld \u2028 🌍\r\n"]
    assert (end_of(events).finish, end_of(events).vendor_reason) == (FinishReason.STOP, "")


async def test_the_first_piece_is_given_on_before_the_model_has_finished(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(reply(text("first", whole=False), Sleep(30)))
    stream = claude.stream(request("Hi"))
    assert await anext(stream) == TextDelta("first")
    await stream.aclose()


async def test_text_may_come_with_the_beginning_of_its_block(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    begun = Event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": "All of it"}})
    claude_server.then(reply(begun, Event("content_block_stop", {"index": 0}), Stop()))
    assert await text_of(claude, request("Hi")) == "All of it"


async def test_calls_are_put_together_from_their_pieces(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    calls = (use("get_time", {"zone": "Europe/Zürich"}), use("get_my_profile"))
    claude_server.then(ask(*calls, before=(text("One moment."),)))
    events = await events_of(claude, request("What time is it?", tools=TOOLS))
    assert joined(events) == "One moment."
    assert [(one.name, one.arguments) for one in calls_of(events)] == [
        ("get_time", '{"zone": "Europe/Z\\u00fcrich"}'),
        ("get_my_profile", "{}"),
    ]
    assert end_of(events).finish is FinishReason.TOOL_CALLS
    ids = [one.call_id for one in calls_of(events)]
    assert len(set(ids)) == 2
    assert all(one.startswith("call_") for one in ids)


async def test_arguments_that_are_no_json_are_given_on_as_they_are(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(ask(Use("get_time", ('{"zone": ', "UTC"))))
    [call] = calls_of(await events_of(claude, request("Hi", tools=TOOLS)))
    assert call.arguments == '{"zone": UTC'


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
async def test_a_round_that_was_cut_off_asks_for_nothing(
    claude_server: AnthropicServer, claude: AnthropicProvider, reason: str
) -> None:
    """The last call may be half, and half of a plan is not what the model wanted."""
    half = Use("get_time", ('{"zone": "Eur',))
    claude_server.then(reply(text("Well."), use("get_my_profile"), half, Stop(reason)))
    events = await events_of(claude, request("Hi", tools=TOOLS))
    assert calls_of(events) == []
    assert (end_of(events).finish, end_of(events).vendor_reason) == (FinishReason.MAX_OUTPUT_TOKENS, reason)


@pytest.mark.parametrize(
    ("reason", "finish", "told"),
    [
        ("end_turn", FinishReason.STOP, ""),
        ("stop_sequence", FinishReason.STOP, ""),
        ("max_tokens", FinishReason.MAX_OUTPUT_TOKENS, "max_tokens"),
        (
            "model_context_window_exceeded",
            FinishReason.MAX_OUTPUT_TOKENS,
            "model_context_window_exceeded",
        ),
        ("refusal", FinishReason.CONTENT_FILTER, "refusal"),
        ("pause_turn", FinishReason.OTHER, "pause_turn"),
        ("bored", FinishReason.OTHER, "bored"),
    ],
)
async def test_every_stop_reason_is_told(
    claude_server: AnthropicServer, claude: AnthropicProvider, reason: str, finish: FinishReason, told: str
) -> None:
    claude_server.then(say("As far as it got", reason=reason))
    events = await events_of(claude, request("Hi"))
    assert joined(events) == "As far as it got"
    assert (end_of(events).finish, end_of(events).vendor_reason) == (finish, told)


async def test_a_refusal_before_the_first_word_says_why_to_staff(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
    claude_server.then(reply(Think(), Stop("refusal", details=details)))
    with pytest.raises(ModelRefused) as refused:
        await events_of(claude, request("Hi"))
    assert refused.value.cause == "stop reason refusal: cyber: Not this."


async def test_a_refused_round_asks_for_nothing(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(reply(text("Well,"), use("get_my_profile"), Stop("refusal")))
    assert calls_of(await events_of(claude, request("Hi", tools=TOOLS))) == []


async def test_an_answer_may_be_empty(claude_server: AnthropicServer, claude: AnthropicProvider) -> None:
    """Claude has sometimes nothing to add to a tool's result."""
    claude_server.then(reply(Stop()))
    [end] = await events_of(claude, request("Hi"))
    assert end_of([end]).finish is FinishReason.STOP


async def test_usage_counts_what_came_from_the_cache_and_went_into_it_as_input(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    begun = {
        "input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 870,
        "output_tokens": 1,
    }
    final = {"output_tokens": 45, "output_tokens_details": {"thinking_tokens": 40}}
    claude_server.then(reply(text("a"), Stop(usage=final), usage=begun))
    assert end_of(await events_of(claude, request("Hi"))).usage == Usage(
        input_tokens=1000, output_tokens=45, cached_tokens=870, reasoning_tokens=40
    )


async def test_the_last_count_of_each_kind_counts(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    final = {**USAGE, "input_tokens": 21, "cache_read_input_tokens": None, "output_tokens": 5}
    claude_server.then(reply(text("a"), Stop(usage=final), usage={**USAGE, "cache_read_input_tokens": 4}))
    assert end_of(await events_of(claude, request("Hi"))).usage == Usage(
        input_tokens=25, output_tokens=5, cached_tokens=4
    )


async def test_what_is_not_known_yet_is_no_failure(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    """The API may add events, blocks and deltas."""
    steps: list[Step] = [
        PING,
        Event("message_mood", {"mood": "good"}),
        Event("content_block_start", {"index": 0, "content_block": {"type": "picture", "text": "not text"}}),
        Event("content_block_delta", {"index": 0, "delta": {"type": "pixels_delta", "text": "nor this"}}),
        Event("content_block_stop", {"index": 0}),
        Raw(b": a comment\n\n"),
        Event("content_block_start", {"index": 1, "content_block": {"type": "text", "text": "", "mood": 1}}),
        Event("content_block_delta", {"index": 1, "delta": {"type": "text_delta", "text": "Hello"}}),
        Event("content_block_delta", {"index": 1, "delta": {"type": "citations_delta", "citation": {}}}),
        Event("content_block_stop", {"index": 1}),
    ]
    claude_server.then(reply(*steps, Stop()))
    assert await text_of(claude, request("Hi")) == "Hello"


async def test_what_a_gateway_leaves_null_is_as_if_it_were_not_there(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_my_profile", "input": None}
    steps: list[Step] = [
        Event("message_start", {"message": {"usage": None}}),
        Event("content_block_start", {"index": 0, "content_block": call}),
        Event("content_block_stop", {"index": 0}),
    ]
    claude_server.then(replace(reply(*steps, Stop(reason="tool_use")), begun=False))
    (asked,) = calls_of(await events_of(claude, request("Hi", tools=TOOLS)))
    assert (asked.name, asked.arguments) == ("get_my_profile", "{}")


async def test_a_stream_without_an_end_is_broken_off(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(reply(text("Hel")))
    stream = claude.stream(request("Hi"))
    assert await anext(stream) == TextDelta("Hel")
    with pytest.raises(ModelUnreachable):
        await anext(stream)


async def test_a_long_history_is_sent_whole(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    history = [one for n in range(500) for one in (f"message {n}", AssistantText("a", f"answer {n}"))]
    claude_server.then(reply(Text(("Here",)), Stop()))
    assert await text_of(claude, request(*history, "And now?")) == "Here"
    assert len(claude_server.requests[-1]["messages"]) == 1001
