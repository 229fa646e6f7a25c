"""Whether a call has to wait for a person's yes before it runs."""

import logging

import msgspec

from chat.messages import JSON
from chat.tools.base import Tool, ToolContext
from chat.tools.rules import ask

logger = logging.getLogger(__name__)


async def needs_approval(tool: Tool, *, arguments: str, context: ToolContext) -> bool:
    """Ask the tool's rule; ``arguments`` is JSON text as the model gave it. Raises nothing.

    A rule that fails asks for approval. Arguments that are no JSON object need none: such a call is refused anyway.
    """
    rule = tool.requires_approval
    if isinstance(rule, bool):
        return rule
    parsed = _object(arguments)
    if parsed is None:
        return False
    try:
        return await ask(rule, context, parsed)
    except Exception:
        logger.exception("tool %s: the rule for its approval failed, so approval is asked for", tool.name)
        return True


def _object(arguments: str) -> JSON | None:
    try:
        return msgspec.json.decode(arguments.strip() or "{}", type=JSON)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
