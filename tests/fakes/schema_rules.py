"""What one vendor or another refuses in the JSON Schema of a function's parameters; each fake says which of it is its own.

Sources: the vendors' guides to function calling, and for what they do not tell, reports of refusals.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

Path = tuple[str, ...]


class Fault(Enum):
    ARRAY_WITHOUT_ITEMS = "an array that does not say what is in it"
    ITEMS_NO_SCHEMA = "items that are a list, or true, or false"
    CHOICE_AT_THE_TOP = "a choice at the top level"
    PROPERTY_NAME = "a property's name"
    REQUIRED_UNKNOWN = "required is what is no property"
    NO_TYPE_OF_JSON = "a type that is none of JSON's"
    REFERENCE = "a reference"
    EMPTY_ENUM = "an enum with an empty text"
    PATTERN = "a pattern in a dialect of its writer's"
    SIZE = "a size of which no grammar is made"
    BOUND = "a bound of another kind than JSON Schema 2020-12 has: true, a number as text, a negative size"


_AT_THE_TOP = ("anyOf", "oneOf", "allOf", "not", "enum")
MAX_REPETITIONS = 2_000
"""llama.cpp's."""
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_SIZES = ("minLength", "maxLength", "minItems", "maxItems")
_TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def faults(schema: Any) -> Iterator[tuple[Path, Fault]]:
    """Each fault of a schema of type object, and where it is."""
    if any(keyword in schema for keyword in _AT_THE_TOP):
        yield (), Fault.CHOICE_AT_THE_TOP
    yield from _faults(schema, ())


def _faults(node: Any, path: Path) -> Iterator[tuple[Path, Fault]]:
    if not isinstance(node, dict):
        return
    kinds = node.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if not all(kind in _TYPES for kind in kinds):
        yield path, Fault.NO_TYPE_OF_JSON
    if "array" in kinds and "items" not in node:
        yield path, Fault.ARRAY_WITHOUT_ITEMS
    if not isinstance(node.get("items", {}), dict):
        yield path, Fault.ITEMS_NO_SCHEMA
    if "$ref" in node:
        yield path, Fault.REFERENCE
    if "" in node.get("enum", ()):
        yield path, Fault.EMPTY_ENUM
    yield from ((path, fault) for fault in _bound_faults(node))
    properties = node.get("properties", {})
    if not all(_PROPERTY.fullmatch(name) for name in properties):
        yield path, Fault.PROPERTY_NAME
    if not set(node.get("required", ())) <= set(properties):
        yield path, Fault.REQUIRED_UNKNOWN
    yield from _within(node, path)


def _bound_faults(node: dict[str, Any]) -> Iterator[Fault]:
    if not all(_is_bound(key, node[key]) for key in (*_NUMBERS, *_SIZES, "pattern", "format") if key in node):
        yield Fault.BOUND
    if "pattern" in node and not _is_plain(str(node["pattern"])):
        yield Fault.PATTERN
    if any(isinstance(node.get(key), int) and node[key] > MAX_REPETITIONS for key in _SIZES):
        yield Fault.SIZE


def _is_plain(pattern: str) -> bool:
    """OpenAI compiles it as Python does; llama.cpp wants both its ends, and no group of a kind of its own."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return pattern.startswith("^") and pattern.endswith("$") and "(?" not in pattern


def _is_bound(key: str, value: Any) -> bool:
    if key in ("pattern", "format"):
        return isinstance(value, str)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (key in _NUMBERS or (value >= 0 and value == int(value)))


def _within(node: dict[str, Any], path: Path) -> Iterator[tuple[Path, Fault]]:
    for name, child in node.get("properties", {}).items():
        yield from _faults(child, (*path, "properties", name))
    for key in ("items", "additionalProperties"):
        yield from _faults(node.get(key), (*path, key))
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, child in enumerate(node.get(key, ())):
            yield from _faults(child, (*path, key, str(number)))


# The schema of an answer: what all vendors of structured output take, each refusing the rest in its own words.

_OF_AN_ANSWER = {
    "type",
    "description",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "anyOf",
}


def answer_faults(schema: Any) -> Iterator[str]:
    """Each fault of an answer's schema, in a few words with its place."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield "schema must be of type object"
        return
    yield from _answer_faults(schema, "")


def _answer_faults(node: Any, where: str) -> Iterator[str]:
    if not isinstance(node, dict) or "type" not in node:
        yield f"{where or '$'}: a schema has a type"
        return
    for keyword in node.keys() - _OF_AN_ANSWER:
        yield f"{where or '$'}: '{keyword}' is not permitted"
    properties = node.get("properties", {})
    if node["type"] == "object":
        if node.get("additionalProperties") is not False:
            yield f"{where or '$'}: 'additionalProperties' is required to be supplied and to be false"
        if sorted(node.get("required", ())) != sorted(properties) or not properties:
            yield f"{where or '$'}: 'required' is required to be an array including every key in properties"
    if node["type"] == "array" and "items" not in node:
        yield f"{where or '$'}: array schema missing items"
    for name, child in properties.items():
        yield from _answer_faults(child, f"{where}.{name}")
    if "items" in node:
        yield from _answer_faults(node["items"], f"{where}[]")
