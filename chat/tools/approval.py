"""Whether a call has to wait for a person's yes before it runs."""

import logging

import msgspec

from chat.errors import ToolError
from chat.messages import JSON
from chat.tools.arguments import keyword_arguments
from chat.tools.base import Tool, ToolContext
from chat.tools.permissions import may_run
from chat.tools.rules import ask

logger = logging.getLogger(__name__)

NO_APPROVAL = "This tool needs a person's approval, which this call does not have. It has not run."


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
