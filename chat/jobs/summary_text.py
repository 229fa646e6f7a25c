"""Reading a title, a summary and what it finds out of what a model wrote: JSON, when all goes well."""

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any, TypeVar

from sessions_app.log import events as ev
from sessions_app.log.rows import storable
from sessions_app.log.summaries import Findings

MAX_TITLE_CHARS = 60
MAX_SUMMARY_CHARS = 8_000
MAX_SENTENCE_CHARS = 500
MAX_TOPIC_CHARS = 60
MAX_TOPICS = 8
MAX_LINES = 12
"""Open questions, follow-ups."""

_MOST_BRACES = 100
"""So many are tried as the beginning of the object, behind whatever a model says first."""

_FENCE = re.compile(r"^```\w*\s*\n(.*?)\n?```\s*$", re.DOTALL)
_BEGUN_STRING = r'"{name}"\s*:\s*"((?:[^"\\]|\\.)*)'
_HALF_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{0,3}$")
_DECODER = json.JSONDecoder(strict=False)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}")

NOTHING = Findings()
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What there is of a summary. Every text is safe to store."""

    title: str = ""
    summary: str = ""
    findings: Findings = NOTHING
    missing: tuple[str, ...] = ()
    """The fields that were asked for and are not there, or make no sense."""

    @property
    def is_whole(self) -> bool:
        return not self.missing

    def completed_by(self, other: "Draft") -> "Draft":
        """This one, with what it lacks as the other has it."""
        lacks = [name for name in self.missing if name not in other.missing]
        theirs = {name: getattr(other.findings, name) for name in lacks if hasattr(other.findings, name)}
        return Draft(
            title=self.title or other.title,
            summary=self.summary or other.summary,
            findings=replace(self.findings, **theirs),
            missing=tuple(name for name in self.missing if name not in lacks),
        )


def read_draft(text: str) -> Draft:
    """From a JSON object, fenced or not, whole or cut off; else the text itself is the summary."""
    title, summary = read_summary(text)
    fields = _json_object(_body(text)) or {}
    findings, missing = _findings(fields)
    lacks = [name for name, value in (("title", title), ("summary", summary)) if not value]
    if not fields and not lacks:
        lacks = ["title"]  # made of the summary's first line
    return Draft(title=title, summary=summary, findings=findings, missing=(*lacks, *missing))


def read_summary(text: str) -> tuple[str, str]:
    """(title, summary). The summary is empty only when the text holds none."""
    body = _body(text)
    fields = _json_object(body)
    if fields is not None:
        title, summary = _as_markdown(fields.get("title")), _as_markdown(fields.get("summary"))
    elif body.startswith("{"):
        title, summary = _begun_string(body, "title"), _begun_string(body, "summary")
    else:
        title, summary = "", body
    summary = storable(summary).strip()[:MAX_SUMMARY_CHARS]
    return _as_title(storable(title) or summary), summary


def _body(text: str) -> str:
    body = text.strip()
    fenced = _FENCE.match(body)
    return fenced.group(1).strip() if fenced else body


def _json_object(body: str) -> dict[str, Any] | None:
    """The first JSON object in the text that has a summary, whatever stands around it."""
    starts = [found.start() for found in islice(re.finditer(r"\{", body), _MOST_BRACES)]
    for start in (
        starts[:1] if body.startswith("{") else starts
    ):  # else what was cut off would be looked for in its own inside
        try:
            value, _ = _DECODER.raw_decode(body, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "summary" in value:
            return value
    return None


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


# What it finds


def _findings(fields: dict[str, Any]) -> tuple[Findings, tuple[str, ...]]:
    """And the names of those that are not there."""
    found: dict[str, Any] = {
        "topics": _lines(fields.get("topics"), MAX_TOPICS, MAX_TOPIC_CHARS),
        "intent": _sentence(fields.get("intent")),
        "outcome": _choice(fields.get("outcome"), ev.Resolution),
        "open_questions": _lines(fields.get("open_questions"), MAX_LINES, MAX_SENTENCE_CHARS),
        "follow_ups": _lines(fields.get("follow_ups"), MAX_LINES, MAX_SENTENCE_CHARS),
        "sentiment": _choice(fields.get("sentiment"), ev.Sentiment),
        "language": _language(fields.get("language")),
        "quality": _quality(fields.get("quality")),
        "quality_reason": _sentence(fields.get("quality_reason")),
    }
    given = {name: value for name, value in found.items() if value is not None}
    return Findings(**given), tuple(name for name in found if name not in given)


def _sentence(value: object, most: int = MAX_SENTENCE_CHARS) -> str | None:
    """One line; None where there is none."""
    text = " ".join(str(storable(value)).split()) if isinstance(value, str) else ""
    return (text if len(text) <= most else f"{text[: most - 1].rstrip()}…") or None


def _lines(value: object, most: int, chars: int) -> tuple[str, ...] | None:
    """Each once; a single text counts as a list of one."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        return None
    lines = (line for one in values if (line := _sentence(one, chars)))
    return tuple(dict.fromkeys(lines))[:most]


def _choice(value: object, choices: type[Choice]) -> Choice | None:
    word = value.strip().rstrip(".").lower() if isinstance(value, str) else ""
    return next((one for one in choices if one.value == word), None)


def _language(value: object) -> str | None:
    text = value.strip().replace("_", "-") if isinstance(value, str) else ""
    return text if _LANGUAGE.fullmatch(text) and len(text) <= 16 else None


def _quality(value: object) -> int | None:
    """4, 4.0, "4" and "4/5" are the same."""
    found = re.fullmatch(r"([1-5])(?:\.0)?(?:\s*/\s*5)?", str(value).strip())
    return int(found[1]) if found and not isinstance(value, bool) else None
