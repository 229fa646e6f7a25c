"""What a tool returned, as the text that the model reads."""

from typing import Any

import msgspec
from django.utils.functional import Promise

from chat.conf import conf


class NotJsonError(Exception):
    """The result of a tool cannot be written as JSON."""


def as_text(result: Any) -> str:
    """Text stays as it is, all else becomes JSON. Raises `NotJsonError`."""
    if isinstance(result, str):
        return result
    try:
        return msgspec.json.encode(result, enc_hook=_encode_more).decode()
    except (TypeError, ValueError, RecursionError, NotImplementedError) as error:
        raise NotJsonError(str(error)) from error


def bounded(text: str) -> str:
    """The text as the log can hold it (no NUL, no lone surrogates), cut to ``CHAT_TOOL_OUTPUT_CHARS``; a cut says so."""
    limit = conf().tool_output_chars
    note = f"\n[Cut: this is the beginning of a result of {len(text)} characters. Ask for less.]"
    if len(text) > limit:
        text = text[: max(limit - len(note), 0)] + note
    return text.replace("\x00", "").encode(errors="replace").decode()


def _encode_more(value: Any) -> Any:
    if isinstance(value, Promise):  # Django's lazy translations
        return str(value)
    raise NotImplementedError(f"Objects of type {type(value).__name__} cannot be written as JSON")
