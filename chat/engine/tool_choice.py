"""Whether a client's ``tool_choice`` names a tool that the model would be offered."""

from chat.engine.config import SessionConfig
from chat.errors import FrameError
from chat.tools.base import ToolContext
from chat.tools.registry import Registry


async def check_tool_choice(
    config: SessionConfig, param: str, registry: Registry, context: ToolContext
) -> None:
    """Raises `FrameError`, about the field ``param``, with the names that there are."""
    choice = config.tool_choice_name()
    names = {spec.name for spec in config.client_tools()}
    if choice in names | {"auto", "none", "required"}:
        return
    names |= {spec.name for spec in await registry.specs_for(context)}
    if choice not in names:
        raise FrameError(
            f"tool_choice names the tool {choice!r}, which this session does not have. Name one of: "
            f"{', '.join(sorted(names))}.",
            param=param,
        )
