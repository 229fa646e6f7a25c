"""The rules that the Responses API and Chat Completions share, in OpenAI's own words where they are known.

Sources: the API's reference and the SDK's types; for the wording, reports of refusals.
"""

import re
from collections.abc import Iterable
from typing import Any

from tests.fakes import file_rules, schema_rules
from tests.fakes.openai_script import JSON, RefusedError
from tests.fakes.schema_rules import Fault

MAX_CALL_ID_CHARS = 64
_REFUSED = {
    Fault.ARRAY_WITHOUT_ITEMS: "array schema missing items.",
    Fault.ITEMS_NO_SCHEMA: "items is not of type 'object', 'boolean'.",
    Fault.CHOICE_AT_THE_TOP: "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the "
    "top level.",
    Fault.NO_TYPE_OF_JSON: "type is not valid under any of the given schemas.",
    Fault.PATTERN: "'^\\p{L}+$' is not a 'regex'.",
    Fault.SIZE: "number of repetitions exceeds sane defaults.",
    Fault.BOUND: "True is not of type 'number'.",
    Fault.REFERENCE: "reference can only point to definitions defined at the top level of the schema.",
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def known(value: Any, fields: Iterable[str], where: str) -> None:
    """An object with no field but the known ones."""
    if not isinstance(value, dict):
        raise RefusedError(f"Invalid type for '{where}': expected an object.", code="invalid_type")
    for name in value:
        if name not in fields:
            path = f"{where}.{name}" if where else name
            raise RefusedError(f"Unknown parameter: '{path}'.", param=path, code="unknown_parameter")


def required(value: JSON, names: Iterable[str], where: str) -> None:
    for name in names:
        if value.get(name) is None:
            path = f"{where}.{name}" if where else name
            raise RefusedError(
                f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter"
            )


def text(value: Any, where: str) -> None:
    """A string that is not empty."""
    if not isinstance(value, str):
        raise RefusedError(
            f"Invalid type for '{where}': expected a string.", param=where, code="invalid_type"
        )
    if not value:
        raise RefusedError(
            f"Invalid '{where}': empty string. Expected a string with minimum length 1, but got an empty string "
            "instead.",
            param=where,
            code="empty_string",
        )


def name(value: Any, where: str) -> None:
    text(value, where)
    if not _NAME.fullmatch(value):
        raise RefusedError(
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            param=where,
            code="invalid_value",
        )


def call_id(value: Any, where: str) -> None:
    text(value, where)
    if len(value) > MAX_CALL_ID_CHARS:
        raise RefusedError(
            f"Invalid '{where}': string too long. Expected a string with maximum length {MAX_CALL_ID_CHARS}, but got a "
            f"string with length {len(value)} instead.",
            param=where,
            code="string_above_max_length",
        )


def one_of(value: Any, allowed: Iterable[Any], where: str) -> None:
    if value not in allowed:
        listed = ", ".join(f"'{one}'" for one in allowed)
        raise RefusedError(
            f"Invalid value: '{value}'. Supported values are: {listed}.", param=where, code="invalid_value"
        )


def model(value: Any) -> None:
    text(value, "model")
    if value.startswith("no-such"):
        raise RefusedError(
            f"The model `{value}` does not exist or you do not have access to it.",
            code="model_not_found",
            status=404,
        )


def function(value: JSON, where: str) -> str:
    """The name of a function's declaration."""
    required(value, ["name"], where)
    name(value["name"], f"{where}.name")
    schema = value.get("parameters", {"type": "object"})
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise RefusedError(
            f"Invalid schema for function '{value['name']}': schema must be a JSON Schema of 'type: \"object\"'.",
            param=f"{where}.parameters",
            code="invalid_function_parameters",
        )
    for path, what in schema_rules.faults(schema):
        if what in _REFUSED:
            raise RefusedError(
                f"Invalid schema for function '{value['name']}': In context={path}, {_REFUSED[what]}",
                param=f"{where}.parameters",
                code="invalid_function_parameters",
            )
    if value.get("strict") and schema.get("additionalProperties") is not False:
        raise RefusedError(
            f"Invalid schema for function '{value['name']}': In context=(), 'additionalProperties' is required to be "
            "supplied and to be false.",
            param=f"{where}.parameters",
            code="invalid_function_parameters",
        )
    return str(value["name"])


def limit(value: Any, where: str, minimum: int) -> None:
    if value is not None and (not isinstance(value, int) or value < minimum):
        raise RefusedError(
            f"Invalid '{where}': integer below minimum value. Expected a value >= {minimum}, but got {value} instead.",
            param=where,
            code="integer_below_min_value",
        )


def answer_format(value: JSON, where: str) -> None:
    """A format of type json_schema, strict."""
    required(value, ["name", "schema"], where)
    name(value["name"], f"{where}.name")
    for fault in schema_rules.answer_faults(value["schema"]):
        raise RefusedError(
            f"Invalid schema for response_format '{value['name']}': In context=(), {fault}.",
            param=where,
            code="invalid_json_schema",
        )


MAX_FILE_CHARS = 50 * 1024 * 1024


def picture(url: Any, where: str, allowed: Iterable[str] = file_rules.PICTURES) -> None:
    """A data URL of a picture."""
    if fault := file_rules.data_url_fault(url, tuple(allowed), most_chars=MAX_FILE_CHARS):
        raise RefusedError(f"Invalid '{where}'. {fault}.", param=where, code="invalid_value")


def pdf(value: JSON, where: str) -> None:
    """``filename`` and ``file_data``."""
    text(value.get("filename"), f"{where}.filename")
    if fault := file_rules.data_url_fault(
        value.get("file_data"), (file_rules.PDF,), most_chars=MAX_FILE_CHARS
    ):
        raise RefusedError(f"Invalid '{where}.file_data'. {fault}.", param=where, code="invalid_value")
