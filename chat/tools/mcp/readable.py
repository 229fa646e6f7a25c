"""What an MCP server answers, before the SDK reads it, so that one thing that the SDK refuses does not hide the rest.

The SDK checks a whole answer at once: one block of a kind that it does not know, or a tool that promises a structure
(``outputSchema``) and gives text, and the model would be told of none of it.
"""

from types import TracebackType
from typing import Any, Self

import mcp_types as types
from mcp.shared._stream_protocols import ReadStream
from mcp.shared.message import SessionMessage
from pydantic import TypeAdapter, ValidationError

from chat.messages import JSON
from chat.tools.mcp.results import text_of_block

_BLOCK: TypeAdapter[types.ContentBlock] = TypeAdapter(types.ContentBlock)


class Readable:
    """The stream of a server's messages; all but its answers pass as they are."""

    def __init__(self, stream: ReadStream[SessionMessage | Exception]) -> None:
        self._stream = stream

    async def receive(self) -> SessionMessage | Exception:
        return _readable(await self._stream.receive())

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return _readable(await anext(self._stream))

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        return await self._stream.__aexit__(exc_type, exc_val, exc_tb)


def _readable(item: SessionMessage | Exception) -> SessionMessage | Exception:
    if isinstance(item, SessionMessage) and isinstance(item.message, types.JSONRPCResponse):
        item.message.result = readable(item.message.result)
    return item


def readable(result: JSON) -> JSON:
    """A list of tools without promises of what they give; a tool's result of texts alone, its structure an object."""
    if isinstance(result.get("tools"), list):
        return {**result, "tools": [_tool(one) for one in result["tools"]]}
    if isinstance(result.get("content"), list):
        result = {**result, "content": [_text_block(one) for one in result["content"]]}
    if "structuredContent" in result:
        result = {"content": [], **result, "structuredContent": _object(result["structuredContent"])}
    return result


def _tool(tool: Any) -> Any:
    return (
        {key: value for key, value in tool.items() if key != "outputSchema"}
        if isinstance(tool, dict)
        else tool
    )


def _text_block(block: Any) -> Any:
    try:
        known = _BLOCK.validate_python(block)
    except ValidationError:
        kind = block.get("type") if isinstance(block, dict) else None
        return {"type": "text", "text": f"[a block of kind {str(kind)[:64]!r}: not shown]"}
    return block if isinstance(known, types.TextContent) else {"type": "text", "text": text_of_block(known)}


def _object(structure: Any) -> JSON | None:
    return structure if structure is None or isinstance(structure, dict) else {"result": structure}
