"""What a person is asked about a call: the tool's own words, or words made from what the model is told."""

import asyncio
from datetime import date
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from chat.tools import ToolContext, ToolDefinitionError
from chat.tools.asking import MAX_CHARS, question
from chat.tools.base import Tool
from chat.tools.schema import make_tool


def pay(amount: Annotated[float, Meta(description="Amount in euros")], to: str, urgent: bool = False) -> str:
    """Pay an amount of money to somebody. Takes a day.

    Args:
        to: Who gets it.
    """
    return f"{amount} {to} {urgent}"


def asks(arguments: str, **options: Any) -> str:
    return asyncio.run(question(make_tool(pay, requires_approval=True, **options), arguments=arguments))


def test_a_template_is_filled_with_the_arguments_and_the_defaults() -> None:
    asked = asks('{"amount": 5, "to": "Ann"}', asks="Pay {amount} € to {to}? Urgent: {urgent}.")
    assert asked == "Pay 5.0 € to Ann? Urgent: no."


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        ("Pay {amount:.2f} € to {to:>5}?", "Pay 1234.50 € to   Ann?"),
        ("On {day:%d.%m.%Y}, not on {day}?", "On 24.12.2026, not on 2026-12-24?"),
        ("For order {order.id} of {order.items[0]}?", "For order 7 of a lamp?"),
        ("To {to!r}, {note} or {note:.2f}?", "To 'Ann', none or none?"),
    ],
)
def test_a_template_says_how_an_argument_is_written(template: str, asked: str) -> None:
    class Order(msgspec.Struct):
        id: int
        items: list[str]

    def refund(amount: float, to: str, day: date, order: Order, note: float | None = None) -> str:
        """Give it back."""
        return f"{amount} {to} {day} {order} {note}"

    given = '{"amount": 1234.5, "to": "Ann", "day": "2026-12-24", "order": {"id": 7, "items": ["a lamp"]}}'
    assert asyncio.run(question(make_tool(refund, asks=template), arguments=given)) == asked


def test_a_function_is_given_the_arguments() -> None:
    asked = asks(
        '{"amount": 5, "to": "Ann"}', asks=lambda given: f"{given['to']} gets {given['amount']:.2f}?"
    )
    assert asked == "Ann gets 5.00?"


def test_an_async_function_is_awaited() -> None:
    async def words(given: dict[str, Any]) -> str:
        await asyncio.sleep(0)
        return f"Really {given['amount']:.0f}?"

    assert asks('{"amount": 5, "to": "Ann"}', asks=words) == "Really 5?"


def test_without_words_of_its_own_it_is_the_docstring_and_the_arguments_by_their_descriptions() -> None:
    assert asks('{"amount": 5, "to": "Ann"}').splitlines() == [
        "Pay an amount of money to somebody.",
        "Amount in euros: 5.0",
        "Who gets it: Ann",
        "Urgent: no",
    ]


def test_words_that_fail_are_made_up_and_keep_nobody_waiting() -> None:
    def fails(_given: dict[str, Any]) -> str:
        raise RuntimeError("away")

    assert asks('{"amount": 5, "to": "Ann"}', asks=fails).startswith("Pay an amount of money to somebody.")


def test_what_a_model_wrote_is_no_template_and_is_cut() -> None:
    asked = asks('{"amount": 5, "to": "{urgent} ' + "x" * 5_000 + '\\u0000"}', asks="To {to}?")
    assert asked.startswith("To {urgent} xxx")
    assert "\x00" not in asked
    assert len(asked) <= MAX_CHARS


def test_a_template_that_names_no_argument_of_the_function_is_refused_at_once() -> None:
    with pytest.raises(ToolDefinitionError, match="asks names arguments that do not exist: sum"):
        make_tool(pay, asks="Pay {sum}?")

    def close(account: str, context: ToolContext) -> str:
        """Close it."""
        return f"{account} {context}"

    with pytest.raises(ToolDefinitionError, match="asks names arguments that do not exist: context"):
        make_tool(close, asks="Close {account} for {context}?")
    with pytest.raises(ToolDefinitionError, match="asks cannot be read"):
        make_tool(pay, asks="Pay {amount?")


def test_nobody_needs_less_than_one_yes() -> None:
    with pytest.raises(ToolDefinitionError, match="approvals has to be 1 or more"):
        make_tool(pay, approvals=0)


def test_a_tool_of_another_server_is_asked_about_by_its_schema() -> None:
    ours = make_tool(pay)
    theirs = Tool(spec=ours.spec, function=ours.function, arguments=None)
    asked = asyncio.run(question(theirs, arguments='{"to": ["a", "b"], "other": {"x": 1}}'))
    assert asked.splitlines()[1:] == ["Who gets it: a, b", 'Other: {"x":1}']
