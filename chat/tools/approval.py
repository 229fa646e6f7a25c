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


async def needs_approval(tool: Tool, *, arguments: str, context: ToolContext) -> bool:
    """Ask the tool's rule; ``arguments`` is JSON text as the model gave it. Raises nothing.

    A rule that fails asks for approval. A call that is going to be refused (the person may not make it, or the
    arguments are wrong) needs nobody's yes.
    """
    rule = tool.requires_approval
    if rule is False or not _fits(tool, arguments, context) or not await may_run(tool, context):
        return False
    if rule is True:
        return True
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
