"""Arithmetic in a sentence: the expressions that a calculator can be given."""

import re
from collections.abc import Iterator

_WORDS = (
    (r"\bplus\b", "+"),
    (r"\bminus\b", "-"),
    (r"\btimes\b|\bmultiplied by\b", "*"),
    (r"\bdivided by\b|\bover\b", "/"),
    (r"\bto the power of\b", "**"),
    (r"\^", "**"),
    (r"×", "*"),
    (r"÷", "/"),
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"(?<![\d.])(\d++(?:\.\d++)?) ?(?:%|percent) of (?=\d)", r"\1 / 100 * "),
    (r"\bthe square root of (\d+(?:\.\d+)?)", r"sqrt(\1)"),
)
_NUMBER = r"\d++(?:\.\d++)?"
_TERM = rf"(?:sqrt\({_NUMBER}\)|[-+]?\(*+\s*+[-+]?{_NUMBER}\s*+\)*+)"
_OPERATOR = r"\s*+(?:\*\*|//|[-+*/])\s*+"
_EXPRESSION = re.compile(rf"(?<![\d.]){_TERM}(?:{_OPERATOR}{_TERM})+|sqrt\({_NUMBER}\)")
"""Possessive throughout: a run of digits that is no expression is left at once."""

_NOT_MEANT = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{2,4}|\b24/7\b|(?<!\d)\d++(?:-\d++){2,}")
"""Dates, phone numbers, opening hours."""


def expressions_in(said: str) -> Iterator[str]:
    """Each as a calculator takes it, e.g. "12 times 3" as ``12 * 3``."""
    text = _NOT_MEANT.sub(" ", said)
    for pattern, sign in _WORDS:
        text = re.sub(pattern, sign, text, flags=re.IGNORECASE)
    for found in _EXPRESSION.finditer(text):
        expression = " ".join(found.group().split())
        if expression.count("(") == expression.count(")"):
            yield expression
