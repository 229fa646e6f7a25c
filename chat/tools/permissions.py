"""Who may use a tool (for everybody else it does not exist), and which calls have to wait for a person's yes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from chat.errors import ToolError
from chat.llm.provider import JSON
from chat.tools.base import Tool, ToolContext
from chat.tools.beside import Raised, call_of
from chat.tools.schema import keyword_arguments
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)


RULE_SECONDS = 5.0
NO_APPROVAL = "This tool needs a person's approval, which this call does not have. It has not run."

Rule = Callable[..., bool | Awaitable[bool]]


async def permitted(tools: Iterable[Tool], context: ToolContext) -> list[Tool]:
    """Those that the model is told of. Rules and permissions are asked now; who is staff is as of the connection."""
    known = [tool for tool in tools if context.is_staff or not tool.staff_only]
    answers = await asyncio.gather(*(_allows(tool, context) for tool in known))
    return [tool for tool, allowed in zip(known, answers, strict=True) if allowed]


async def may_run(tool: Tool, context: ToolContext) -> bool:
    """Whether it may run now: what was true at the connection, or when the model was told, may have changed."""
    if tool.staff_only and not (context.is_staff and await _is_staff_now(tool, context)):
        return False
    return await _allows(tool, context)


async def _allows(tool: Tool, context: ToolContext) -> bool:
    """A rule that fails, or a database that is away, allows nothing."""
    if tool.allow is None:
        return True
    try:
        if not isinstance(tool.allow, str):
            return await ask(tool.allow, context)
        from sessions_app.selectors.users import has_permission

        return await in_db_thread(has_permission, user_id=context.user_id, permission=tool.allow)
    except Exception:
        logger.exception("tool %s: who may use it could not be found out, so it is refused", tool.name)
        return False


async def _is_staff_now(tool: Tool, context: ToolContext) -> bool:
    from sessions_app.selectors.users import is_active_staff

    try:
        return await in_db_thread(is_active_staff, user_id=context.user_id)
    except Exception:
        logger.exception("tool %s: who is staff could not be found out, so it is refused", tool.name)
        return False


async def needs_approval(tool: Tool, *, arguments: str, context: ToolContext) -> bool:
    """Whether to ask a person; ``arguments`` is JSON text as the model gave it. Raises nothing.

    A call that is going to be refused (the person may not make it, or the arguments are wrong) needs nobody's yes.
    """
    if tool.requires_approval is False or not _fits(tool, arguments, context):
        return False
    return await may_run(tool, context) and await _rule_asks(tool, arguments, context)


async def check_approved(tool: Tool, *, arguments: str, context: ToolContext) -> None:
    """For the moment before a call runs, whoever let it come so far. Raises `ToolError` when it lacks its yes."""
    if not context.approved and await _rule_asks(tool, arguments, context):
        raise ToolError(NO_APPROVAL)


async def _rule_asks(tool: Tool, arguments: str, context: ToolContext) -> bool:
    """A rule that fails asks for approval."""
    rule = tool.requires_approval
    if isinstance(rule, bool):
        return rule
    try:
        return await ask(rule, context, msgspec.json.decode(arguments.strip() or "{}", type=JSON))
    except Exception:
        logger.exception("tool %s: the rule for its approval failed, so approval is asked for", tool.name)
        return True


def _fits(tool: Tool, arguments: str, context: ToolContext) -> bool:
    try:
        keyword_arguments(tool, arguments, context)
    except ToolError:
        return False
    return True


async def ask(rule: Rule, *arguments: Any) -> bool:
    """What a project's rule says; it may query the database.

    Raises what the rule raises, RuntimeError for a SystemExit and its like, TimeoutError after ``RULE_SECONDS``.
    """
    name = f"rule {getattr(rule, '__qualname__', '?')}"
    async with asyncio.timeout(RULE_SECONDS):
        said = await call_of(rule, name=name)(*arguments).run()
    if isinstance(said, Raised):
        raise said.as_exception("the rule")
    return bool(said)
