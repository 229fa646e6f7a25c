"""What an MCP tool gave, as the text that the model reads."""

import json
from typing import Any

import mcp_types as types

from chat.errors import ToolError


def text_of(result: types.CallToolResult) -> str:
    """Raises `ToolError` with the same text for a result that is an error."""
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
