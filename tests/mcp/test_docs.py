"""docs/mcp.md tells what is."""

import json
import re

import msgspec

from chat.llm import schemas
from chat.tools.mcp import config, connection, leash, transports
from chat.tools.mcp.config import McpServer, read_servers
from chat.tools.mcp.offers import MAX_TOOLS
from realtime_ai.env import BASE_DIR

PAGE = (BASE_DIR / "docs" / "mcp.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, list[str]]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")][2:]
    return {row[0].replace("`", ""): row[1:] for row in rows}


def test_the_example_is_valid() -> None:
    example = json.loads(re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0])
    servers, problems = read_servers(example, {"ISSUES_TOKEN": "t"})
    assert problems == []
    assert [server.name for server in servers] == ["files", "issues"]


def test_the_table_of_fields_is_the_structs() -> None:
    named = {name.strip() for cell in table("Name the servers") for name in cell.split(",")}
    assert named == {*McpServer.__struct_fields__} - {"name"}
    defaults = {cell: row[0].strip("`") for cell, row in table("Name the servers").items()}
    assert defaults["timeout_s"] == f"{config.DEFAULT_SECONDS:g}"
    assert defaults["max_concurrent"] == str(config.DEFAULT_CONCURRENT)
    assert msgspec.convert({}, McpServer).requires_approval is None


def test_the_figures_are_those_of_the_code() -> None:
    wanted = [
        f"more than {leash.MAX_LINE_BYTES >> 20} MiB",
        f"more than {leash.LINES_PER_SECOND:g} messages or {int(leash.BYTES_PER_SECOND) >> 20} MB a second",
        f"burst of {leash.BURST_SECONDS:g} seconds",
        f"{leash.LAST_SECONDS:g} seconds\nlater the leash kills",
        f"{int(transports.STDERR_BYTES_PER_SECOND) >> 20} MB a second wait",
        f"at last every {connection.LAST_RETRY_SECONDS:g}.",
        f"every {connection.CHECK_SECONDS:g} seconds",
        f"up to {connection.WAIT_SECONDS:g} seconds",
        f"more than {schemas.MAX_SCHEMA_CHARS:,} characters",
    ]
    assert [words for words in wanted if words not in PAGE] == []
    assert (leash.MAX_LINE_BYTES, MAX_TOOLS) == (transports.MAX_BODY_BYTES, 100)
