"""The rules by which the Responses API refuses a request.

Stricter than the real one in three points: no message may be empty, reasoning goes to the model that gave it only, and a
call that this server gave after reasoning must come back behind it, unless the request is without any.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tests.fakes import openai_rules as rules
from tests.fakes.openai_reasoning import is_encrypted_for, reasoning_id_of
from tests.fakes.openai_script import JSON, RefusedError

_BODY = {
    "model",
    "input",
    "stream",
    "store",
    "include",
    "instructions",
    "max_output_tokens",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "metadata",
    "reasoning",
    "temperature",
    "top_p",
    "text",
    "truncation",
    "prompt_cache_key",
    "safety_identifier",
    "stream_options",
    "service_tier",
}
_TOOL = {"type", "name", "description", "parameters", "strict"}
_ITEMS: dict[str, set[str]] = {
    "message": {"type", "id", "role", "content", "phase", "status"},
    "function_call": {"type", "id", "call_id", "name", "arguments", "status"},
    "function_call_output": {"type", "id", "call_id", "output", "status"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content"},
}
_ROLES = ("user", "assistant", "system", "developer")


def reasons(model: str) -> bool:
    return not model.startswith("gpt-4")


def check_request(body: Any) -> None:
    """Raises `RefusedError`."""
    rules.known(body, _BODY, "")
    rules.required(body, ["model", "input"], "")
    rules.model(body["model"])
    if body.get("stream") is not True:
        raise RefusedError("This fake streams only.")
    rules.limit(body.get("max_output_tokens"), "max_output_tokens", 16)
    if "instructions" in body:
        rules.text(body["instructions"], "instructions")
    _check_include(body)
    names = _check_tools(body.get("tools", []))
    _check_tool_choice(body, names)
    rules.known(body.get("text", {}), {"format", "verbosity"}, "text")
    if "format" in body.get("text", {}):
        rules.known(
            body["text"]["format"], {"type", "name", "schema", "strict", "description"}, "text.format"
        )
        rules.one_of(body["text"]["format"].get("type"), ("json_schema",), "text.format.type")
        rules.answer_format(body["text"]["format"], "text.format")
    _check_input(body)


def _check_include(body: JSON) -> None:
    for index, wish in enumerate(body.get("include", [])):
        rules.one_of(wish, ("reasoning.encrypted_content",), f"include[{index}]")
        if not reasons(body["model"]):
            raise RefusedError("Encrypted content is not supported with this model.", param="include")


def _check_tools(tools: Any) -> list[str]:
    names: list[str] = []
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        rules.known(tool, _TOOL, where)
        rules.one_of(tool.get("type"), ("function",), f"{where}.type")
        names.append(rules.function(tool, where))
    if len(names) != len(set(names)):
        raise RefusedError("Tool names must be unique.", param="tools", code="invalid_value")
    return names


def _check_tool_choice(body: JSON, names: Sequence[str]) -> None:
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, str):
        rules.one_of(choice, ("none", "auto", "required"), "tool_choice")
    else:
        rules.known(choice, {"type", "name"}, "tool_choice")
        rules.required(choice, ["type", "name"], "tool_choice")
    if isinstance(choice, str) and choice != "required":
        return
    if choice == "required" and not names:
        raise RefusedError("Tool choice 'required' must be specified with 'tools' parameter.")
    if choice != "required" and choice["name"] not in names:
        raise RefusedError("Tool choice 'function' not found in 'tools' parameter.", param="tool_choice")


def _check_input(body: JSON) -> None:
    items = body["input"]
    if not isinstance(items, list) or not items:
        raise RefusedError(
            "Invalid 'input': empty array. Expected an array with minimum length 1.", param="input"
        )
    for index, item in enumerate(items):
        _check_item(item, body, f"input[{index}]")
    _check_outputs(items)
    _check_reasoning(items, body["model"])


def _check_item(item: Any, body: JSON, where: str) -> None:
    kind = item.get("type", "message") if isinstance(item, dict) else "message"
    rules.one_of(kind, tuple(_ITEMS), f"{where}.type")
    rules.known(item, _ITEMS[kind], where)
    match kind:
        case "message":
            rules.one_of(item.get("role"), _ROLES, f"{where}.role")
            _check_content(item, f"{where}.content")
            if "phase" in item and item["role"] != "assistant":
                raise RefusedError(f"Unknown parameter: '{where}.phase'.", code="unknown_parameter")
        case "function_call":
            rules.required(item, ["call_id", "name", "arguments"], where)
            rules.call_id(item["call_id"], f"{where}.call_id")
            rules.name(item["name"], f"{where}.name")
            rules.text(item["arguments"], f"{where}.arguments")
        case "function_call_output":
            rules.required(item, ["call_id", "output"], where)
            rules.call_id(item["call_id"], f"{where}.call_id")
        case _:
            _check_reasoning_item(item, body, where)


_PARTS = {
    "input_text": {"type", "text"},
    "input_image": {"type", "image_url", "detail"},
    "input_file": {"type", "filename", "file_data"},
}


def _check_content(item: JSON, where: str) -> None:
    content = item.get("content")
    if not isinstance(content, list):
        rules.text(content, where)
        return
    if item["role"] == "assistant" or not content:
        raise RefusedError(f"Invalid value: '{where}'.", param=where, code="invalid_value")
    for index, part in enumerate(content):
        at = f"{where}[{index}]"
        rules.one_of(part.get("type"), tuple(_PARTS), f"{at}.type")
        rules.known(part, _PARTS[part["type"]], at)
        match part["type"]:
            case "input_text":
                rules.text(part.get("text"), f"{at}.text")
            case "input_image":
                rules.one_of(part.get("detail"), ("low", "high", "auto", "original"), f"{at}.detail")
                rules.picture(part.get("image_url"), f"{at}.image_url")
            case _:
                rules.pdf(part, at)


def _check_reasoning_item(item: JSON, body: JSON, where: str) -> None:
    rules.required(item, ["id", "summary"], where)
    if not item.get("encrypted_content"):
        raise RefusedError(
            f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false. Try again with "
            "`store` set to true, or remove this item from your input.",
            param="input",
            status=404,
        )
    if not is_encrypted_for(item, body["model"]):
        shown = f"{item['encrypted_content'][:4]}...{item['encrypted_content'][-4:]}"
        raise RefusedError(
            f"The encrypted content {shown} could not be verified.", code="invalid_encrypted_content"
        )


def _check_outputs(items: Sequence[JSON]) -> None:
    calls: list[str] = []
    answered: list[str] = []
    for item in items:
        if item.get("type") == "function_call":
            calls.append(item["call_id"])
        elif item.get("type") == "function_call_output":
            if item["call_id"] not in calls or item["call_id"] in answered:
                raise RefusedError(
                    f"No tool call found for function call output with call_id {item['call_id']}.",
                    param="input",
                )
            answered.append(item["call_id"])
    for call_id in calls:
        if call_id not in answered:
            raise RefusedError(f"No tool output found for function call {call_id}.", param="input")


def _check_reasoning(items: Sequence[JSON], model: str) -> None:
    given = {item["id"] for item in items if item.get("type") == "reasoning"}
    for item, following in pairwise([*items, {}]):
        if item.get("type") == "reasoning" and not _is_of_model(following):
            raise RefusedError(
                f"Item '{item['id']}' of type 'reasoning' was provided without its required following item.",
                param="input",
            )
        wanted = (
            reasoning_id_of(item.get("call_id", ""), model) if item.get("type") == "function_call" else None
        )
        if wanted and given and wanted not in given:
            raise RefusedError(
                f"Item '{item['call_id']}' of type 'function_call' was provided without its required 'reasoning' item: "
                f"'{wanted}'.",
                param="input",
            )


def _is_of_model(item: JSON) -> bool:
    return item.get("type") in {"function_call", "reasoning"} or item.get("role") == "assistant"
