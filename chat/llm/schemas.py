"""The schema of a tool's arguments, whoever wrote it, repaired so that every vendor takes it.

A vendor that refuses one tool's schema refuses the whole request, and so every turn. So references are inlined, what
only some vendors know is left out (a schema that says less is one that a model fills in less exactly; whoever runs the
tool checks the arguments itself), and what cannot be repaired is not offered.
"""

import math
import re
from itertools import chain
from typing import Any

import msgspec

from chat.llm.provider import JSON

MAX_DEPTH = 12
MAX_NODES = 2_000
MAX_SCHEMA_CHARS = 20_000
MAX_DESCRIPTION_CHARS = 1_000
MAX_ENUM = 250
MAX_SIZE = 1_000
"""Of a text or a list; llama.cpp makes a grammar of a tool's schema, and none of a larger one."""

_PROPERTY_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_NULL = {"type": "null"}
_SIZES = ("minLength", "maxLength", "minItems", "maxItems")
_LIMITS = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))
_BOUNDS = ("format", *_SIZES, *chain.from_iterable(_LIMITS))


class UnusableSchemaError(Exception):
    """No vendor would take it."""


def repaired(schema: Any, *, foreign: bool = False) -> JSON:
    """A self-contained schema of type object. Raises `UnusableSchemaError`.

    ``foreign``: from one whom nobody here can correct, so it is bounded, and an argument whose name no vendor takes is
    left out where it may be; else that is an error, too.
    """
    if not isinstance(schema, dict):
        raise UnusableSchemaError("its schema is no object")
    root = _Repair(schema, foreign=foreign).node(schema, ())
    if "anyOf" in root and "properties" not in root:
        root = _merged_options(root)
    root = {"type": "object", "properties": {}, **{key: root[key] for key in _ROOT_KEYS if key in root}}
    root["type"] = "object"
    if foreign and len(msgspec.json.encode(root)) > MAX_SCHEMA_CHARS:
        raise UnusableSchemaError(f"its schema has more than {MAX_SCHEMA_CHARS} characters")
    return root


_ROOT_KEYS = ("properties", "required", "additionalProperties", "description")


def _merged_options(root: JSON) -> JSON:
    """No vendor takes a choice at the root: all that one of the options knows, none of it required but what all want."""
    options = [option for option in root["anyOf"] if option.get("properties")]
    properties = {name: one for option in options for name, one in option["properties"].items()}
    required = [
        name for name in properties if options and all(name in one.get("required", []) for one in options)
    ]
    return {**root, "properties": properties, **({"required": required} if required else {})}


