"""When the demo calls which tool, and how it words what they give. The tools are the real ones."""

import json

import pytest

from chat.llm.demo.provider import DemoProvider
from chat.llm.demo.tools import MAX_CALLS
from chat.llm.provider import JSON, ToolCallItem, ToolSpec
from chat.tools import builtin
from chat.tools.registry import default_registry
from chat.tools.runner import as_text
from tests.providers.rounds import calls_of, events_of, request, result, text_of

DEMO = DemoProvider()
TOOLS = [tool.spec for tool in default_registry]
WEATHER = ToolSpec(
    "get_weather",
    "A tool of the client's.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "hourly": {"type": "boolean"},
            "note": {"type": "string"},
        },
        "required": ["city", "days", "unit", "hourly"],
    },
)


Calls = list[tuple[str, JSON]]


async def calls(said: str, *, tools: list[ToolSpec] | None = None, tool_choice: str = "auto") -> Calls:
    asked = request(said, tools=TOOLS if tools is None else tools, tool_choice=tool_choice)
    return [(call.name, json.loads(call.arguments)) for call in calls_of(await events_of(DEMO, asked))]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("What time is it in Tokyo?", [("get_time", {"zone": "Tokyo"})]),
        ("time in tokyo please", [("get_time", {"zone": "tokyo"})]),
        ("What is the current time in America/New_York?", [("get_time", {"zone": "America/New_York"})]),
        ("What's the time?", [("get_time", {"zone": "UTC"})]),
        ("What is (12 + 30) * 7?", [("calculate", {"expression": "(12 + 30) * 7"})]),
        ("What is 1,299.90 times 3?", [("calculate", {"expression": "1299.90 * 3"})]),
        ("15% of 80", [("calculate", {"expression": "15 / 100 * 80"})]),
        ("2^10", [("calculate", {"expression": "2**10"})]),
        ("the square root of 2", [("calculate", {"expression": "sqrt(2)"})]),
        ("Show my profile", [("get_my_profile", {})]),
        ("What is my account status?", [("get_my_profile", {})]),
        ("fetch user data for user_123", [("get_user_data", {"user": "user_123"})]),
        ("Show the profile of alice@example.com.", [("get_user_data", {"user": "alice@example.com"})]),
        ("Show the analytics of this session", [("get_session_analytics", {})]),
        ("How many messages have I sent?", [("get_session_analytics", {})]),
        ("Search my sessions for streaming", [("search_my_sessions", {"query": "streaming"})]),
        ("Have we ever talked about cats?", [("search_my_sessions", {"query": "cats"})]),
    ],
)
async def test_it_calls_the_tool_that_gives_what_is_asked_for(said: str, expected: Calls) -> None:
    assert await calls(said) == expected


async def test_several_things_asked_for_are_called_at_once() -> None:
    asked = await calls("What time is it in Tokyo and Berlin, what is 12 * 7, and show my profile.")
    assert sorted(name for name, _ in asked) == ["calculate", "get_my_profile", "get_time", "get_time"]


@pytest.mark.parametrize(
    "said",
    [
        "The first time I saw it",
        "We met on 2024-01-05, at 24/7 Street, 030-123-456",
        "Explain WebSocket streaming",
        "Take your time",
        "My name is Ada",
        "What is the data for me?",
    ],
)
async def test_it_does_not_call_what_nobody_asked_for(said: str) -> None:
    assert await calls(said) == []


async def test_it_calls_only_what_is_offered_and_says_what_is_missing() -> None:
    assert await calls("What time is it?", tools=[WEATHER]) == []
    assert "`get_time`, which is not offered" in await text_of(DEMO, request("What time is it?"))


async def test_every_tool_can_be_called_by_its_name() -> None:
    asked = await calls("Call get_weather for “Paris”, 3 days, in F", tools=[WEATHER])
    assert asked == [("get_weather", {"city": "Paris", "days": 3, "unit": "F", "hourly": True})]


