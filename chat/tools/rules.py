"""Rules that a project gives for its tools: functions, sync or async, that say yes or no."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from chat.tools.loops import LoopCall
from chat.tools.threads import Raised, ThreadCall

RULE_SECONDS = 5.0

Rule = Callable[..., bool | Awaitable[bool]]


async def ask(rule: Rule, *arguments: Any) -> bool:
    """What the rule says; it may query the database.

    Raises what the rule raises, RuntimeError for a SystemExit and its like, TimeoutError after ``RULE_SECONDS``.
    """
    async with asyncio.timeout(RULE_SECONDS):
        said = await _call(rule, partial(rule, *arguments)).run()
        if inspect.isawaitable(said):  # of a callable that does not look async
            said = await LoopCall(_name(rule), partial(_awaited, said)).run()
    if isinstance(said, Raised):
        raise said.as_exception("the rule")
    return bool(said)


def _call(rule: Rule, work: Callable[[], Any]) -> "ThreadCall | LoopCall[Any]":
    """Beside the server's own event loop, as tools are."""
    return LoopCall(_name(rule), work) if inspect.iscoroutinefunction(rule) else ThreadCall(rule, work)


async def _awaited(said: Awaitable[Any]) -> Any:
    return await said


def _name(rule: Rule) -> str:
    return f"rule {getattr(rule, '__qualname__', '?')}"
