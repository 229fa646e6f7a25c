"""A session in memory: all that a server does with a message, without a socket and without a database."""

import asyncio
from typing import Annotated

import pytest
from msgspec import Meta
from pytest_django import Settings

from chat.errors import ModelOverloaded, ModelRefused, QueueFull
from chat.llm.provider import ModelRequest, TextDelta, ToolCallRequest, ToolResultItem, UserText
from chat.testing import ScriptedModel, ScriptEnded, Step, assert_called, assert_completed, calls, session
from chat.tools import ToolContext, ToolError, tool
from chat.tools.registry import default_registry
from sessions_app.log import events as ev


def double(number: Annotated[int, Meta(ge=0)]) -> int:
    """Twice as much."""
    if number == 13:
        raise ToolError("13 is out of stock.")
    return 2 * number


def whoami(context: ToolContext) -> str:
    """Who asks."""
    return f"user {context.user_id}, guest {context.guest_id!r}, staff {context.is_staff}"


async def test_an_answer_and_the_next_one() -> None:
    model = ScriptedModel("Hello, Ann.", ["You said ", "that."])
    async with session(model, tools=[]) as talk:
        assert assert_completed(await talk.say("I am Ann")).text == "Hello, Ann."
        assert (await talk.say("What did I say?")).text == "You said that."
    assert [getattr(item, "text", "") for item in model.requests[1].history] == [
        "I am Ann",
        "Hello, Ann.",
        "What did I say?",
    ]
    assert [request.tools for request in model.requests] == [[], []]


async def test_tool_calls_with_arguments_results_and_outcomes() -> None:
    wish: list[Step] = ["Wait. ", calls("double", number=4), calls("double", number=13), calls("nix")]
    model = ScriptedModel(wish, "Eight.")
    async with session(model, tools=[double]) as talk:
        answer = assert_completed(await talk.say("Double 4 and 13"))
    assert answer.text == "Wait. Eight."
    assert [(call.name, call.arguments, call.outcome, call.output) for call in answer.calls] == [
        ("double", {"number": 4}, "ok", "8"),
        ("double", {"number": 13}, "error", "13 is out of stock."),
        ("nix", {}, "error", "There is no tool 'nix'. The tools are: double."),
    ]
    assert assert_called(answer, "double", number=13).outcome == "error"
    assert [item.output for item in model.requests[1].history if isinstance(item, ToolResultItem)] == [
        call.output for call in answer.calls
    ]
    assert [spec.name for spec in model.requests[0].tools] == ["double"]


async def test_a_call_that_is_written_once_and_made_again_is_another_call() -> None:
    """As a real model's is, with an id and an idempotency key of its own."""
    keys: list[str] = []

    def pay(context: ToolContext) -> str:
        """Pay."""
        keys.append(context.idempotency_key)
        return "paid"

    again = calls("pay")
    model = ScriptedModel([again, again], "Twice.", again, "Once more.")
    async with session(model, tools=[pay]) as talk:
        twice = assert_completed(await talk.say("Pay twice"))
        once = assert_completed(await talk.say("And again"))
    assert [call.output for call in (*twice.calls, *once.calls)] == ["paid"] * 3
    assert len(set(keys)) == 3


async def test_a_tool_that_needs_the_yes_of_two_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.testing.memory.ANSWER_SECONDS", 5.0)
    monkeypatch.setattr(default_registry, "_tools", {})

    @tool(requires_approval=True, approvals=2)
    def pay_back() -> str:
        """Pay back."""
        return "paid back"

    async with session(ScriptedModel(calls("pay_back"), "Done."), tools=[pay_back]) as talk:
        asked = await talk.say("Pay it back")
        answer = assert_completed(await talk.approve(asked))
    assert assert_called(answer, "pay_back").output == "paid back"
    decided = [event for event in talk.events if isinstance(event, ev.ToolApproval)]
    assert [event.missing for event in decided] == [1, 0]
    assert len({event.by for event in decided}) == 2


async def test_the_time_of_an_answer_that_broke_off_is_told_as_the_models() -> None:
    model = ScriptedModel(["Hello", 0.2, ModelRefused()])
    async with session(model, tools=[]) as talk:
        done = (await talk.say("Hi")).events[-1]
    assert isinstance(done, ev.ResponseDone)
    assert done.status == ev.ResponseStatus.FAILED
    assert done.timings
    assert 200 <= done.timings.model_ms <= done.timings.total_ms


async def test_a_call_is_in_the_log_before_its_tool_runs() -> None:
    seen: list[str] = []

    def look() -> None:
        """Look."""
        seen.append(talk.events[-1].event_type)

    async with session(ScriptedModel(calls("look"), "Done."), tools=[look]) as talk:
        await talk.say("Look")
    assert seen == ["tool_call"]
    assert isinstance(talk.events[-1], ev.ResponseDone)


