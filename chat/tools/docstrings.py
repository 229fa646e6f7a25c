"""A docstring in Google style, as far as a model is told of it."""

import re
import textwrap
from typing import NamedTuple

_ARGS = ("Args:", "Arguments:")
_NOT_FOR_THE_MODEL = ("Raises:", "Example:", "Examples:")
_ENTRY = re.compile(r"(?P<name>\w+)\s*(\([^)]*\))?:\s*(?P<text>.*)")


class Docs(NamedTuple):
    description: str
    arguments: dict[str, str]


def parse_docstring(docstring: str) -> Docs:
    """The text of a cleaned docstring (`inspect.getdoc`), and what its "Args:" section says of each argument.

    The sections "Raises:" and "Example:" are for people, and left out.
    """
    text: list[str] = []
    arguments: list[str] = []
    target: list[str] | None = text
    for line in docstring.splitlines():
        if line.strip() and not line.startswith(" "):
            target = _target(line, text, arguments)
            if target is not text:
                continue
        if target is not None:
            target.append(line)
    return Docs("\n".join(text).strip(), _entries(arguments))


def _target(line: str, text: list[str], arguments: list[str]) -> list[str] | None:
    """Where the lines after a line that is not indented belong."""
    if line.rstrip() in _ARGS:
        return arguments
    return None if line.rstrip() in _NOT_FOR_THE_MODEL else text


def _entries(lines: list[str]) -> dict[str, str]:
    entries: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        entry = None if line.startswith(" ") else _ENTRY.fullmatch(line)
        if entry:
            name = entry["name"]
            entries[name] = entry["text"].strip()
        elif name:
            entries[name] = f"{entries[name]} {line.strip()}".strip()
    return entries
