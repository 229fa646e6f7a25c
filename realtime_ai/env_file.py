"""The file ``.env``: which names it sets to what. Nothing in a value is a reference: a ``$`` is a dollar sign."""

import io
import re
from pathlib import Path

from dotenv.parser import parse_stream

_FORM = "NAME=value (quote a value that holds a blank with a '#' behind it, or a line break)"


class EnvError(Exception):
    """A variable is wrong: its name, what it holds (never a secret) and the fix, in one line."""


def read_env_file(path: Path) -> dict[str, str]:
    """Names and values, quotes and comments taken off. Raises `EnvError` for a line that is no setting.

    The parser passes over such a line; a setting that is silently dropped is worse than a stop.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvError(
            f"{path.name}: cannot be read as text ({error}). Correct it or move it away."
        ) from None
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and not _is_setting(binding.key, binding.value)):
            line = binding.original.line + _blank_lines_before(binding.original.string)
            raise EnvError(f"{path.name}, line {line}: not {_FORM}. Correct the line or begin it with '#'.")
        if binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
    return found


def _is_setting(name: str, value: str | None) -> bool:
    return value is not None and re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) is not None


def _blank_lines_before(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")