@pytest.mark.parametrize(
    ("choice", "said", "names"),
    [
        ("none", "What time is it?", []),
        ("required", "Hello", ["get_weather"]),
        ("get_time", "Hello", ["get_time"]),
        ("get_time", "What is 1 + 1?", ["get_time"]),
    ],
)
async def test_it_obeys_tool_choice(choice: str, said: str, names: list[str]) -> None:
    asked = await calls(said, tools=[WEATHER, *TOOLS], tool_choice=choice)
    assert [name for name, _ in asked] == names


async def test_the_number_of_calls_is_bounded() -> None:
    assert len(await calls(", ".join(f"{n} * 2" for n in range(100)))) == MAX_CALLS


async def told(*answered: tuple[str, JSON, str], said: str = "Well?", is_error: bool = False) -> str:
    """What it says to these calls: name, arguments, output."""
    items = [
        ToolCallItem(f"i{n}", f"c{n}", name, json.dumps(args)) for n, (name, args, _) in enumerate(answered)
    ]
    outputs = [result(call, one[2], is_error=is_error) for call, one in zip(items, answered, strict=True)]
    return await text_of(DEMO, request(said, *items, *outputs, tools=TOOLS))


async def test_it_words_what_the_tools_gave_in_their_order() -> None:
    outcome = as_text(builtin.calculator.calculate("12 * 7"))
    clock = as_text(builtin.clock.get_time("Asia/Tokyo"))
    answer = await told(("calculate", {"expression": "12 * 7"}, outcome), ("get_time", {"zone": "x"}, clock))
    assert answer.startswith("`12 * 7` = **84**\n\nIt is **")
    assert f"**{json.loads(clock)['time'][11:16]}** in Tokyo" in answer


async def test_it_does_not_ask_again_when_it_has_the_answer() -> None:
    """The same words would call the tool once more, for ever."""
    assert "84" in await told(
        ("calculate", {"expression": "12*7"}, '{"result": "84"}'), said="What is 12 * 7?"
    )


async def test_the_next_question_is_a_new_turn() -> None:
    one = ToolCallItem("i", "c", "calculate", '{"expression": "12 * 7"}')
    history = ("What is 12 * 7?", one, result(one, '{"result": "84"}'), "What is 2 + 2?")
    asked = calls_of(await events_of(DEMO, request(*history, tools=TOOLS)))
    assert [call.arguments for call in asked] == ['{"expression":"2 + 2"}']


async def test_an_object_becomes_a_table() -> None:
    profile = {
        "username": "ada",
        "staff": False,
        "last_login": None,
        "tokens": 3,
        "responses": {"completed": 2},
    }
    answer = await told(("get_my_profile", {}, json.dumps(profile)))
    assert answer.splitlines() == [
        "**My profile**",
        "",
        "| Field | Value |",
        "| --- | --- |",
        "| Username | ada |",
        "| Staff | no |",
        "| Last login | – |",
        "| Tokens | 3 |",
        "| Responses: completed | 2 |",
    ]


async def test_what_is_found_becomes_a_table_with_its_note() -> None:
    found = {
        "sessions": [{"session_id": "s1", "title": "A | B"}, {"session_id": "s2", "title": ""}],
        "note": "These are all.",
    }
    answer = await told(("search_my_sessions", {"query": "x"}, json.dumps(found)))
    assert "| Session | Title |" in answer
    assert "| s1 | A \\| B |" in answer
    assert answer.endswith("These are all.")
    assert await told(("search_my_sessions", {}, '{"sessions": [], "note": "Nothing."}')) == "Nothing."


async def test_an_error_is_told_as_the_tool_said_it() -> None:
    answer = await told(("get_time", {"zone": "x"}, "There is no time zone 'x'."), is_error=True)
    assert answer == "The tool `get_time` could not help: There is no time zone 'x'."


@pytest.mark.parametrize("output", ["You are a guest.", "", "[]", "null", "7", '["a", "b"]', "{"])
async def test_any_output_can_be_worded(output: str) -> None:
    assert (await told(("client_tool", {}, output))).strip() or not output


def test_the_tools_it_knows_are_the_ones_that_ship() -> None:
    from chat.llm.demo.tools import INTENTS

    assert INTENTS.keys() == {tool.name for tool in TOOLS}
