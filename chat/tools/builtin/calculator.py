"""Arithmetic without surprises: exact where it can be, bounded always, and no code is run.

An expression is cut into tokens of a small set, then parsed by Python's own parser, then computed node by node.
Numbers are exact fractions (0.1 + 0.2 is 0.3) until a function such as ``sin`` gives a float. Why no library does it:
docs/decisions/0045.
"""

import ast
import math
import operator
import re
from collections.abc import Callable
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from typing import Any, cast

import msgspec

from chat.tools import ToolError, tool

MAX_CHARS = 500
MAX_BITS = 4096
"""Of a number's numerator and denominator: about 1,200 digits. Beyond it is an OverflowError, before it is computed."""
MAX_EXPONENT = 400
"""Of ten, in a literal."""
MAX_DECIMALS = 60
"""A fraction with more of them is rounded."""
FLOAT_DIGITS = 15
"""What a float holds for sure."""
_EXACT = Context(prec=1_300, traps=[Inexact])
_ROUNDED = Context(prec=20)

Number = int | Fraction | float


class Calculation(msgspec.Struct):
    result: str
    exact: bool


@tool
def calculate(expression: str) -> Calculation:
    """Compute an arithmetic expression, exactly where that is possible.

    Knows + - * / // % ** and parentheses; pi, e, tau; abs, round, floor, ceil, min, max, sum, sqrt, cbrt, exp,
    log (natural, or log(x, base)), ln, log2, log10, factorial, comb, perm, gcd, lcm, hypot, degrees, radians; and sin,
    cos, tan, asin, acos, atan, atan2, sinh, cosh, tanh in radians.

    Args:
        expression: For example "(1299.90 * 3) * 1.19" or "sqrt(2) ** 2". Write 1000, not 1,000; ** for powers.
    """
    text = _normalised(expression)
    try:
        return _shown(_compute(ast.parse(text, mode="eval").body, text))
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ToolError(f"This is not a complete expression: {reason}.") from error
    except ZeroDivisionError:
        raise ToolError("Division by zero.") from None
    except (OverflowError, RecursionError, MemoryError):
        raise ToolError("The numbers become too large, or the expression is too deeply nested.") from None


_THOUSANDS = re.compile(r"[0-9],[0-9]{3}(?![0-9])")
_TYPOGRAPHY = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "π": "pi"})
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9]*)|(?P<sign>\*\*|//|[-+*/%(),])|(?P<space>\s+)"
)


def _normalised(expression: str) -> str:
    """The expression, of known tokens alone: after that, Python's parser meets nothing that it could warn of."""
    text = " ".join(expression.translate(_TYPOGRAPHY).split())
    if len(text) > MAX_CHARS:
        raise ToolError(f"The expression is longer than {MAX_CHARS} characters. Compute it in steps.")
    if _THOUSANDS.search(text):  # max(1,200) might be meant, but 1,200 read as two numbers is silently wrong
        raise ToolError("Write 1000, not 1,000; between arguments put a space after the comma.")
    place, before = 0, ""
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            powers, others = (
                "For powers write **.",
                "Only numbers, + - * / // % **, parentheses and functions.",
            )
            hint = powers if text[place] == "^" else others
            raise ToolError(f"{text[place]!r} cannot stand in an expression. {hint}")
        if name := token["name"]:
            _check_name(name, before)
        place, before = token.end(), token.lastgroup or ""
    return text


def _check_name(name: str, before: str) -> None:
    if before == "number":
        raise ToolError(
            f"Something is missing between a number and {name!r}. To multiply write *, as in 2*pi."
        )
    if name not in FUNCTIONS and name not in CONSTANTS:
        raise ToolError(f"{name!r} is not known. Known are {', '.join((*CONSTANTS, *FUNCTIONS))}.")


def _compute(node: ast.expr, text: str) -> Number:
    match node:
        case ast.Constant():
            return _literal(text[node.col_offset : node.end_col_offset])
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub()):
            return -_compute(node.operand, text)
        case ast.UnaryOp(op=ast.UAdd()):
            return _compute(node.operand, text)
        case ast.BinOp():
            return _bounded(OPERATORS[type(node.op)](_compute(node.left, text), _compute(node.right, text)))
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            return _call(name, [_compute(argument, text) for argument in node.args])
        case ast.Tuple():
            raise ToolError("A comma stands between the arguments of a function only.")
        case ast.Name(id=name):
            raise ToolError(f"{name} is a function: write {name}(...).")
    raise ToolError("This is not an arithmetic expression. To multiply write *, as in 2*(3+4).")


def _literal(text: str) -> Number:
    """A number as it is written: 0.1 is a tenth."""
    exponent = text.lower().partition("e")[2]
    if len(exponent) > 6 or abs(int(exponent or 0)) > MAX_EXPONENT:
        raise OverflowError
    return _bounded(Fraction(Decimal(text)))


def _call(name: str, arguments: list[Number]) -> Number:
    try:
        return _bounded(FUNCTIONS[name](*arguments))
    except (TypeError, ValueError) as error:
        raise ToolError(f"{name} cannot take these arguments: {error}.") from error


def _bounded(value: Number) -> Number:
    """The same, an int where it is one. Raises OverflowError."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OverflowError
        return value
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise OverflowError
    return value.numerator if value.denominator == 1 else value


def _shown(value: Number) -> Calculation:
    if isinstance(value, float):
        return Calculation(f"{value:.{FLOAT_DIGITS}g}", exact=False)
    parts = Decimal(value.numerator), Decimal(value.denominator)
    try:
        exact = f"{_EXACT.divide(*parts):f}"
    except Inexact:
        exact = ""
    if exact and len(exact.partition(".")[2]) <= MAX_DECIMALS:
        return Calculation(exact, exact=True)
    return Calculation(str(_ROUNDED.divide(*parts)), exact=False)


def _quotient(dividend: Number, divisor: Number) -> Number:
    if isinstance(dividend, float) or isinstance(divisor, float):
        return float(dividend) / float(divisor)
    return Fraction(dividend) / divisor


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(exponent, int) and not isinstance(base, float):
        longest = max(abs(base.numerator).bit_length(), base.denominator.bit_length())
        if (longest - 1) * abs(exponent) > MAX_BITS:
            raise OverflowError
        return Fraction(base) ** exponent
    if base < 0 and float(exponent) != int(exponent):
        raise ToolError("A negative number has no real power of a fraction.")
    return cast("float", float(base) ** float(exponent))


def _round(value: Number, digits: int = 0) -> Number:
    if abs(digits) > MAX_EXPONENT:
        raise OverflowError
    # round(2.0, 0) would stay a float
    return cast("Number", round(value, digits) if digits else round(value))


def _sqrt(value: Number) -> Number:
    if isinstance(value, float) or value < 0:
        return math.sqrt(value)
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    return root if root**2 == value else math.sqrt(value)


def _counting(function: Callable[..., int], largest: int) -> Callable[..., int]:
    """A function whose effort grows with its arguments: they are whole numbers, at most ``largest``."""

    def bounded(*arguments: int) -> int:
        if any(argument > largest for argument in arguments):
            raise OverflowError
        return function(*arguments)

    return bounded


OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _quotient,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
CONSTANTS: dict[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_PLAIN = "cbrt exp log log2 log10 hypot degrees radians sin cos tan asin acos atan atan2 sinh cosh tanh"
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
    **{name: getattr(math, name) for name in _PLAIN.split()},
}
