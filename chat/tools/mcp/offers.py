"""An MCP server's tools as tools of ours."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import mcp_types as types

from chat.llm.provider import JSON, ToolSpec
from chat.llm.schemas import MAX_DESCRIPTION_CHARS, UnusableSchemaError, repaired
from chat.tools.base import Tool, ToolContext
from chat.tools.beside import Room, ToolLoop
from chat.tools.mcp.config import McpServer, names_for
from chat.tools.mcp.results import UNREADABLE
from sessions_app.log.rows import storable

MAX_TOOLS = 100
"""Of one server; vendors take 128 in all."""

Call = Callable[[str, JSON, ToolContext], Awaitable[str]]
"""(the server's own name of the tool, arguments, context) -> the text for the model."""


class Offers(NamedTuple):
    tools: list[Tool]
    left_out: list[str]
    """A sentence for each that is not offered."""


def offers_of(
    server: McpServer, tools: Iterable[types.Tool], *, call: Call, room: Room, place: ToolLoop
) -> Offers:
    found = list(tools)
    wanted = [tool for tool in found if server.tools is None or tool.name in server.tools]
    names = names_for(server.name, (tool.name for tool in wanted))
    offered: list[Tool] = []
    left_out = [f"{one!r}: the server has no such tool" for one in _missing(server, found)]
    for tool in wanted:
        if UNREADABLE in (tool.meta or {}):
            left_out.append(f"{tool.name[:80]!r}: {(tool.meta or {})[UNREADABLE]}")
            continue
        try:
            parameters = repaired(tool.input_schema, foreign=True)
        except UnusableSchemaError as error:
            left_out.append(f"{tool.name[:80]!r}: {error}")
            continue
        if len(offered) >= MAX_TOOLS:
            left_out.append(f'{tool.name[:80]!r}: only {MAX_TOOLS} tools are taken; choose with "tools"')
            continue
        spec = ToolSpec(names[tool.name], _description(tool), parameters)
        offered.append(_tool(server, tool, spec, call=call, room=room, place=place))
    return Offers(offered, left_out)


def _tool(
    server: McpServer, tool: types.Tool, spec: ToolSpec, *, call: Call, room: Room, place: ToolLoop
) -> Tool:
    hints = tool.annotations or types.ToolAnnotations()
    read_only = hints.read_only_hint is True

    async def run(arguments: JSON, context: ToolContext) -> Any:
        return await call(tool.name, arguments, context)

    return Tool(
        spec=spec,
        function=run,
        arguments=None,
        timeout_s=server.timeout_s,
        max_concurrent=server.max_concurrent,
        max_output_chars=server.max_output_chars,
        side_effects=not read_only,
        idempotent=read_only or hints.idempotent_hint is True,
        requires_approval=_needs_approval(server, tool.name, read_only=read_only),
        allow=server.permission,
        staff_only=server.staff_only,
        server_label=server.name,
        room=room,
        place=place,
    )


def _needs_approval(server: McpServer, name: str, *, read_only: bool) -> bool:
    match server.requires_approval:
        case "all":
            return True
        case "none":
            return False
        case None:
            return not read_only
        case names:
            return name in names


def _description(tool: types.Tool) -> str:
    title = tool.title or (tool.annotations.title if tool.annotations else None)
    text = tool.description or title or tool.name
    return str(storable(text))[:MAX_DESCRIPTION_CHARS]


def _missing(server: McpServer, found: list[types.Tool]) -> list[str]:
    """Those that the settings name to be offered, or to wait for a yes: a misspelt one would run without."""
    names = {tool.name for tool in found}
    approved = server.requires_approval if isinstance(server.requires_approval, list) else []
    return [name for name in dict.fromkeys([*(server.tools or ()), *approved]) if name not in names]
