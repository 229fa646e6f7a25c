"""Rules that a project gives for its tools: functions, sync or async, that say yes or no."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from chat.tools.threads import Raised, ThreadCall

RULE_SECONDS = 5.0

Rule = Callable[..., bool | Awaitable[bool]]


async def ask(rule: Rule, *arguments: Any) -> bool:
    """What the rule says; a sync one runs in a thread and may query the database.

    Raises what the rule raises, RuntimeError for a SystemExit and its like, TimeoutError after ``RULE_SECONDS``.
    """
    async with asyncio.timeout(RULE_SECONDS):
        if inspect.iscoroutinefunction(rule):
            return bool(await rule(*arguments))
        said = await ThreadCall(rule, partial(rule, *arguments)).run()
        if isinstance(said, Raised):
            raise said.as_exception("the rule")
        return bool(await said if inspect.isawaitable(said) else said)