class _Repair:
    """Walks one schema; ``_nodes`` bounds what references to references can grow to."""

    def __init__(self, root: JSON, *, foreign: bool) -> None:
        self._root = root
        self._foreign = foreign
        self._nodes = 0

    def node(self, node: Any, within: tuple[str, ...], depth: int = 0) -> JSON:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise UnusableSchemaError("its schema is too large")
        if not isinstance(node, dict) or depth > MAX_DEPTH:
            return {}
        node, within = self._resolved(node, within)
        node = self._with_all_of(node, within)
        node = _bounded(node)
        result: JSON = {key: node[key] for key in _BOUNDS if key in node}
        if node.get("default") is not None:
            result["default"] = node["default"]
        if isinstance(text := node.get("description"), str):
            result["description"] = self._joined(text)
        result |= self._enum(node)
        result |= self._type(node)
        options = self._options(node, within, depth)
        if "description" in options and "description" in result:  # of the one option that is left
            options["description"] = self._joined(result["description"], options["description"])
        result |= options
        if isinstance(node.get("properties"), dict):
            result |= self._object(node, within, depth)
        elif result.get("type") == "object" and isinstance(node.get("additionalProperties"), dict):
            result["additionalProperties"] = self.node(node["additionalProperties"], within, depth + 1)
        # else the one option that is left has told them
        if result.get("type") == "array" and "items" not in result:
            result |= self._array(node, within, depth)
        return result

    def _joined(self, *texts: str) -> str:
        text = " ".join(dict.fromkeys(texts))
        return text[:MAX_DESCRIPTION_CHARS] if self._foreign else text

    def _array(self, node: JSON, within: tuple[str, ...], depth: int) -> JSON:
        """Items that differ by their place (a tuple) are a choice for every place; the order is told in words."""
        items = node.get("items", {})
        placed = _list(node.get("prefixItems")) or _list(items)
        found = [self.node(one, within, depth + 1) for one in placed]
        if not found:
            return {"items": self.node(items, within, depth + 1)}
        distinct = [one for number, one in enumerate(found) if one not in found[:number]]
        if len(distinct) == 1 or {} in distinct:
            return {"items": distinct[0] if len(distinct) == 1 else {}}
        in_order = f"In this order: {', '.join(str(one.get('type', 'any value')) for one in found)}."
        words = node.get("description")
        told = f"{words} {in_order}" if isinstance(words, str) and in_order not in words else in_order
        return {"items": {"anyOf": distinct}, "description": told}

    def _resolved(self, node: JSON, within: tuple[str, ...]) -> tuple[JSON, tuple[str, ...]]:
        """The node with what its reference means; one that contains itself, or lies elsewhere, says nothing."""
        while isinstance(reference := node.get("$ref"), str):
            rest = {key: value for key, value in node.items() if key != "$ref"}
            target = None if reference in within else self._target(reference)
            if not isinstance(target, dict):
                return rest, within
            node, within = {**target, **rest}, (*within, reference)
        return node, within

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#"):
            return None
        target: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, dict) else None
        return target

    def _with_all_of(self, node: JSON, within: tuple[str, ...]) -> JSON:
        parts = node.get("allOf")
        if not isinstance(parts, list):
            return node
        merged: JSON = {}
        for part in [*parts, {key: value for key, value in node.items() if key != "allOf"}]:
            whole = self._resolved(part, within)[0] if isinstance(part, dict) else {}
            both = ("properties", "required")
            properties = {**_dict(merged.get("properties")), **_dict(whole.get("properties"))}
            required = [*_list(merged.get("required")), *_list(whole.get("required"))]
            merged |= {key: value for key, value in whole.items() if key not in both}
            merged |= {"properties": properties} if properties else {}
            merged |= {"required": required} if required else {}
        merged.pop("allOf", None)
        return merged

    def _enum(self, node: JSON) -> JSON:
        values = node.get("enum", [node["const"]] if "const" in node else None)
        if not isinstance(values, list):
            return {}
        plain = [one for one in values if isinstance(one, str | int | float) and one != ""]
        return {"enum": plain} if 0 < len(plain) <= MAX_ENUM else {}

    def _type(self, node: JSON) -> JSON:
        given = node.get("type")
        kinds = [one for one in (given if isinstance(given, list) else [given]) if one in _TYPES]
        kinds = [one for one in kinds if one != "null"] or kinds
        if len(kinds) == 1:
            return {"type": kinds[0]}
        if kinds and "anyOf" not in node:
            return {"anyOf": [self.node({**node, "type": kind}, (), MAX_DEPTH) for kind in kinds]}
        return {"type": "object"} if isinstance(node.get("properties"), dict) else {}

    def _options(self, node: JSON, within: tuple[str, ...], depth: int) -> JSON:
        options = [one for key in ("anyOf", "oneOf") for one in _list(node.get(key))]
        found = [self.node(one, within, depth + 1) for one in options if one is not False]
        found = [one for one in found if one and not (one == _NULL and node.get("default", ...) is None)]
        if found == [_NULL]:
            return {}
        if len(found) == 1:
            return found[0]
        return {"anyOf": found} if found else {}

    def _object(self, node: JSON, within: tuple[str, ...], depth: int) -> JSON:
        properties: JSON = {}
        required = [
            one for one in _list(node.get("required")) if isinstance(one, str) and one in node["properties"]
        ]
        for name, schema in node["properties"].items():
            if _PROPERTY_NAME.fullmatch(name):
                properties[name] = self.node(schema, within, depth + 1)
            elif name in required or not self._foreign:
                raise UnusableSchemaError(f"no vendor takes the name of its argument {name[:80]!r}")
        result: JSON = {"properties": properties}
        if required or node.get("required") == []:
            result["required"] = list(dict.fromkeys(required))
        if isinstance(node.get("additionalProperties"), bool):
            result["additionalProperties"] = node["additionalProperties"]
        return result


def _bounded(node: JSON) -> JSON:
    """With those bounds whose value is of the kind that JSON Schema 2020-12 wants, by which some vendors check all; in its
    fourth draft true made the bound beside it exclusive. In words goes what some refuse whoever has written it: a pattern,
    which OpenAI wants in Python's dialect, and llama.cpp without ``\\S``, lookaheads and open ends; a large size."""
    bounds: JSON = {"format": node["format"]} if isinstance(node.get("format"), str) else {}
    words = [f"pattern: {node['pattern']}"] if isinstance(node.get("pattern"), str) else []
    for key in _SIZES:
        size = _number(node.get(key))
        if size is not None and size > MAX_SIZE:
            words.append(f"{key}: {size:g}")
        elif size is not None and size >= 0 and size == int(size):
            bounds[key] = int(size)
    for inclusive, exclusive in _LIMITS:
        older = node.get(exclusive) is True
        if (limit := _number(node.get(inclusive))) is not None:
            bounds[exclusive if older else inclusive] = limit
        if (limit := _number(node.get(exclusive))) is not None:
            bounds[exclusive] = limit
    if words:
        text = node.get("description")
        bounds["description"] = " ".join([text, *words] if isinstance(text, str) else words)
    return {**{key: value for key, value in node.items() if key not in (*_BOUNDS, "pattern")}, **bounds}


def _number(value: Any) -> int | float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if number else None


def _dict(value: Any) -> JSON:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
