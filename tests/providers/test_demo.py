"""The demo as a provider: how it streams, counts and stops."""

import asyncio
import time
from contextlib import aclosing

import pytest
from pytest_django import Settings

from chat.llm.demo.provider import DemoProvider, pieces_of
from chat.llm.provider import AssistantText, FinishReason, TextDelta, ToolCallItem, ToolResultItem, Usage
from tests.providers.rounds import GET_TIME, calls_of, end_of, events_of, joined, request, text_of

DEMO = DemoProvider()


async def test_it_streams_word_by_word_and_loses_no_character() -> None:
    events = await events_of(DEMO, request("Explain WebSocket streaming"))
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(pieces) > 100
    assert all(len(piece.split()) == 1 for piece in pieces)
    assert "".join(pieces) == await text_of(DEMO, request("Explain WebSocket streaming"))
    assert "\n\n```js\nconst ws" in "".join(pieces)


@pytest.mark.parametrize("text", ["", "one", "a b", "a  b\n\n- c\n", "  led by space"])
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(pieces_of(text)) == text


async def test_it_is_deterministic() -> None:
    asked = request("Hello", tools=[GET_TIME])
    assert await events_of(DEMO, asked) == await events_of(DEMO, asked)


async def test_its_pace_is_set_in_milliseconds(settings: Settings) -> None:
    settings.CHAT_DEMO_DELAY_MS = 20
    started = time.monotonic()
    await events_of(DEMO, request("Count to 10"))
    assert 0.2 <= time.monotonic() - started < 2


async def test_without_a_pause_it_still_lets_others_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(other())
    await events_of(DEMO, request("Count to 100"))
    task.cancel()
    assert turns >= 90


async def test_it_stops_when_closed() -> None:
    async with aclosing(DEMO.stream(request("Count to 5000"))) as stream:
        assert await anext(stream) == TextDelta("1, ")
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_its_tokens_are_words() -> None:
    history = request(
        "one two",
        AssistantText("a", "three"),
        ToolCallItem("c", "call_1", "x", '{"four": 5}'),
        ToolResultItem("c", "call_1", "x", "six seven"),
        "Count to 4",
        instructions="nine ten",
    )
    assert end_of(await events_of(DEMO, history)).usage == Usage(input_tokens=12, output_tokens=4)


async def test_it_keeps_to_the_limit() -> None:
    events = await events_of(DEMO, request("Count to 500", max_output_tokens=3))
    assert joined(events) == "1, 2, 3, "
    assert end_of(events).finish is FinishReason.MAX_OUTPUT_TOKENS
    assert end_of(events).usage.output_tokens == 3


async def test_a_text_as_long_as_the_limit_is_whole() -> None:
    events = await events_of(DEMO, request("Count to 3", max_output_tokens=3))
    assert joined(events) == "1, 2, 3."
    assert end_of(events).finish is FinishReason.STOP


async def test_a_round_with_calls_ends_in_tool_calls() -> None:
    events = await events_of(DEMO, request("What time is it in Tokyo?", tools=[GET_TIME]))
    assert [(call.name, call.arguments) for call in calls_of(events)] == [("get_time", '{"zone":"Tokyo"}')]
    assert end_of(events).finish is FinishReason.TOOL_CALLS


async def test_a_message_made_to_be_slow_is_not() -> None:
    """Patterns with quadratic time look at the beginning of a message only."""
    hostile = ["1" * 32_000, "1" + " " * 31_000, "time in " + "a " * 15_000, "my " * 10_000, "(" * 32_000]
    started = time.monotonic()
    for text in hostile:
        await events_of(DEMO, request(text, tools=[GET_TIME]))
    assert time.monotonic() - started < 2
