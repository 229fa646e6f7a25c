"""What a model is sent of tool calls: those of a round together, and behind them one result for each, in their order."""

import threading
from typing import Any

import pytest

from chat.llm.provider import ModelRequest, TextDelta, ToolCallRequest, in_rounds
from chat.session.commands import (
    AddMessage,
    AddToolCall,
    AddToolOutput,
    DecideApproval,
    RequestResponse,
    ResponseOptions,
    UpdateSession,
)
from chat.session.session import Session
from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.engine.conftest import Process, hand_over, quiet, say
from tests.engine.model import EngineModel
from tests.support.waiting import eventually

Pairs = list[tuple[str, str]]


def rounds_of(request: ModelRequest) -> list[Pairs]:
    """The name of each call and what its result says, round by round."""
    rounds = [one for one in in_rounds(request.history) if isinstance(one, list)]
    for answered in rounds:
        assert [call.call_id for call, _ in answered] == [result.call_id for _, result in answered]
    return [[(call.name, result.output) for call, result in answered] for answered in rounds]


def asks_for(model: EngineModel, *names: str) -> None:
    """The model calls these tools whenever a user speaks, and then says something."""
    model.answer = lambda said: (
        [ToolCallRequest(f"call_{said}_{name}", name, "{}") for name in names] if said else [TextDelta("So.")]
    )


async def results_of(conversation: Session) -> list[str]:
    """The tools whose results are stored, in the order of the log."""
    rows = SessionEvent.objects.filter(session_id=conversation.session_id, event_type="tool_result")
    return await in_db_thread(lambda: list(rows.order_by("seq").values_list("payload__name", flat=True)))


async def test_results_stand_in_the_order_of_the_calls_whichever_came_first(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    quick_is_told = threading.Event()

    def slow() -> str:
        """Answer last."""
        return "one" if quick_is_told.wait(10) else "too late"

    def quick() -> str:
        """Answer first."""
        return "two"

    for tool in (slow, quick):
        process.registry.tool(tool)
    asks_for(model, "slow", "quick")
    conversation = await process.join()
    await conversation.do(AddMessage(text="Go", respond=True))

    async def told() -> None:
        assert await results_of(conversation) == ["quick"]

    await eventually(told)
    quick_is_told.set()
    await quiet(conversation)
    assert await results_of(conversation) == ["quick", "slow"]
    in_order = [[("slow", "one"), ("quick", "two")]]
    assert rounds_of(model.requests[-1]) == in_order
    await hand_over(process, conversation)
    there = await other_process.join(conversation.session_id)
    asks_for(model)
    await say(there, "And again")
    assert rounds_of(model.requests[-1]) == in_order


def function(name: str) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}}


async def test_a_client_may_answer_its_calls_in_any_order_and_not_all_of_them(
    process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    names = ["first", "second", "third"]
    await conversation.do(UpdateSession(changes={"tools": [function(name) for name in names]}))
    asks_for(model, *names)
    await say(conversation, "Go")
    for name in ("third", "first"):
        await conversation.do(AddToolOutput(call_id=f"call_Go_{name}", output=f"of {name}"))
    await conversation.do(RequestResponse())
    await quiet(conversation)
    [[first, second, third]] = rounds_of(model.requests[-1])
    assert (first, third) == (("first", "of first"), ("third", "of third"))
    assert second[0] == "second"
    assert "No result was given" in second[1]


async def test_a_call_that_waits_for_a_yes_keeps_its_place(process: Process, model: EngineModel) -> None:
    def careful() -> str:
        """Do what needs a yes."""
        return "done with care"

    def free() -> str:
        """Do what does not."""
        return "done"

    process.registry.tool(requires_approval=True)(careful)
    process.registry.tool(free)
    asks_for(model, "careful", "free")
    conversation = await process.join()
    await say(conversation, "Go")
    asks_for(model)
    await say(conversation, "Meanwhile")
    [[(_, waits), free_one]] = rounds_of(model.requests[-1])
    assert "waits for a person's approval" in waits
    assert free_one == ("free", "done")
    [approval_id] = conversation.history.approvals
    await conversation.do(DecideApproval(approval_id=approval_id, approve=True))
    await quiet(conversation)
    assert rounds_of(model.requests[-1]) == [[("careful", "done with care"), ("free", "done")]]


async def test_a_past_that_is_told_in_another_order_is_put_in_order(
    process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    for name in ("first", "second"):
        await conversation.do(AddToolCall(call_id=f"call_{name}", name=name, arguments="{}"))
    for name in ("second", "first"):
        await conversation.do(AddToolOutput(call_id=f"call_{name}", output=f"of {name}"))
    await say(conversation, "And now?")
    assert rounds_of(model.requests[-1]) == [[("first", "of first")], [("second", "of second")]]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("abBA", [["a", "b"]]),
        ("abB", [["a", "b"]]),
        ("aAbB", [["a"], ["b"]]),
        ("abBcCA", [["a", "b"], ["c"]]),
    ],
)
async def test_what_a_response_looks_at_of_its_own_is_put_in_order(
    process: Process, model: EngineModel, order: str, expected: list[list[str]]
) -> None:
    """A small letter is a call, a capital one its output."""
    conversation = await process.join()
    given = [
        {"type": "function_call", "call_id": one, "name": one, "arguments": "{}"}
        if one.islower()
        else {"type": "function_call_output", "call_id": one.lower(), "output": one}
        for one in order
    ]
    await conversation.do(RequestResponse(options=ResponseOptions(conversation="none", input=given)))
    await quiet(conversation)
    rounds = rounds_of(model.requests[-1])
    assert [[name for name, _ in one] for one in rounds] == expected
    for name, output in (pair for one in rounds for pair in one):
        assert output == name.upper() if name.upper() in order else "No result was given" in output


async def test_a_tool_that_was_to_be_called_and_is_gone_is_not_asked_for(
    process: Process, model: EngineModel
) -> None:
    """Every vendor refuses a choice that is not among the tools, and would do so in every turn from then on."""
    allowed = [True]

    @process.registry.tool(allow=lambda _: allowed[0])
    def look() -> str:
        """Look."""
        return "blue"

    conversation = await process.join()
    await conversation.do(UpdateSession(changes={"tool_choice": {"type": "function", "name": "look"}}))
    await say(conversation, "Hi")
    allowed[0] = False
    await say(conversation, "Hi again")
    assert [(len(one.tools), one.tool_choice) for one in model.requests] == [(1, "look"), (0, "auto")]