async def test_a_tool_that_needs_a_yes_waits_for_it() -> None:
    paid: list[int] = []

    @tool(requires_approval=True, side_effects=True)
    def pay_out(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    script = calls("pay_out", amount=3), "It is paid.", calls("pay_out", amount=5), "Then not."
    try:
        async with session(ScriptedModel(*script), tools=[pay_out]) as talk:
            asked = await talk.say("Pay 3")
            assert ([call.name for call in asked.waiting], paid) == (["pay_out"], [])
            answer = await talk.approve(asked)
            assert (answer.text, answer.calls[0].output, paid) == ("It is paid.", "paid", [3])
            refused = await talk.refuse(await talk.say("Pay 5"), reason="too much")
            assert (refused.text, paid) == ("Then not.", [3])
            with pytest.raises(AssertionError, match=r"(?s)no call of this answer waits.*Then not"):
                await talk.approve(refused)
    finally:
        default_registry._tools.pop("pay_out")


@pytest.mark.parametrize(
    ("who", "says"),
    [
        ({}, "user None, guest 'guest', staff False"),
        ({"user_id": 7, "is_staff": True}, "user 7, guest '', staff True"),
        ({"guest_id": "g1"}, "user None, guest 'g1', staff False"),
    ],
)
async def test_the_tool_learns_who_asks(who: dict[str, object], says: str) -> None:
    async with session(ScriptedModel(calls("whoami"), "So."), tools=[whoami], **who) as talk:  # type: ignore[arg-type]
        assert assert_called(await talk.say("Who am I?"), "whoami").output == says


async def test_a_model_that_fails_is_told_as_clients_and_staff_are() -> None:
    async with session(ScriptedModel(["Half a ", ModelRefused(cause="SAFETY")]), tools=[]) as talk:
        answer = await talk.say("Hi")
    assert (answer.text, answer.status, answer.reason) == ("Half a ", "failed", "model_refused")
    assert (answer.message, answer.cause) == (str(ModelRefused()), "SAFETY")
    with pytest.raises(AssertionError, match=r"failed, not completed:\n  said: 'Half a '\n  end: .*SAFETY"):
        assert_completed(answer)


async def test_what_may_pass_is_asked_again_at_once_and_then_the_fallback(settings: Settings) -> None:
    settings.CHAT_MODEL_ATTEMPTS = 2
    first = ScriptedModel(ModelOverloaded(retry_after_s=None), ModelOverloaded(), name="first")
    second = ScriptedModel("Here I am.", name="second")
    async with session(first, second, tools=[]) as talk:
        answer = assert_completed(await talk.say("Anybody?"))
    assert (answer.text, len(first.requests), len(second.requests)) == ("Here I am.", 2, 1)
    assert first.asked_at[1] - first.asked_at[0] < 1


async def test_a_round_may_look_at_what_was_asked() -> None:
    def echo(request: ModelRequest) -> str:
        last = request.history[-1]
        assert isinstance(last, UserText)
        return f"{request.instructions} {last.text}!"

    model = ScriptedModel(echo, otherwise=lambda request: [0.01, "Again."])
    async with session(model, tools=[]) as talk:
        await talk.update(instructions="Shout.")
        assert [(await talk.say(word)).text for word in ("Hey", "Ho", "Go")] == [
            "Shout. Hey!",
            "Again.",
            "Again.",
        ]


async def test_a_model_that_is_asked_for_more_than_its_script_has_fails_the_test() -> None:
    async with session(ScriptedModel(calls("double", number=1)), tools=[double]) as talk:
        with pytest.raises(
            ScriptEnded, match=r"asked 2 times, its script has 1 rounds; .*ToolResultItem.*output='2'"
        ):
            await talk.say("Double 1")


async def test_what_the_server_refuses_is_raised(settings: Settings) -> None:
    settings.CHAT_MAX_QUEUED_TURNS = 1
    async with session(ScriptedModel(30, otherwise=lambda _: "So."), tools=[]) as talk:
        first = asyncio.create_task(talk.say("one"))
        await asyncio.sleep(0)
        second = asyncio.create_task(talk.say("two"))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await talk.say("three")
        for task in (first, second):
            task.cancel()


async def test_an_answer_that_does_not_come_is_told_with_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.testing.memory.ANSWER_SECONDS", 0.2)
    async with session(ScriptedModel(["Wait ", 30.0]), tools=[]) as talk:
        with pytest.raises(
            AssertionError, match=r"(?s)no answer came within 0.2 s.*user_message|UserMessage"
        ):
            await talk.say("Hi")


async def test_the_wrong_call_is_told_with_those_that_were_made() -> None:
    async with session(ScriptedModel(calls("double", number=4), "8"), tools=[double]) as talk:
        answer = await talk.say("Double 4")
    with pytest.raises(AssertionError, match=r"no call of double with .*5.*\n  double\(.*4.*ok: 8"):
        assert_called(answer, "double", number=5)
    with pytest.raises(AssertionError, match="no call of halve"):
        assert_called(answer, "halve")


async def test_a_model_of_ones_own_and_wrong_arguments() -> None:
    wrong = ToolCallRequest("call_1", "double", "not JSON")
    async with session(ScriptedModel([TextDelta("a b"), wrong], "Sorry."), tools=[double]) as talk:
        (call,) = (await talk.say("Double")).calls
    assert (call.arguments, call.outcome) == ({}, "error")
    deltas = [event.text for event in talk.events if isinstance(event, ev.AssistantDelta)]
    assert deltas == ["a b", "Sorry."]


async def test_a_long_answer_is_streamed_word_by_word() -> None:
    text = "word " * 2_000
    async with session(ScriptedModel(text), tools=[]) as talk:
        assert (await talk.say("Write")).text == text
    assert sum(isinstance(event, ev.AssistantDelta) for event in talk.events) == 2_000


async def test_where_no_tools_are_named_those_of_the_server_are_offered() -> None:
    model = ScriptedModel(calls("calculate", expression="0.1 + 0.2"), "0.3")
    async with session(model) as talk:
        answer = await talk.say("How much is it?")
    assert assert_called(answer, "calculate").output == '{"result":"0.3","exact":true}'
    offered = {spec.name for spec in model.requests[0].tools}
    assert {"calculate", "get_time", "get_my_profile"} <= offered
    assert "get_user_data" not in offered, "it is for staff"
