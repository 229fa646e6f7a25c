#!/usr/bin/env bash
# msgspec 0.22.0: the JSON Schema of a list does not say what is in it, where anything may be.
#
# `list` and `list[Any]` become {"type": "array"} without "items"; a NamedTuple has "prefixItems" and no "items", a
# tuple "items": false. All of it is valid JSON Schema, and none of it is taken for a function's parameters by
# OpenAI's API ("array schema missing items", code invalid_function_parameters), which then refuses the whole request
# with all other tools. pydantic 2.14.3 writes "items": {} for the same types, so a schema that works there does not here.
#
# Output seen:
#   list          msgspec {"type": "array"}   pydantic {"items": {}, "type": "array"}
#   list[Any]     msgspec {"type": "array"}   pydantic {"items": {}, "type": "array"}
#   NamedTuple    msgspec prefixItems, no items
#   tuple         msgspec prefixItems, items false
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.22.0 pydantic==2.14.3
"$folder/venv/bin/python" - <<'PYTHON'
import json
from typing import Any, NamedTuple

import msgspec
from pydantic import TypeAdapter


class Pin(NamedTuple):
    lat: float
    name: str = "here"


def of(hint):
    schema = msgspec.json.schema(hint)
    name = schema.get("$ref", "").rpartition("/")[2]
    return schema["$defs"][name] if name else schema


for name, hint in (("list", list), ("list[Any]", list[Any])):
    ours, theirs = of(hint), TypeAdapter(hint).json_schema()
    print(f"{name:13} msgspec {json.dumps(ours)}   pydantic {json.dumps(theirs)}")
    assert ours == {"type": "array"}, "it changed"
    assert theirs == {"items": {}, "type": "array"}, "it changed"
pin, pair = of(Pin), of(tuple[int, str])
assert "prefixItems" in pin and "items" not in pin, "it changed"
print("NamedTuple    msgspec prefixItems, no items")
assert "prefixItems" in pair and pair["items"] is False, "it changed"
print("tuple         msgspec prefixItems, items false")
PYTHON
