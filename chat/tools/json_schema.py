"""JSON Schema as models take it: one self-contained object, without references and without noise."""

from typing import Any

import msgspec

from chat.messages import JSON

_NULL = {"type": "null"}
_ENUM_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}
_REF_PREFIX = "#/$defs/"
_NOISE = ("title", "discriminator", "$ref")


def schema_of(struct: type[msgspec.Struct]) -> JSON:
    """The schema of a struct with all definitions inlined.

    Raises TypeError for a type that JSON Schema cannot say, ValueError for one that contains itself.
    """
    schema = msgspec.json.schema(struct)
    definitions: JSON = schema.pop("$defs", {})
    inlined: JSON = _inline(schema, definitions, ())
    return inlined


def _inline(node: Any, definitions: JSON, within: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions, within) for item in node]
    if not isinstance(node, dict):
        return node
    merged, within = _resolved(node, definitions, within)
    result = {
        key: _properties(value, definitions, within)
        if key == "properties"
        else _value(key, value, definitions, within)
        for key, value in merged.items()
        if key not in _NOISE
    }
    return _simplified(result)


def _resolved(node: JSON, definitions: JSON, within: tuple[str, ...]) -> tuple[JSON, tuple[str, ...]]:
    """The node with its reference's content; what stands beside the reference counts more."""
    reference = node.get("$ref")
    if reference is None:
        return node, within
    name = str(reference).removeprefix(_REF_PREFIX)
    if name in within:
        raise ValueError(f"{name} contains itself")
    target, within = _resolved(definitions[name], definitions, (*within, name))
    return {**target, **node}, within


def _properties(properties: JSON, definitions: JSON, within: tuple[str, ...]) -> JSON:
    """Properties by name: a name is no keyword, be it ``title``."""
    return {name: _inline(schema, definitions, within) for name, schema in properties.items()}


def _value(key: str, value: Any, definitions: JSON, within: tuple[str, ...]) -> Any:
    """``default``, ``enum`` and their like hold data, not schemas."""
    return value if key in ("default", "enum", "const", "examples") else _inline(value, definitions, within)


def _simplified(schema: JSON) -> JSON:
    """An enum says its type; an argument that may be left out need not also take null."""
    if "enum" in schema and "type" not in schema:
        types = {type(value) for value in schema["enum"]}
        if len(types) == 1 and (only := types.pop()) in _ENUM_TYPES:
            schema = {"type": _ENUM_TYPES[only], **schema}
    options = schema.get("anyOf", [])
    if "default" in schema and schema["default"] is None and _NULL in options:
        rest = [option for option in options if option != _NULL]
        schema = {key: value for key, value in schema.items() if key not in ("default", "anyOf")}
        return {**rest[0], **schema} if len(rest) == 1 else {**schema, "anyOf": rest}
    return schema


def in_words(schema: JSON) -> str:
    """The arguments of a schema in one line, for a model that got them wrong."""
    required = schema.get("required", [])
    words = [
        f"{name}: {_type_in_words(prop)}{'' if name in required else ', optional'}"
        for name, prop in schema.get("properties", {}).items()
    ]
    return f"an object with {'; '.join(words)}" if words else "an empty object, {}"


def _type_in_words(schema: JSON) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(msgspec.json.encode(value).decode() for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type_in_words(option) for option in schema["anyOf"])
    kind = str(schema.get("type", "any value"))
    if kind == "array" and isinstance(schema.get("items"), dict):
        return f"array of {_type_in_words(schema['items'])}"
    if kind == "object" and schema.get("properties"):
        return f"object ({in_words(schema).removeprefix('an object with ')})"
    return kind
