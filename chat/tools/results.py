"""What a tool returned, as the text that the model reads."""

from typing import Any

import msgspec
from django.utils.functional import Promise


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


def bounded(text: str, *, limit_chars: int) -> str:
    """The text as the log can hold it (no NUL, no lone surrogates), cut to the limit; a cut says what is missing."""
    if len(text) > limit_chars:
        kept = max(limit_chars - len(_cut_note(len(text), len(text))), 0)
        text = text[:kept] + _cut_note(kept, len(text))
    return text.replace("\x00", "").encode(errors="replace").decode()


def _cut_note(kept: int, whole: int) -> str:
    return f"\n[Cut: these are the first {kept} of {whole} characters; the rest is left out. Ask for less.]"


def _encode_more(value: Any) -> Any:
    if isinstance(value, Promise):  # Django's lazy translations
        return str(value)
    raise NotImplementedError(f"Objects of type {type(value).__name__} cannot be written as JSON")
