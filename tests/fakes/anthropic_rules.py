"""The rules by which the Messages API refuses a request's fields, in its own words where they are known.

Sources: the API's reference (version 2026-10-21), and for the wording reports of refusals. `anthropic_turns` has the rules
across messages.
"""

import re
from collections.abc import Iterator
from typing import Any

from tests.fakes import file_rules, schema_rules
from tests.fakes.anthropic_refusals import check_model, refuse
from tests.fakes.anthropic_script import JSON
from tests.fakes.schema_rules import Fault

MAX_OUTPUT_TOKENS = 128_000
MAX_BREAKPOINTS = 4

_FIELDS = {
    "": {
        "model",
        "messages",
        "max_tokens",
        "system",
        "tools",
        "tool_choice",
        "stream",
        "thinking",
        "cache_control",
        "metadata",
        "stop_sequences",
        "output_config",
        "service_tier",
    },
    "message": {"role", "content"},
    "text": {"type", "text", "cache_control", "citations"},
    "image": {"type", "source", "cache_control"},
    "document": {"type", "source", "title", "context", "cache_control", "citations"},
    "source": {"type", "media_type", "data"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
    "tool": {"type", "name", "description", "input_schema", "cache_control", "strict"},
    "tool_choice": {"type", "name", "disable_parallel_tool_use"},
    "cache_control": {"type", "ttl"},
    "output_config": {"effort", "format"},
    "format": {"type", "schema"},
}
_ROLES_OF = {
    "text": {"user", "assistant"},
    "image": {"user"},
    "document": {"user"},
    "thinking": {"assistant"},
    "redacted_thinking": {"assistant"},
    "tool_use": {"assistant"},
    "tool_result": {"user"},
}
_REFUSED = {
    Fault.CHOICE_AT_THE_TOP: "input_schema does not support oneOf, allOf, or anyOf at the top level",
    Fault.PROPERTY_NAME: "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'",
    Fault.NO_TYPE_OF_JSON: "JSON schema is invalid. It must match JSON Schema draft 2020-12",
    Fault.BOUND: "JSON schema is invalid. It must match JSON Schema draft 2020-12",
    Fault.ITEMS_NO_SCHEMA: "JSON schema is invalid. It must match JSON Schema draft 2020-12",
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")


def check_request(body: Any) -> None:
    """The fields; raises `RefusedError`."""
    _known(body, "", "")
    check_model(body.get("model"))
    _check_limit(body)
    _check_system(body.get("system", []))
    names = _check_tools(body.get("tools", []))
    _check_choice(body.get("tool_choice"), names)
    _check_output(body.get("output_config", {}))
    _check_messages(body.get("messages"))
    _check_breakpoints(body)


def _known(value: Any, kind: str, where: str) -> None:
    """An object with no field but the known ones."""
    if not isinstance(value, dict):
        raise refuse(f"{where}: Input should be a valid dictionary")
    for name in value:
        if name not in _FIELDS[kind]:
            raise refuse(f"{where}.{name}".lstrip(".") + ": Extra inputs are not permitted")


def _check_limit(body: JSON) -> None:
    if "max_tokens" not in body:
        raise refuse("max_tokens: Field required")
    limit = body["max_tokens"]
    if not isinstance(limit, int) or limit < 1:
        raise refuse("max_tokens: Input should be greater than or equal to 1")
    if limit > MAX_OUTPUT_TOKENS:
        raise refuse(
            f"max_tokens: {limit} > {MAX_OUTPUT_TOKENS}, which is the maximum allowed number of output tokens for "
            f"{body['model']}"
        )


def _check_output(config: Any) -> None:
    _known(config, "output_config", "output_config")
    if "format" not in config:
        return
    _known(config["format"], "format", "output_config.format")
    if config["format"].get("type") != "json_schema":
        raise refuse("output_config.format.type: Input should be 'json_schema'")
    for fault in schema_rules.answer_faults(config["format"].get("schema")):
        raise refuse(f"output_config.format.schema: {fault}")


def _check_system(system: Any) -> None:
    for index, block in enumerate([{"type": "text", "text": system}] if isinstance(system, str) else system):
        if not isinstance(block, dict) or block.get("type") != "text":
            raise refuse(f"system.{index}.type: Input should be 'text'")
        _known(block, "text", f"system.{index}")
        _check_text(block, "system", f"system.{index}")


def _check_tools(tools: list[Any]) -> list[str]:
    for index, tool in enumerate(tools):
        where = f"tools.{index}.custom"
        _known(tool, "tool", where)
        if not _NAME.fullmatch(str(tool.get("name", ""))):
            raise refuse(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if "input_schema" not in tool:
            raise refuse(f"{where}.input_schema: Field required")
        if tool["input_schema"].get("type") != "object":
            raise refuse(f"{where}.input_schema.type: Input should be 'object'")
        for _, what in schema_rules.faults(tool["input_schema"]):
            if what in _REFUSED:
                raise refuse(f"{where}.input_schema: {_REFUSED[what]}")
    names = [tool["name"] for tool in tools]
    if len(names) != len(set(names)):
        raise refuse("tools: Tool names must be unique.")
    return names


def _check_choice(choice: Any, names: list[str]) -> None:
    if choice is None:
        return
    if not names:
        raise refuse("tool_choice: tool_choice may only be specified while providing tools.")
    _known(choice, "tool_choice", "tool_choice")
    kind = choice.get("type")
    if kind not in {"auto", "any", "tool", "none"}:
        raise refuse(
            f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'auto', "
            "'any', 'tool', 'none'"
        )
    if (kind == "tool") != ("name" in choice):
        raise refuse(f"tool_choice.{kind}.name: " + ("Field required" if kind == "tool" else "Extra inputs"))
    if kind == "tool" and choice["name"] not in names:
        raise refuse(f"Tool '{choice['name']}' not found in provided tools")


def _check_messages(messages: Any) -> None:
    if not messages:
        raise refuse("messages: at least one message is required")
    for index, message in enumerate(messages):
        _known(message, "message", f"messages.{index}")
        role = message.get("role")
        if role == "system":
            raise refuse(f"messages.{index}: role 'system' is not supported on this model")
        if role not in {"user", "assistant"}:
            raise refuse(f'messages: Unexpected role "{role}". Allowed roles are "user" or "assistant".')
        for number, block in enumerate(blocks_of(message)):
            _check_block(block, role, f"messages.{index}.content.{number}")
        if not message.get("content"):
            raise refuse(f"messages.{index}: all messages must have non-empty content")


def blocks_of(message: JSON) -> list[Any]:
    """A string is short for one text."""
    content = message.get("content", [])
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _check_block(block: Any, role: str, where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in _ROLES_OF:
        raise refuse(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )
    _known(block, kind, f"{where}.{kind}")
    if role not in _ROLES_OF[kind]:
        raise refuse(f"{where}: `{kind}` blocks can only be in `{next(iter(_ROLES_OF[kind]))}` messages")
    if kind == "text":
        _check_text(block, "messages", where)
    elif kind in _SOURCES:
        _check_source(block.get("source"), kind, f"{where}.{kind}.source")
    elif kind == "tool_use":
        _check_use(block, f"{where}.tool_use")
    elif kind == "tool_result":
        _check_result(block, f"{where}.tool_result")


def _check_text(block: JSON, what: str, where: str) -> None:
    if not isinstance(block.get("text"), str):
        raise refuse(f"{where}.text.text: Input should be a valid string")
    if not block["text"]:
        raise refuse(f"{what}: text content blocks must be non-empty")
    if not block["text"].strip():
        raise refuse(f"{what}: text content blocks must contain non-whitespace text")


_SOURCES = {"image": file_rules.PICTURES, "document": (file_rules.PDF,)}
MAX_IMAGE_CHARS = 5 * 1024 * 1024
MAX_REQUEST_CHARS = 32 * 1024 * 1024


def _check_source(source: Any, kind: str, where: str) -> None:
    _known(source, "source", where)
    if source.get("type") != "base64":
        raise refuse(f"{where}.type: Input should be 'base64'")
    most = MAX_IMAGE_CHARS if kind == "image" else MAX_REQUEST_CHARS
    fault = file_rules.fault(source.get("media_type"), source.get("data"), _SOURCES[kind], most_chars=most)
    if fault:
        raise refuse(f"{where}.base64: {fault}")


def _check_use(block: JSON, where: str) -> None:
    if not _ID.fullmatch(str(block.get("id", ""))):
        raise refuse(f"{where}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not _NAME.fullmatch(str(block.get("name", ""))):
        raise refuse(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if not isinstance(block.get("input"), dict):
        raise refuse(f"{where}.input: Input should be a valid dictionary")


def _check_result(block: JSON, where: str) -> None:
    content = block.get("content", "")
    if not isinstance(content, str | list):
        raise refuse(f"{where}.content: Input should be a valid string or list")
    if isinstance(content, list):
        for one in content:
            _check_text(one, "messages", where)
    if block.get("is_error") and not content:
        raise refuse(f"{where}: content cannot be empty if `is_error` is true")


def _check_breakpoints(body: JSON) -> None:
    marks = [node["cache_control"] for node in _nodes(body) if "cache_control" in node]
    for mark in marks:
        _known(mark, "cache_control", "cache_control")
        if mark.get("type") != "ephemeral":
            raise refuse("cache_control.type: Input should be 'ephemeral'")
    if len(marks) > MAX_BREAKPOINTS:
        raise refuse(
            f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {len(marks)}."
        )


def _nodes(body: JSON) -> Iterator[JSON]:
    yield body
    for block in body.get("system", []):
        if isinstance(block, dict):
            yield block
    yield from body.get("tools", [])
    for message in body["messages"]:
        yield from blocks_of(message)
