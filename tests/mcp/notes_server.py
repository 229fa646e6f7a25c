"""A real MCP server, built with the SDK: ``python notes_server.py`` on stdio, with a port on streamable HTTP.

What it is asked to do, and what is cancelled, it writes to the file that ``NOTES_JOURNAL`` names.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)

READ_ONLY = ToolAnnotations(read_only_hint=True)
server = MCPServer("notes", log_level="WARNING")


def journal(line: str) -> None:
    with Path(os.environ["NOTES_JOURNAL"]).open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {line}\n")


@server.tool(annotations=READ_ONLY)
def read_note(title: str) -> str:
    """The text of a note."""
    journal(f"read_note {title}")
    return f"The note {title!r} says: buy milk"


@server.tool()
def write_note(title: str) -> str:
    """Keep a note."""
    journal(f"write_note {title}")
    return f"written: {title}"


@server.tool(annotations=ToolAnnotations(read_only_hint=False, idempotent_hint=True))
def archive(title: str) -> str:
    """Put a note away."""
    return f"archived: {title}"


@server.tool(annotations=READ_ONLY)
def count_notes() -> dict[str, int]:
    """How many notes there are."""
    return {"notes": 3}


@server.tool(annotations=READ_ONLY, structured_output=False)
def show_all() -> CallToolResult:
    """Everything that a result may hold."""
    return CallToolResult(
        content=[
            TextContent(type="text", text="Three notes."),
            ImageContent(type="image", data="QUJDREVGR0g=", mime_type="image/png"),
            ResourceLink(type="resource_link", name="first", uri="notes://1", description="the oldest"),
            EmbeddedResource(
                type="resource", resource=TextResourceContents(uri="notes://2", text="Call the plumber.")
            ),
        ]
    )


@server.tool(annotations=READ_ONLY)
def fail() -> str:
    """Fail."""
    raise ToolError("The notebook is locked. Ask its owner.")


@server.tool(annotations=READ_ONLY)
async def wait_long() -> str:
    """Wait until it is cancelled."""
    journal("wait_long began")
    try:
        await asyncio.sleep(600)
    finally:
        journal("wait_long cancelled")
    return "never"


@server.tool(annotations=READ_ONLY)
def crash() -> str:
    """End the process."""
    journal("crash")
    os._exit(3)


@server.tool(annotations=READ_ONLY)
def ten_megabytes() -> str:
    """A long note."""
    return "x" * 10_000_000


@server.tool(annotations=READ_ONLY)
def flood() -> str:
    """Write a lot to stderr, then answer."""
    for _ in range(200):
        sys.stderr.write("flood " * 2_000 + "\n")
    return "flooded"


@server.tool(annotations=READ_ONLY)
def say_the_secret() -> str:
    """Write the secret to stderr."""
    sys.stderr.write(f"the token is {os.environ.get('NOTES_TOKEN', '')}\n")
    sys.stderr.flush()
    return "said"


@server.tool(annotations=READ_ONLY)
def environment() -> list[str]:
    """The names of the variables that the server was given."""
    return sorted(os.environ)


@server.tool(annotations=READ_ONLY)
async def grow(context: Context[Any, Any]) -> str:
    """Offer one more tool, and say so."""

    @server.tool(name="late_tool", annotations=READ_ONLY)
    def late_tool() -> str:
        """It came late."""
        return "late"

    await context.notify_tools_changed()
    return "grown"


def main() -> None:
    time.sleep(float(os.environ.get("NOTES_DELAY_S", "0")))
    journal("started")
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]), host="127.0.0.1")
    else:
        server.run("stdio")
    journal("ended")


if __name__ == "__main__":
    main()
