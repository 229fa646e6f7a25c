"""Running a model's tool calls: whatever a tool does, the model gets an answer and nothing else is hurt."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
from django.utils.functional import Promise

from chat.conf import conf
from chat.errors import ToolError
from chat.tools.base import Outcome, Tool, ToolContext, ToolOutcome
from chat.tools.beside import Call, Raised, call_of
from chat.tools.permissions import check_approved, may_run
from chat.tools.registry import Registry
from chat.tools.schema import keyword_arguments
from sessions_app.log.rows import storable

logger = logging.getLogger(__name__)


MAX_CONCURRENT = 8
"""Calls of one model round that run at once."""

_OUR_FAULT = (
    "This is a fault of the server's, not of the arguments; it has been logged. "
    "Do not repeat the call; say that this does not work at the moment."
)

_cut_off: set["asyncio.Task[Any]"] = set()
"""Cancelled tools that are still ending: the event loop itself holds its tasks weakly only."""


async def run_tool(registry: Registry, *, name: str, arguments: str, context: ToolContext) -> ToolOutcome:
    """Run one call; ``arguments`` is JSON text as the model gave it.

    Raises nothing but CancelledError: every failure is an outcome "error" in words for the model.
    """
    started = time.monotonic()
    limit_chars = conf().tool_output_chars
    try:
        tool = await _find(registry, name, context)
        limit_chars = tool.limit_chars
        kwargs = keyword_arguments(tool, arguments, context)
        await check_approved(tool, arguments=arguments, context=context)
        output, outcome = await _within_limit(tool, kwargs), Outcome.OK
    except ToolError as error:
        output, outcome = error.message, Outcome.ERROR
    except NotJsonError as error:
        logger.error("tool %s gave a result that is not JSON: %s (%s)", name, error, _place(context))  # noqa: TRY400
        output, outcome = f"{name} gave a result that cannot be passed on. {_OUR_FAULT}", Outcome.ERROR
    except Exception:
        logger.exception("tool %s failed (%s)", name, _place(context))
        output, outcome = f"{name} failed. {_OUR_FAULT}", Outcome.ERROR
    return ToolOutcome(
        output=bounded(output, limit_chars=limit_chars),
        outcome=outcome,
        duration_ms=(time.monotonic() - started) * 1000,
    )


async def run_tools(
    registry: Registry, calls: Sequence[tuple[str, str, ToolContext]]
) -> AsyncGenerator[tuple[int, ToolOutcome], None]:
    """Run calls (name, arguments, context) side by side; gives (index of the call, outcome) as each is done.

    Close the generator (``contextlib.aclosing``) to stop what still runs.
    """
    room = asyncio.Semaphore(MAX_CONCURRENT)

    async def run(index: int) -> tuple[int, ToolOutcome]:
        name, arguments, context = calls[index]
        async with room:
            return index, await run_tool(registry, name=name, arguments=arguments, context=context)

    pending = {asyncio.create_task(run(index)) for index in range(len(calls))}
    try:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for index, outcome in sorted((task.result() for task in done), key=lambda result: result[0]):
                yield index, outcome
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def _find(registry: Registry, name: str, context: ToolContext) -> Tool:
    tool = registry.get(name)
    if tool is None or not await may_run(tool, context):
        names = [spec.name for spec in await registry.specs_for(context) if spec.name != name]
        raise ToolError(f"There is no tool {name[:64]!r}. The tools are: {', '.join(names) or 'none'}.")
    return tool


async def _within_limit(tool: Tool, kwargs: dict[str, Any]) -> str:
    """What the function returns, as text. Raises what it raises, and `ToolError` when its time is up.

    A tool that is cut off is cancelled but not waited for: it may ignore the cancellation, or hang in a thread.
    """
    call = _call(tool, kwargs)
    task = asyncio.ensure_future(call.run())
    try:
        await asyncio.wait([task], timeout=tool.limit_s)
    finally:
        in_time = task.done()
        if not in_time:
            started = call.give_up()
            _cut(task)
    if not in_time:
        if call.blocking():
            logger.warning("tool %s blocks its event loop and was given up", tool.name)
        raise ToolError(_too_slow(tool, started=started))
    return _unwrapped(task)


def _call(tool: Tool, kwargs: dict[str, Any]) -> Call:
    """The result becomes text where the tool runs: ten megabytes of it hold no session up."""
    make = call_of(
        tool.function,
        lambda result: bounded(as_text(result), limit_chars=tool.limit_chars),
        name=tool.name,
        threads=tool.max_concurrent,
        room=tool.room,
        place=tool.place,
    )
    return make(**kwargs)


def _unwrapped(task: "asyncio.Task[Any]") -> str:
    if task.cancelled():
        raise RuntimeError("the tool cancelled itself")
    result = task.result()
    if isinstance(result, Raised):
        raise result.as_exception("the tool")
    return str(result)


def _cut(task: "asyncio.Task[Any]") -> None:
    """What comes of it is nobody's any more."""

    def ended(task: "asyncio.Task[Any]") -> None:
        _cut_off.discard(task)
        if not task.cancelled():
            task.exception()

    task.cancel()
    _cut_off.add(task)
    task.add_done_callback(ended)


def _too_slow(tool: Tool, *, started: bool) -> str:
    if not started:
        return f"{tool.name} was not started: as many calls of it run as may at once. Nothing was done. Try again later."
    limit = f"{tool.name} gave no result within {tool.limit_s:g} seconds"
    if tool.side_effects:
        return f"{limit}. Whether it took effect is unknown: do not repeat it before you have checked, or asked the user."
    return f"{limit}. Ask for less, or say that it does not answer at the moment."


def _place(context: ToolContext) -> str:
    return f"session {context.session_id}, call {context.call_id}"


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
    return str(storable(text))


def _cut_note(kept: int, whole: int) -> str:
    return f"\n[Cut: these are the first {kept} of {whole} characters; the rest is left out. Ask for less.]"


def _encode_more(value: Any) -> Any:
    if isinstance(value, Promise):  # Django's lazy translations
        return str(value)
    raise NotImplementedError(f"Objects of type {type(value).__name__} cannot be written as JSON")
