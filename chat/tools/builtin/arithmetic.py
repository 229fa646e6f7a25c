"""The numbers and functions of the calculator: exact fractions as far as possible, and bounded always.

Everything here raises OverflowError where a number would become too large, before it does.
"""

import ast
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

from chat.errors import ToolError

MAX_BITS = 4096
"""Of a number's numerator and denominator: about 1,200 digits."""
MAX_EXPONENT = 400
"""Of ten, in a literal."""

Number = int | Fraction | float


def literal(text: str) -> Number:
    """A number as it is written: 0.1 is a tenth."""
    exponent = text.lower().partition("e")[2]
    if len(exponent) > 6 or abs(int(exponent or 0)) > MAX_EXPONENT:
        raise OverflowError
    return _checked(Fraction(Decimal(text)))


def operate(operator: ast.operator, left: Number, right: Number) -> Number:
    match operator:
        case ast.Add():
            return _checked(left + right)
        case ast.Sub():
            return _checked(left - right)
        case ast.Mult():
            return _checked(left * right)
        case ast.Div():
            return _checked(_quotient(left, right))
        case ast.FloorDiv():
            return _checked(left // right)
        case ast.Mod():
            return _checked(left % right)
    return _checked(_power(left, right))


def _quotient(dividend: Number, divisor: Number) -> Number:
    if isinstance(dividend, float) or isinstance(divisor, float):
        return float(dividend) / float(divisor)
    return Fraction(dividend) / Fraction(divisor)


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(exponent, int) and not isinstance(base, float):
        parts = (base, 1) if isinstance(base, int) else (base.numerator, base.denominator)
        if (max(abs(part).bit_length() for part in parts) - 1) * abs(exponent) > MAX_BITS:
            raise OverflowError
        return Fraction(base) ** exponent
    if base < 0 and float(exponent) != int(exponent):
        raise ToolError("A negative number has no real power of a fraction.")
    return cast("float", float(base) ** float(exponent))


def call(name: str, arguments: list[Number]) -> Number:
    """Raises `ToolError` for arguments that the function does not take."""
    try:
        return _checked(FUNCTIONS[name](*arguments))
    except (TypeError, ValueError) as error:
        raise ToolError(f"{name} cannot take these arguments: {error}.") from error


def _checked(value: Number) -> Number:
    """Within the bounds, and an int where it is one. Raises OverflowError."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OverflowError
        return value
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise OverflowError
    return value.numerator if value.denominator == 1 else value


def _round(value: Number, digits: int = 0) -> Number:
    if abs(digits) > MAX_EXPONENT:
        raise OverflowError
    # round(2.0, 0) would stay a float
    return cast("Number", round(value, digits) if digits else round(value))


def _sqrt(value: Number) -> Number:
    if isinstance(value, float) or value < 0:
        return math.sqrt(value)
    roots = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if (roots[0] ** 2, roots[1] ** 2) == (value.numerator, value.denominator):
        return Fraction(*roots)
    return math.sqrt(value)


def _counting(function: Callable[..., int], largest: int) -> Callable[..., int]:
    """A function whose effort grows with its arguments: they are whole numbers, at most ``largest``."""

    def bounded(*arguments: int) -> int:
        if any(argument > largest for argument in arguments):
            raise OverflowError
        return function(*arguments)

    return bounded


CONSTANTS: dict[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "round": _round,
    "floor": math.floor,
    "ceil": math.ceil,
    "min": lambda *values: min(values),
    "max": lambda *values: max(values),
    "sum": lambda *values: sum(values),
    "sqrt": _sqrt,
    "pow": _power,
    "factorial": _counting(math.factorial, 600),
    "comb": _counting(math.comb, 5_000),
    "perm": _counting(math.perm, 5_000),
    "gcd": math.gcd,
    "lcm": math.lcm,
    "ln": math.log,
    **{
        name: getattr(math, name)
        for name in (
            *("cbrt", "exp", "log", "log2", "log10", "hypot", "degrees", "radians"),
            *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh"),
        )
    },
}
