"""Reading a summary out of what a model wrote, which is JSON when all goes well."""

import json
import re
from typing import Any

MAX_TITLE_CHARS = 60
MAX_SUMMARY_CHARS = 8_000

_FENCE = re.compile(r"^```\w*\s*\n(.*?)\n?```\s*$", re.DOTALL)
_BEGUN_STRING = r'"{name}"\s*:\s*"((?:[^"\\]|\\.)*)'
_HALF_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{0,3}$")
_DECODER = json.JSONDecoder(strict=False)


def read_summary(text: str) -> tuple[str, str]:
    """(title, summary): from a JSON object, fenced or not, whole or cut off; else the text itself is the summary.

    Both are safe to store. The summary is empty only when the text holds none.
    """
    body = text.strip()
    if fenced := _FENCE.match(body):
        body = fenced.group(1).strip()
    fields = _json_object(body)
    if fields is not None:
        title, summary = _as_markdown(fields.get("title")), _as_markdown(fields.get("summary"))
    elif body.startswith("{"):
        title, summary = _begun_string(body, "title"), _begun_string(body, "summary")
    else:
        title, summary = "", body
    summary = _storable(summary).strip()[:MAX_SUMMARY_CHARS]
    return _as_title(_storable(title) or summary), summary


def _json_object(body: str) -> dict[str, Any] | None:
    """The first JSON object in the text that has a summary, whatever stands around it."""
    start = body.find("{")
    if start < 0:
        return None
    try:
        value, _ = _DECODER.raw_decode(body, start)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and "summary" in value else None


def _begun_string(body: str, name: str) -> str:
    """A string of an object that ends in the middle, for the model ran out of tokens; empty when it never began."""
    found = re.search(_BEGUN_STRING.format(name=name), body, re.DOTALL)
    if not found:
        return ""
    inside = _HALF_ESCAPE.sub("", found.group(1))
    try:
        text = str(_DECODER.decode(f'"{inside}"'))
    except ValueError:
        text = inside
    ended = body[found.end() : found.end() + 1] == '"'
    return text if ended else f"{text} …"


def _as_markdown(value: object) -> str:
    """Models give a list of bullets where a string was asked for."""
    if isinstance(value, list):
        return "\n".join(f"- {item}" for item in value)
    return value if isinstance(value, str) else ""


def _as_title(text: str) -> str:
    """The first line without Markdown, cut at a word."""
    plain = (re.sub(r"[*`]+|^\s*(?:#+|>|-|\d+\.)\s+", "", line) for line in text.splitlines())
    line = next((" ".join(line.split()) for line in plain if line.strip()), "")
    if len(line) <= MAX_TITLE_CHARS:
        return line
    return line[: MAX_TITLE_CHARS - 1].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def _storable(text: str) -> str:
    """PostgreSQL takes no NUL, UTF-8 no lone surrogate; both can come out of JSON escapes."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
