"""Asking a model for the summary of a conversation: once, or part by part where it is long."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import msgspec

from chat.conf import conf
from chat.errors import ModelBadRequest, ModelRefused, ModelTimeout, ProviderError
from chat.jobs.summary_text import Draft, read_draft
from chat.llm import prompts
from chat.llm.catalog import candidates, default_model_spec
from chat.llm.prices import cost_microusd, history_budget_tokens
from chat.llm.provider import JSON, Completed, FinishReason, ModelRequest, TextDelta, Usage, UserText
from chat.llm.route import FailedAttempt, Route
from sessions_app.log.spoken import SpokenPart
from sessions_app.log.summaries import Findings

MOST_PARTS = 40
"""Of a longer conversation the middle is left out, and the model is told so."""
_MOST_CHARS = 120_000
"""In one part."""
_CHARS_PER_TOKEN = 2
"""At the least, in most languages: what is counted so fits into the window."""
_NOTE_CHARS = 4_000
"""Of a part."""
_OMITTED = "[... {entries} entries of the conversation are left out here ...]"

_unschooled: set[str] = set()
"""Models that refused to be asked by a schema: they are asked in words alone."""

ReadPart = Callable[[SpokenPart], Awaitable[str]]


class EmptySummaryError(Exception):
    """The model answered without a word of text."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    """At most 60 characters, one line of plain text."""
    summary: str
    """Markdown, never empty."""
    findings: Findings
    chunks: int
    """In how many parts the conversation was read."""
    model: str
    """Who wrote it, as ``PROVIDER:NAME``."""
    usage: Usage
    """Of all that it took."""
    cost_microusd: int | None
    """Millionths of a US dollar; None: not known."""


async def summarise(*, model: str, transcript: str, wanted: str = "") -> Summary:
    """Ask ``wanted`` (or ``CHAT_SUMMARY_MODEL``, or the session's own ``model``) for a summary.

    Each fallback is asked once; trying again is the job's business. What is not whole is asked for a second time, and then
    what is usable of both is kept. Raises a `ProviderError` or `EmptySummaryError`.
    """
    return await Writer(model, wanted).write(prompts.SUMMARY, [transcript])


def part_chars(model: str, wanted: str = "") -> int:
    """How much of a conversation is given at once: what any of the models that may be asked can take."""
    tokens = min(history_budget_tokens(one.spec) for one in candidates(asked(model, wanted)))
    return min(_MOST_CHARS, tokens * _CHARS_PER_TOKEN)


async def summarise_parts(
    *, model: str, parts: Sequence[SpokenPart | int], read: ReadPart, wanted: str = ""
) -> Summary:
    """As `summarise`, of a conversation in parts (`sessions_app.log.spoken.parts_of`), of which one is in memory at a time."""
    writer = Writer(model, wanted)
    if len(parts) == 1 and isinstance(parts[0], SpokenPart):
        return await writer.write(prompts.SUMMARY, [await read(parts[0])])
    notes = []
    for part in parts:
        if isinstance(part, int):
            notes.append(_OMITTED.format(entries=part))
        else:
            notes.append(await writer.note([await read(part)]))
    while len(groups := _groups(notes, part_chars(model, wanted))) > 1:
        notes = [await writer.note(group) for group in groups]
    return await writer.write(prompts.SUMMARY_OF_PARTS, notes, chunks=len(parts))


def _groups(notes: Sequence[str], max_chars: int) -> list[list[str]]:
    """At least two in each, so that they get fewer."""
    groups: list[list[str]] = []
    for note in notes:
        fits = groups and sum(map(len, groups[-1])) + len(note) <= max_chars
        if groups and (fits or len(groups[-1]) < 2):
            groups[-1].append(note)
        else:
            groups.append([note])
    return groups


def asked(model: str, wanted: str) -> str:
    """The spec of who writes the summary of a session with ``model``."""
    return wanted or conf().summary_model or model or default_model_spec()


class Writer:
    """Asks for one summary, and counts what that takes."""

    def __init__(self, model: str, wanted: str) -> None:
        self._spec = asked(model, wanted)
        self._model = ""
        """Who answered last."""
        self._usage = Usage()
        self._cost: int | None = 0
        self._end = Completed(FinishReason.OTHER)

    async def note(self, texts: Sequence[str]) -> str:
        """On one part of a long conversation."""
        text = (await self._ask(prompts.PART, texts)).strip()
        if not text:
            raise self._without_text()
        return text[:_NOTE_CHARS]

    async def write(self, instructions: str, texts: Sequence[str], *, chunks: int = 1) -> Summary:
        draft = await self._draft(instructions, texts)
        summary = draft.summary or draft.findings.intent or draft.title
        if not summary:
            raise self._without_text()
        return Summary(
            title=draft.title,
            summary=summary,
            findings=draft.findings,
            chunks=chunks,
            model=self._model,
            usage=self._usage,
            cost_microusd=self._cost,
        )

    async def _draft(self, instructions: str, texts: Sequence[str]) -> Draft:
        """A second try may fail: the first one's words are there."""
        draft = read_draft(await self._ask(instructions, texts, prompts.SUMMARY_SCHEMA))
        if draft.is_whole or not (draft.summary or draft.title):
            return draft
        try:
            again = read_draft(await self._ask(instructions, texts, prompts.SUMMARY_SCHEMA))
        except ProviderError:
            return draft
        better, other = (again, draft) if len(again.missing) < len(draft.missing) else (draft, again)
        return better.completed_by(other)

    async def _ask(self, instructions: str, texts: Sequence[str], schema: JSON | None = None) -> str:
        request = ModelRequest(
            model="",
            history=[UserText("summary", _material("\n\n".join(texts)))],
            instructions=instructions,
            tool_choice="none",
            max_output_tokens=conf().max_output_tokens,
            answer_schema=schema,
        )
        try:
            async with asyncio.timeout(conf().summary_seconds):
                return await self._answer(request)
        except TimeoutError as error:
            raise ModelTimeout(cause=f"no summary within {conf().summary_seconds:g} s") from error

    async def _answer(self, request: ModelRequest) -> str:
        """A model that takes no schema is asked without, then and from there on."""
        route = self._route()
        if route.current.spec in _unschooled:
            request = msgspec.structs.replace(request, answer_schema=None)
        try:
            return await self._stream(route, request)
        except ModelBadRequest:
            if request.answer_schema is None:
                raise
            answer = await self._stream(
                again := self._route(),
                msgspec.structs.replace(request, answer_schema=None),
            )
            _unschooled.add(again.current.spec)
            return answer

    def _route(self) -> Route:
        return Route(candidates(self._spec), attempts=1, on_failure=self._failed)

    def _failed(self, failed: FailedAttempt) -> None:
        if failed.usage != Usage():
            self._count(failed.spec, failed.usage)

    async def _stream(self, route: Route, request: ModelRequest) -> str:
        texts: list[str] = []
        self._end = Completed(FinishReason.OTHER)
        asked = msgspec.structs.replace(request, model=route.current.model)
        async with aclosing(route.stream(asked)) as stream:
            async for event in stream:
                match event:
                    case TextDelta():
                        texts.append(event.text)
                    case Completed():
                        self._end = event
        self._model = route.current.spec
        self._count(route.current.spec, self._end.usage)
        return "".join(texts)

    def _count(self, spec: str, usage: Usage) -> None:
        cost = None if usage == Usage() else cost_microusd(spec, usage)
        self._usage += usage
        self._cost = None if cost is None or self._cost is None else self._cost + cost

    def _without_text(self) -> Exception:
        end = self._end
        why = f"finish {end.finish.value}" + (f" ({end.vendor_reason})" if end.vendor_reason else "")
        if end.finish is FinishReason.CONTENT_FILTER:
            return ModelRefused(cause=why)
        return EmptySummaryError(f"the model gave no text: {why}")


def _material(text: str) -> str:
    """Marked off, so that a message cannot pretend to stand outside."""
    inside = re.sub(r"<(?=[\s/]*conversation)", "\u2039", text, flags=re.IGNORECASE)
    return f"<conversation>\n{inside}\n</conversation>"
