"""Asking a model for the title and summary of a conversation, and reading them out of what it wrote: JSON, when all goes
well."""

import asyncio
import json
import re
from contextlib import aclosing
from typing import Any

import msgspec

from chat.conf import conf
from chat.errors import ModelRefused, ModelTimeout
from chat.llm import prompts
from chat.llm.catalog import candidates, default_model_spec
from chat.llm.prices import cost_microusd
from chat.llm.provider import Completed, FinishReason, ModelRequest, TextDelta, Usage, UserText
from chat.llm.route import Route
from sessions_app.log.rows import storable

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
    summary = storable(summary).strip()[:MAX_SUMMARY_CHARS]
    return _as_title(storable(title) or summary), summary


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


class EmptySummaryError(Exception):
    """The model answered without a word of text."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    """At most 60 characters, one line of plain text."""
    summary: str
    """Markdown, never empty."""
    model: str
    """Who wrote it, as ``PROVIDER:NAME``."""
    usage: Usage
    cost_microusd: int | None
    """Millionths of a US dollar; None: not known."""


async def summarise(*, model: str, transcript: str) -> Summary:
    """Ask ``model`` (or ``CHAT_SUMMARY_MODEL``) for a summary.

    Each fallback is asked once; trying again is the job's business. Raises a `ProviderError` or `EmptySummaryError`.
    """
    route = Route(candidates(conf().summary_model or model or default_model_spec()), attempts=1)
    request = ModelRequest(
        model=route.current.model,
        history=[UserText("summary", _material(transcript))],
        instructions=prompts.SUMMARY,
        tool_choice="none",
        max_output_tokens=conf().max_output_tokens,
    )
    texts: list[str] = []
    end = Completed(FinishReason.OTHER)
    try:
        async with asyncio.timeout(conf().summary_seconds), aclosing(route.stream(request)) as stream:
            async for event in stream:
                match event:
                    case TextDelta():
                        texts.append(event.text)
                    case Completed():
                        end = event
    except TimeoutError as error:
        raise ModelTimeout(cause=f"no summary within {conf().summary_seconds:g} s") from error
    title, summary = read_summary("".join(texts))
    if not summary:
        raise _without_text(end)
    spec = route.current.spec
    cost = None if end.usage == Usage() else cost_microusd(spec, end.usage)
    return Summary(title=title, summary=summary, model=spec, usage=end.usage, cost_microusd=cost)


def _material(transcript: str) -> str:
    """Marked off, so that a message cannot pretend to stand outside."""
    inside = re.sub(r"</?\s*conversation\s*>", "", transcript, flags=re.IGNORECASE)
    return f"<conversation>\n{inside}\n</conversation>"


def _without_text(end: Completed) -> Exception:
    why = f"finish {end.finish.value}" + (f" ({end.vendor_reason})" if end.vendor_reason else "")
    if end.finish is FinishReason.CONTENT_FILTER:
        return ModelRefused(cause=why)
    return EmptySummaryError(f"the model gave no text: {why}")
