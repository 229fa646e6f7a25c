"""What an MCP tool gave, as text."""

from typing import Any

import mcp_types as types
import pytest

from chat.errors import ToolError
from chat.tools.mcp.results import text_of


def result(*texts: str, **more: Any) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text) for text in texts], **more)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (result("one", "two"), "one\ntwo"),
        (result(), "Done. The tool gave no result."),
        (result('{"a": 1}', structured_content={"a": 1}), '{"a": 1}'),
        (result("5", structured_content={"result": 5}), "5"),
        (result("five", structured_content={"result": "five"}), "five"),
        (result("a", "b", structured_content={"result": ["a", "b"]}), "a\nb"),
        (result("5 degrees", structured_content={"degrees": 5}), '5 degrees\n{"degrees":5}'),
        (result(structured_content={"grün": [1]}), '{"grün":[1]}'),
    ],
)
def test_text_and_structure_are_said_once(given: types.CallToolResult, text: str) -> None:
    assert text_of(given) == text


def test_bytes_are_noted_not_shown() -> None:
    blob = types.BlobResourceContents(uri="notes://1", blob="QUJD" * 100, mime_type="application/pdf")
    content: list[Any] = [
        types.AudioContent(type="audio", data="QUJD", mime_type="audio/mpeg"),
        types.EmbeddedResource(type="resource", resource=blob),
    ]
    text = text_of(types.CallToolResult(content=content))
    assert "[audio of type audio/mpeg, about 3 bytes: not shown]" in text
    assert "[resource notes://1 of application/pdf, about 300 bytes: not shown]" in text
    assert "QUJD" not in text


def test_an_error_is_raised_with_its_text() -> None:
    with pytest.raises(ToolError, match=r"^locked$"):
        text_of(result("locked", is_error=True))
    with pytest.raises(ToolError, match="without saying why"):
        text_of(result(is_error=True))
