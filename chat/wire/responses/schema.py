"""A client's schema for an answer, as all vendors take it; see `ModelRequest.answer_schema`."""

from typing import Any

from chat.llm.provider import JSON
from chat.llm.schemas import MAX_DEPTH, UnusableSchemaError, repaired

_BOUNDS = (
    "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "uniqueItems", "contains", "prefixItems", "minProperties", "maxProperties", "patternProperties",
    "propertyNames", "not", "if", "dependentRequired", "dependentSchemas", "default",
)  # fmt: skip


def answer_schema(given: JSON | None, *, strict: bool) -> JSON:
    """Raises `UnusableSchemaError` for one whose answer could be another than it says: it is refused, never approximated.

    Where its client does not ask for ``strict``, an object that says nothing of further properties gets none: such an answer fits as well.
    """
    if not given:
        raise UnusableSchemaError("it is missing")
    if given.get("type") != "object":
        raise UnusableSchemaError("an answer is an object, so its schema has the type object")
    _check_bounds(given, "")
    schema = repaired(given)
    if not strict:
        _close(schema)
    _check(schema, "")
    return schema


def _check_bounds(node: Any, where: str, depth: int = 0) -> None:
    """As the client has written it: a repair leaves out, or tells in words, what vendors refuse."""
    if not isinstance(node, dict):
        return
    if depth > MAX_DEPTH:
        raise UnusableSchemaError(f"{where} lies too deep")
    said = {name for name in _BOUNDS if node.get(name) is not None}
    bounds = [name for name in _BOUNDS if name in said and (node[name] is not False or name == "default")]
    if bounds:
        raise UnusableSchemaError(f"{where or 'it'} has {bounds[0]!r}, which not every model keeps to")
    for key in ("properties", "$defs", "definitions"):
        for name, one in node[key].items() if isinstance(node.get(key), dict) else ():
            _check_bounds(one, f"{where}.{name}" if where else name, depth + 1)
    _check_bounds(node.get("items"), f"{where}[]", depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        for one in node[key] if isinstance(node.get(key), list) else ():
            _check_bounds(one, where, depth + 1)


def _close(node: Any) -> None:
    if not isinstance(node, dict):
        return
    properties = node.get("properties", {})
    if properties:
        node.setdefault("additionalProperties", False)
    for one in (*properties.values(), node.get("items"), *node.get("anyOf", [])):
        _close(one)


def _check(node: Any, where: str) -> None:
    if not isinstance(node, dict):
        return
    if not node:
        raise UnusableSchemaError(f"{where or 'it'} says nothing, or refers to itself")
    properties = node.get("properties", {})
    if node.get("type") == "object":
        _check_object(node, properties, where)
    for name, one in properties.items():
        _check(one, f"{where}.{name}" if where else name)
    _check(node.get("items"), f"{where}[]")
    for one in node.get("anyOf", []):
        _check(one, where)


def _check_object(node: JSON, properties: JSON, where: str) -> None:
    if set(node.get("required", [])) != set(properties):
        raise UnusableSchemaError(f"{where or 'it'} has to require all of its properties")
    if node.get("additionalProperties") is not False:
        raise UnusableSchemaError(f"{where or 'it'} has to say additionalProperties: false")
