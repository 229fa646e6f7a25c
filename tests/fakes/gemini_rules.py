"""The rules by which the Gemini API refuses a request's fields, in its own words where they are known.

Sources: the API's reference, and for the wording reports of refusals. `gemini_turns` has the rules across contents.
"""

import re
from collections.abc import Sequence
from typing import Any

from tests.fakes import file_rules, schema_rules
from tests.fakes.gemini_refusals import refuse
from tests.fakes.gemini_script import JSON
from tests.fakes.gemini_turns import check_turns
from tests.fakes.schema_rules import Fault

_FIELDS = {
    "": {
        "model",
        "contents",
        "systemInstruction",
        "generationConfig",
        "tools",
        "toolConfig",
        "safetySettings",
    },
    "content": {"role", "parts"},
    "part": {"text", "thought", "thoughtSignature", "functionCall", "functionResponse", "inlineData"},
    "inline_data": {"mimeType", "data"},
    "function_call": {"id", "name", "args"},
    "function_response": {"id", "name", "response"},
    "generation_config": {
        "maxOutputTokens",
        "temperature",
        "topP",
        "topK",
        "stopSequences",
        "thinkingConfig",
        "responseMimeType",
        "responseJsonSchema",
    },
    "tool": {"functionDeclarations"},
    "declaration": {"name", "description", "parameters", "parametersJsonSchema"},
    "tool_config": {"functionCallingConfig"},
    "calling_config": {"mode", "allowedFunctionNames"},
}
_REFUSED = {
    Fault.ARRAY_WITHOUT_ITEMS: "missing field: items.",
    Fault.ITEMS_NO_SCHEMA: "items: Proto field is not repeating, cannot start list.",
    Fault.REQUIRED_UNKNOWN: "required: property is not defined",
    Fault.REFERENCE: "$ref: reference to an undefined schema",
    Fault.EMPTY_ENUM: "enum: cannot be empty",
}
_DATA = ("text", "functionCall", "functionResponse", "inlineData")
MAX_INLINE_CHARS = 20 * 1024 * 1024
"""Of a request, all of it."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")


def check_request(body: Any) -> None:
    """Raises `Refused`."""
    _known(body, "", "")
    _check_config(body.get("generationConfig", {}))
    declared = _check_tools(body.get("tools", []))
    _check_tool_config(body.get("toolConfig", {}), declared)
    _check_instruction(body.get("systemInstruction"))
    _check_contents(body.get("contents"))


def _known(value: Any, kind: str, where: str) -> None:
    """An object with no field but the known ones.

    As in every parser of protobuf's JSON a field may also be given by its name in snake case; it is renamed here.
    """
    at = f" at '{where}'" if where else ""
    if not isinstance(value, dict):
        raise refuse(f"Invalid value{at}, {value!r}")
    for given in list(value):
        name = re.sub(r"_([a-z])", lambda found: found[1].upper(), given)
        if name not in _FIELDS[kind]:
            raise refuse(f'Invalid JSON payload received. Unknown name "{given}"{at}: Cannot find field.')
        value[name] = value.pop(given)


def _check_config(config: Any) -> None:
    _known(config, "generation_config", "generation_config")
    limit = config.get("maxOutputTokens", 1)
    if not isinstance(limit, int) or not 1 <= limit <= 65_536:
        raise refuse(
            f"Unable to submit request because it has a maxOutputTokens value of {limit} but the supported "
            "range is from 1 (inclusive) to 65537 (exclusive). Update the value and try again."
        )
    _check_answer(config)


def _check_answer(config: JSON) -> None:
    schema, kind = config.get("responseJsonSchema"), config.get("responseMimeType", "text/plain")
    if kind not in {"text/plain", "application/json"}:
        raise refuse(
            "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are ..."
        )
    if schema is None:
        return
    if kind != "application/json":
        raise refuse(
            "* GenerateContentRequest.generation_config.response_json_schema: only allowed when the response mime type "
            "is application/json\n"
        )
    for fault in schema_rules.answer_faults(schema):
        raise refuse(f"* GenerateContentRequest.generation_config.response_json_schema{fault}\n")


def _check_tools(tools: Any) -> list[str]:
    names: list[str] = []
    for t, tool in enumerate(tools):
        _known(tool, "tool", f"tools[{t}]")
        for d, declaration in enumerate(tool.get("functionDeclarations", [])):
            where = f"tools[{t}].function_declarations[{d}]"
            _known(declaration, "declaration", where)
            _check_declaration(declaration, where)
            names.append(declaration["name"])
    if len(names) != len(set(names)):
        raise refuse(f"Duplicate function declaration found: {max(names, key=names.count)}")
    return names


def _check_declaration(declaration: JSON, where: str) -> None:
    if not _NAME.fullmatch(str(declaration.get("name", ""))):
        raise refuse(
            f"* GenerateContentRequest.{where}.name: [Invalid function name. Must start with a letter or an "
            "underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes "
            "(-), with a maximum length of 64.]\n"
        )
    schema = declaration.get("parametersJsonSchema", declaration.get("parameters"))
    if schema is not None and (not isinstance(schema, dict) or schema.get("type") != "object"):
        raise refuse(f"* GenerateContentRequest.{where}.parameters: only allowed for OBJECT type\n")
    if schema is not None and not schema.get("properties"):
        raise refuse(
            f"* GenerateContentRequest.{where}.parameters.properties: should be non-empty for OBJECT type\n"
        )
    for path, what in schema_rules.faults(schema or {}):
        at = "".join(f".{step}" for step in path)
        if what in _REFUSED:
            raise refuse(f"* GenerateContentRequest.{where}.parameters{at}: {_REFUSED[what]}\n")


def _check_tool_config(config: Any, declared: Sequence[str]) -> None:
    _known(config, "tool_config", "tool_config")
    calling = config.get("functionCallingConfig", {})
    _known(calling, "calling_config", "tool_config.function_calling_config")
    mode, allowed = calling.get("mode", "AUTO"), calling.get("allowedFunctionNames", [])
    if mode not in {"AUTO", "ANY", "NONE", "VALIDATED"}:
        raise refuse(f"Invalid value at 'tool_config.function_calling_config.mode', \"{mode}\"")
    if mode == "ANY" and not declared:
        raise refuse("Function calling config is set without function_declarations.")
    if allowed and mode not in {"ANY", "VALIDATED"}:
        raise refuse("Please set allowed_function_names only when function calling mode is ANY.")
    for name in allowed:
        if name not in declared:
            raise refuse(f"The allowed function name `{name}` is not in the function declarations.")


def _check_instruction(instruction: Any) -> None:
    if instruction is None:
        return
    _known(instruction, "content", "system_instruction")
    parts = instruction.get("parts", [])
    if not parts or not all(set(part) == {"text"} and part["text"] for part in parts):
        raise refuse("Please use text parts only in system_instruction.")


def _check_contents(contents: Any) -> None:
    if not contents:
        raise refuse("* GenerateContentRequest.contents: contents is not specified\n")
    for index, content in enumerate(contents):
        where = f"contents[{index}]"
        _known(content, "content", where)
        if content.get("role") not in {"user", "model"}:
            raise refuse("Please use a valid role: user, model.")
        if not content.get("parts"):
            raise refuse(f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n")
        for number, part in enumerate(content["parts"]):
            _check_part(part, content["role"], f"{where}.parts[{number}]")
    check_turns(contents)


def _check_part(part: Any, role: str, where: str) -> None:
    _known(part, "part", where)
    given = [name for name in _DATA if name in part]
    empty = given == ["text"] and not part["text"] and "thoughtSignature" not in part
    if len(given) != 1 or empty:
        raise refuse(
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized "
            "field\n"
        )
    if "text" in part and not isinstance(part["text"], str):
        raise refuse(f"Invalid value at '{where}.text' (TYPE_STRING), {part['text']!r}")
    if "functionCall" in part:
        _check_function(part["functionCall"], "function_call", "args", where)
    if "functionResponse" in part:
        _check_function(part["functionResponse"], "function_response", "response", where)
    if "inlineData" in part:
        _check_inline(part["inlineData"], f"{where}.inline_data")
    if ("functionCall" in part) != (role == "model") and "text" not in part:
        raise refuse(
            "Please ensure that function call parts have role model and function response parts role user."
        )


def _check_inline(blob: Any, where: str) -> None:
    _known(blob, "inline_data", where)
    allowed = (*file_rules.STILL, file_rules.PDF)
    if fault := file_rules.fault(
        blob.get("mimeType"), blob.get("data"), allowed, most_chars=MAX_INLINE_CHARS
    ):
        raise refuse(f"Unable to process input image: {where}: {fault}")


def _check_function(value: Any, kind: str, struct: str, where: str) -> None:
    _known(value, kind, f"{where}.{kind}")
    if not value.get("name"):
        raise refuse(f"* GenerateContentRequest.{where}.{kind}.name: Name cannot be empty.\n")
    if not _NAME.fullmatch(str(value["name"])):
        raise refuse(f"* GenerateContentRequest.{where}.{kind}.name: Invalid function name.\n")
    if not isinstance(value.get(struct, {}), dict):
        raise refuse(
            f"Invalid value at '{where}.{kind}.{struct}' (type.googleapis.com/google.protobuf.Struct), "
            f"{value[struct]!r}"
        )
    if struct == "response" and "response" not in value:
        raise refuse(f"* GenerateContentRequest.{where}.function_response.response: must not be empty.\n")
    if struct == "response" and (name := _reference_in(value["response"])):
        raise refuse(
            f"The referenced name `{name}` in function_response.response does not match to a display_name in the "
            "function_response.parts."
        )


def _reference_in(value: Any) -> str:
    """What a key ``$ref`` at any depth says: the name of a picture that comes along, which nobody here sends."""
    if isinstance(value, dict) and "$ref" in value:
        return str(value["$ref"])
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_reference_in, children)), "")
