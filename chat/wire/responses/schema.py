"""A client's schema for an answer, as all vendors take it; see `ModelRequest.answer_schema`."""

from typing import Any

from chat.llm.provider import JSON
from chat.llm.schemas import UnusableSchemaError, repaired

_BOUNDS = (
    "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "default",
)  # fmt: skip


def answer_schema(given: JSON | None) -> JSON:
    """Raises `UnusableSchemaError` for one whose answer could be another than it says: it is refused, never approximated."""
    if not given:
        raise UnusableSchemaError("it is missing")
    if given.get("type") != "object":
        raise UnusableSchemaError("an answer is an object, so its schema has the type object")
    schema = repaired(given)
    _check(schema, "")
    return schema


def _check(node: Any, where: str) -> None:
    if not isinstance(node, dict):
        return
    if not node:
        raise UnusableSchemaError(f"{where or 'it'} says nothing, or refers to itself")
    if bounds := [name for name in _BOUNDS if name in node]:
        raise UnusableSchemaError(f"{where or 'it'} has {bounds[0]!r}, which not every model keeps to")
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
