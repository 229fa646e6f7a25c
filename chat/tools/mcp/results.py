"""What an MCP server answers, before the SDK reads it, so that one thing that the SDK refuses does not hide the rest.

The SDK checks a whole answer at once: one block of a kind that it does not know, or a tool that promises a structure
(``outputSchema``) and gives text, and the model would be told of none of it.
"""

import json
from typing import Any, Self

import mcp_types as types
from mcp.shared._stream_protocols import ReadStream
from mcp.shared.message import SessionMessage
from pydantic import TypeAdapter, ValidationError

from chat.errors import ToolError
from chat.llm.provider import JSON

UNREADABLE = "realtime-ai/unreadable"
"""In a tool's ``_meta``: why it is not offered."""
_BLOCK: TypeAdapter[types.ContentBlock] = TypeAdapter(types.ContentBlock)


def text_of(result: types.CallToolResult) -> str:
    """What a tool gave, as the model reads it. Raises `ToolError` with the same text for a result that is an error."""
    parts = [text_of_block(block) for block in result.content]
    text = "\n".join(part for part in parts if part)
    if result.structured_content is not None and not _says_the_same(parts, result.structured_content):
        structured = json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":"))
        text = f"{text}\n{structured}" if text else structured
    if result.is_error:
        raise ToolError(text or "The tool failed without saying why.")
    return text or "Done. The tool gave no result."


def _says_the_same(texts: list[str], structured: Any) -> bool:
    """The protocol asks servers to give the structured result as text, too: whole, or each element of a list."""
    said = [_read(text) for text in texts]
    whole = said[0] if len(said) == 1 else said
    return any(structured in (one, {"result": one}) for one in (whole, said, "\n".join(texts)))


def _read(text: str) -> Any:
    """The JSON value that a text is, else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def text_of_block(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return (
                f"[{block.type} of type {block.mime_type}, about {len(block.data) * 3 // 4} bytes: not shown]"
            )
        case types.ResourceLink():
            note = f" ({block.description})" if block.description else ""
            return f"[resource {block.name}: {block.uri}{note}]"
        case types.EmbeddedResource():
            return _embedded(block.resource)


def _embedded(resource: types.TextResourceContents | types.BlobResourceContents) -> str:
    if isinstance(resource, types.TextResourceContents):
        return f"[resource {resource.uri}]\n{resource.text}"
    kind = resource.mime_type or "unknown type"
    return f"[resource {resource.uri} of {kind}, about {len(resource.blob) * 3 // 4} bytes: not shown]"


class Readable:
    """The stream of a server's messages, in which its answers are `readable`."""

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

    async def __aexit__(self, *failure: Any) -> bool | None:  # noqa: PYI036 - handed on
        return await self._stream.__aexit__(*failure)


def _readable(item: SessionMessage | Exception) -> SessionMessage | Exception:
    if isinstance(item, SessionMessage) and isinstance(item.message, types.JSONRPCResponse):
        item.message.result = readable(item.message.result)
    return item


def readable(result: JSON) -> JSON:
    """A list of tools without promises of what they give, and without what cannot be read of each; a tool's result of texts alone,
    its structure an object."""
    if isinstance(tools := result.get("tools"), list):
        return {**result, "tools": [_tool(one) for one in tools]}
    if isinstance(result.get("content"), list):
        result = {**result, "content": [_text_block(one) for one in result["content"]]}
    if "structuredContent" in result:
        result = {"content": [], **result, "structuredContent": _object(result["structuredContent"])}
    return result


def _tool(given: Any) -> JSON:
    """One that names no arguments takes none; what else the SDK does not read is left out."""
    tool = {**given, "outputSchema": None} if isinstance(given, dict) else {}
    if tool.get("inputSchema") is None:
        tool["inputSchema"] = {"type": "object"}
    wrong = _unreadable(tool)
    tool = {key: value for key, value in tool.items() if key not in wrong}
    if needed := sorted(wrong & {"name", "inputSchema"}):
        why = f"its {' and its '.join(needed)} cannot be read"
        return {"name": "?", "inputSchema": {"type": "object"}, **tool, "_meta": {UNREADABLE: why}}
    return tool


def _unreadable(tool: JSON) -> set[Any]:
    try:
        types.Tool.model_validate(tool)
    except ValidationError as error:
        return {one["loc"][0] for one in error.errors(include_url=False, include_input=False)}
    return set()


def _text_block(block: Any) -> Any:
    try:
        known = _BLOCK.validate_python(block)
    except ValidationError:
        kind = block.get("type") if isinstance(block, dict) else None
        return {"type": "text", "text": f"[a block of kind {str(kind)[:64]!r}: not shown]"}
    return block if isinstance(known, types.TextContent) else {"type": "text", "text": text_of_block(known)}


def _object(structure: Any) -> JSON | None:
    return structure if structure is None or isinstance(structure, dict) else {"result": structure}
