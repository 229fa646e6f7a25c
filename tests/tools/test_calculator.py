"""The calculator: right to the last digit where that is possible, bounded, and never anybody's way to run code."""

import math
import operator
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat.errors import ToolError
from chat.tools.builtin.calculator import MAX_BITS, MAX_CHARS, calculate
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from tests.tools.conftest import NOBODY


@pytest.mark.parametrize(
    ("expression", "result", "exact"),
    [
        ("0.1 + 0.2", "0.3", True),
        ("1299.90 * 3 * 1.19", "4640.643", True),
        ("1/3", "0.33333333333333333333", False),
        ("1/3*3", "1", True),
        ("-7 // 2", "-4", True),
        ("-7 % 3", "2", True),
        ("2 ** -2", "0.25", True),
        ("-0.05", "-0.05", True),
        ("2 ** 0.5", "1.4142135623731", False),
        ("sqrt(1.44)", "1.2", True),
        ("sqrt(2) ** 2", "2", False),
        ("round(2.675, 2)", "2.68", True),
        ("round(1249, -2)", "1200", True),
        ("factorial(20)", "2432902008176640000", True),
        ("comb(52, 5)", "2598960", True),
        ("max(1, 2.5, 1/7)", "2.5", True),
        ("sum(1, 2, 3)", "6", True),
        ("pow(2, 10)", "1024", True),
        ("log(8, 2)", "3", False),
        ("sin(pi / 2)", "1", False),
        ("3 × 4 − 1", "11", True),
        ("1_000 * 2", "2000", True),
        ("1e3", "1000", True),
        (".5", "0.5", True),
        ("10 ** -70", "1E-70", False),
        ("2\n+ 3", "5", True),
    ],
)
def test_results(expression: str, result: str, exact: bool) -> None:
    calculation = calculate(expression)
    assert (calculation.result, calculation.exact) == (result, exact)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "not a complete expression"),
        ("1 +", "not a complete expression"),
        ("(" * 300, "not a complete expression"),
        ("1/0", "Division by zero"),
        ("0 ** -1", "Division by zero"),
        ("0.0 * sin(0) % 0", "Division by zero"),
        ("2 ^ 3", "For powers write"),
        ("1,000 + 1", "Write 1000, not 1,000"),
        ("sum(1,000, 2)", "Write 1000, not 1,000"),
        ("1, 2", "A comma stands between the arguments"),
        ("2pi", "as in 2\\*pi"),
        ("2(3+4)", "as in 2\\*\\(3\\+4\\)"),
        ("(2)(3)", "not an arithmetic expression"),
        ("pi(2)", "not an arithmetic expression"),
        ("max(*(1, 2))", "not an arithmetic expression"),
        ("sin + 1", "sin is a function"),
        ("foo(1)", "'foo' is not known. Known are pi, e, tau, abs"),
        ("1 if 2 else 3", "'if' is not known"),
        ("1or 2", "Something is missing between a number and 'or'"),
        ("0x10", "Something is missing"),
        ("sqrt(-1)", "sqrt cannot take these arguments"),
        ("sin(1, 2)", "sin cannot take these arguments"),
        ("gcd(1.5, 2)", "gcd cannot take these arguments"),
        ("(-8) ** (1/3)", "no real power"),
        ("1" * (MAX_CHARS + 1), "longer than"),
        ("9 ** 9 ** 9", "too large"),
        ("2 ** 4096", "too large"),
        ("(2 ** 4000) * (2 ** 4000)", "too large"),
        ("1e401", "too large"),
        ("1e99999999999999999999", "too large"),
        ("exp(1000)", "too large"),
        ("sin(10 ** 400)", "too large"),
        ("factorial(100000)", "too large"),
        ("comb(10 ** 9, 10 ** 8)", "too large"),
        ("round(1.5, 10 ** 9)", "too large"),
        ("__import__('os').system('true')", "cannot stand in an expression"),
        ("(1).real", "cannot stand in an expression"),
        ("[1][0]", "cannot stand in an expression"),
        ("lambda: 1", "'lambda' is not known"),
        ("e.__class__", "cannot stand in an expression"),
    ],
)
def test_what_cannot_be_computed_is_told_in_words(expression: str, words: str) -> None:
    before = time.process_time()
    with pytest.raises(ToolError, match=words):
        calculate(expression)
    assert time.process_time() - before < 0.5


@example("1or 2")
@example("1if 2else 3")
@example("0_7")
@example("-" * 499 + "1")
@settings(deadline=None)
@given(st.text() | st.text("0123456789.+-*/%() e_,jx", max_size=40) | st.text("19.+-*/%() ", max_size=40))
def test_any_text_at_all_is_a_result_or_a_tool_error(expression: str) -> None:
    try:
        calculation = calculate(expression)
    except ToolError:
        return
    assert math.isfinite(float(Fraction(calculation.result)))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
NUMBERS = st.integers(0, 10_000).map(str) | st.decimals(0, 1000, places=3).map(str)
Tree = Any
"""A number's text, or (operation, left, right)."""


def _operations(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    binary = st.tuples(st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner, inner)
    return binary | st.tuples(st.just("**"), inner, st.integers(-3, 3).map(str))


def _written(tree: Tree) -> str:
    return tree if isinstance(tree, str) else f"({_written(tree[1])} {tree[0]} {_written(tree[2])})"


def _in_fractions(tree: Tree) -> Fraction:
    """Raises OverflowError beyond the calculator's bound."""
    if isinstance(tree, str):
        return Fraction(tree)
    left, right = _in_fractions(tree[1]), _in_fractions(tree[2])
    value = Fraction(OPERATIONS[tree[0]](left, right))
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise OverflowError
    return value


@settings(deadline=None)
@given(st.recursive(NUMBERS, _operations, max_leaves=8))
def test_it_agrees_with_python_reckoning_in_fractions(tree: Tree) -> None:
    try:
        expected = _in_fractions(tree)
    except (ZeroDivisionError, OverflowError):
        with pytest.raises(ToolError, match=r"Division by zero|too large"):
            calculate(_written(tree))
        return
    calculation = calculate(_written(tree))
    result = Fraction(calculation.result)
    assert result == expected if calculation.exact else abs(result - expected) <= abs(expected) / 10**19


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["+", "-", "*", "+ -", "* -"]), st.integers(0, 999)),
        min_size=1,
        max_size=12,
    )
)
def test_precedence_is_pythons(terms: list[tuple[str, int]]) -> None:
    expression = "7" + "".join(f" {sign} {number} ** 2" for sign, number in terms)
    assert calculate(expression).result == str(eval(expression))


@settings(deadline=None)
@given(st.sampled_from(["sin", "cos", "tan", "exp", "atan", "sinh", "log10", "sqrt"]), st.floats(0.001, 100))
def test_functions_agree_with_python(function: str, number: float) -> None:
    result = float(calculate(f"{function}({number!r})").result)
    assert math.isclose(result, getattr(math, function)(number), rel_tol=1e-13)


async def test_through_the_registry(shipped: Registry) -> None:
    outcome = await run_tool(shipped, name="calculate", arguments='{"expression": "0.1+0.2"}', context=NOBODY)
    assert (outcome.outcome, msgspec.json.decode(outcome.output)) == ("ok", {"result": "0.3", "exact": True})
    outcome = await run_tool(shipped, name="calculate", arguments='{"expression": "1/0"}', context=NOBODY)
    assert (outcome.outcome, outcome.output) == ("error", "Division by zero.")
