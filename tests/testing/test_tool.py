"""One tool by itself, called as a server calls it."""

import asyncio

import pytest
from django.contrib.auth import get_user_model

from chat.testing import error_of, result_of, run_tool
from chat.tools import ToolContext, ToolError, tool
from chat.tools.registry import default_registry
from sessions_app.postgres.threads import in_db_thread


def ship(country: str, weight_kg: float = 1.0) -> dict[str, object]:
    """Ship it."""
    if country != "DE":
        raise ToolError(f"Not to {country}.")
    return {"price": weight_kg * 2}


async def test_the_result_as_the_model_reads_it() -> None:
    assert result_of(await run_tool(ship, {"country": "DE", "weight_kg": 2})) == {"price": 4.0}
    assert result_of(await run_tool(ship, '{"country": "DE"}')) == {"price": 2.0}


async def test_an_error_in_the_words_for_the_model() -> None:
    assert error_of(await run_tool(ship, {"country": "XX"})) == "Not to XX."
    assert "missing required field `country`" in error_of(await run_tool(ship))


async def test_the_wrong_outcome_is_told_with_its_words() -> None:
    with pytest.raises(AssertionError, match="the tool failed: Not to XX"):
        result_of(await run_tool(ship, {"country": "XX"}))
    with pytest.raises(AssertionError, match=r"did not fail, it gave: .*2\.0"):
        error_of(await run_tool(ship, {"country": "DE"}))


async def test_text_stays_text_and_the_caller_is_who_the_test_says() -> None:
    async def say(context: ToolContext) -> str:
        """Say who calls."""
        return (
            f"{context.session_id} {context.call_id} {context.user_id} {context.guest_id} {context.is_staff}"
        )

    assert result_of(await run_tool(say)) == "session call_1 None  False"
    who = {"session_id": "s", "call_id": "c", "user_id": 7, "guest_id": "g", "is_staff": True}
    assert result_of(await run_tool(say, **who)) == "s c 7 g True"  # type: ignore[arg-type]


async def test_a_decorated_function_keeps_its_options() -> None:
    @tool(name="slow_one", timeout_s=0.05, requires_approval=True)
    async def slow() -> None:
        """Take long."""
        await asyncio.sleep(30)

    try:
        assert "needs a person's approval" in error_of(await run_tool(slow))
        for named in (slow, "slow_one"):
            outcome = await run_tool(named, approved=True)
            assert "slow_one gave no result within 0.05 seconds" in error_of(outcome)
    finally:
        default_registry._tools.pop("slow_one")


async def test_a_tool_of_the_servers_by_its_name() -> None:
    assert error_of(await run_tool("calculate", {"expression": "1/0"})) == "Division by zero."
    assert "There is no tool 'nix'" in error_of(await run_tool("nix"))


@pytest.mark.django_db(transaction=True)
async def test_on_the_test_database_a_tool_may_ask_it() -> None:
    user = await in_db_thread(get_user_model().objects.create_user, "ann")
    assert result_of(await run_tool("get_my_profile", user_id=user.pk))["username"] == "ann"
