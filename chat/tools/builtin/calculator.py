"""Arithmetic without surprises: exact where it can be, bounded always, and no code is run.

An expression is cut into tokens of a small set, then parsed by Python's own parser, then computed node by node.
Numbers are exact fractions (0.1 + 0.2 is 0.3) until a function such as ``sin`` gives a float.
"""

import ast
import re
from decimal import Context, Decimal

import msgspec

from chat.errors import ToolError
from chat.tools.builtin.arithmetic import CONSTANTS, FUNCTIONS, Number, call, literal, operate
from chat.tools.registry import tool

MAX_CHARS = 500
MAX_DECIMALS = 60
"""A fraction with more of them is rounded."""
ROUNDED_DIGITS = 20
"""Significant ones, of a fraction that is rounded."""
FLOAT_DIGITS = 15
"""What a float holds for sure."""


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
        return _shown(_Computation(text).value())
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
            raise ToolError(_bad_character(text[place]))
        if token["name"]:
            _check_name(token["name"], before)
        place, before = token.end(), token.lastgroup or ""
    return text


def _bad_character(character: str) -> str:
    hint = (
        "For powers write **."
        if character == "^"
        else "Only numbers, + - * / // % **, parentheses and functions."
    )
    return f"{character!r} cannot stand in an expression. {hint}"


def _check_name(name: str, before: str) -> None:
    if before == "number":
        raise ToolError(
            f"Something is missing between a number and {name!r}. To multiply write *, as in 2*pi."
        )
    if name not in FUNCTIONS and name not in CONSTANTS:
        raise ToolError(f"{name!r} is not known. Known are {', '.join((*CONSTANTS, *FUNCTIONS))}.")


class _Computation:
    def __init__(self, text: str) -> None:
        self._text = text

    def value(self) -> Number:
        try:
            tree = ast.parse(self._text, mode="eval")
        except (SyntaxError, ValueError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else str(error)
            raise ToolError(f"This is not a complete expression: {reason}.") from error
        return self._compute(tree.body)

    def _compute(self, node: ast.expr) -> Number:
        match node:
            case ast.Constant():
                return literal(self._text[node.col_offset : node.end_col_offset])
            case ast.Name(id=name) if name in CONSTANTS:
                return CONSTANTS[name]
            case ast.UnaryOp(op=ast.USub()):
                return -self._compute(node.operand)
            case ast.UnaryOp(op=ast.UAdd()):
                return self._compute(node.operand)
            case ast.BinOp():
                return operate(node.op, self._compute(node.left), self._compute(node.right))
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
                return call(name, [self._compute(argument) for argument in node.args])
            case ast.Tuple():
                raise ToolError("A comma stands between the arguments of a function only.")
            case ast.Name(id=name):
                raise ToolError(f"{name} is a function: write {name}(...).")
        raise ToolError("This is not an arithmetic expression. To multiply write *, as in 2*(3+4).")


def _shown(value: Number) -> Calculation:
    if isinstance(value, float):
        return Calculation(f"{value:.{FLOAT_DIGITS}g}", exact=False)
    decimals = _decimals(value.denominator)
    if decimals is None or decimals > MAX_DECIMALS:
        rounded = Context(prec=ROUNDED_DIGITS).divide(Decimal(value.numerator), Decimal(value.denominator))
        return Calculation(str(rounded), exact=False)
    scaled = value.numerator * 10**decimals // value.denominator
    digits = str(abs(scaled)).rjust(decimals + 1, "0")
    point = len(digits) - decimals
    text = f"{digits[:point]}.{digits[point:]}" if decimals else digits
    return Calculation(f"-{text}" if scaled < 0 else text, exact=True)


def _decimals(denominator: int) -> int | None:
    """How many decimals a fraction with this denominator has; None: without end."""
    counts = {2: 0, 5: 0}
    for factor in counts:
        while denominator % factor == 0:
            denominator //= factor
            counts[factor] += 1
    return max(counts.values()) if denominator == 1 else None
