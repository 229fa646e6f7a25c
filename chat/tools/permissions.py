"""Who may use a tool. For everybody else it does not exist."""

import asyncio
import logging
from collections.abc import Iterable

from chat.tools.base import Tool, ToolContext
from chat.tools.rules import ask
from sessions_app.selectors.users import has_permission, is_active_staff
from sessions_app.threads import in_db_thread

logger = logging.getLogger(__name__)


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
        return await in_db_thread(has_permission, user_id=context.user_id, permission=tool.allow)
    except Exception:
        logger.exception("tool %s: who may use it could not be found out, so it is refused", tool.name)
        return False


async def _is_staff_now(tool: Tool, context: ToolContext) -> bool:
    try:
        return await in_db_thread(is_active_staff, user_id=context.user_id)
    except Exception:
        logger.exception("tool %s: who is staff could not be found out, so it is refused", tool.name)
        return False
