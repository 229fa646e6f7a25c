"""Schemas as every vendor takes them, from whatever a server, a client or a function of ours says."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.llm.provider import JSON
from chat.llm.schemas import MAX_DEPTH, UnusableSchemaError, repaired
from tests.fakes.schema_rules import faults


def obj(**properties: Any) -> JSON:
    return {"type": "object", "properties": properties}


TREE = {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}, "value": {"type": "string"}}}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, obj()),
        ({"type": "object"}, obj()),
        ({"$schema": "x", "title": "T", "type": "object", "description": "d"}, {**obj(), "description": "d"}),
        (obj(a={"type": "string", "title": "A", "x-own": 1}), obj(a={"type": "string"})),
        (obj(a={"const": "x"}), obj(a={"enum": ["x"]})),
        (obj(a={"type": ["string", "null"]}), obj(a={"type": "string"})),
        (
            obj(a={"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
            obj(a={"type": "integer"}),
        ),
        (
            obj(
                a={
                    "anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}],
                    "default": None,
                }
            ),
            obj(a={"type": "array", "items": {"type": "integer"}}),
        ),
        (
            obj(a={"oneOf": [{"type": "integer"}, {"type": "string"}]}),
            obj(a={"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ),
        (
            obj(a={"type": ["integer", "string"]}),
            obj(a={"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ),
        (obj(a={"type": "array"}), obj(a={"type": "array", "items": {}})),
        (
            obj(a={"type": "array", "items": [{"type": "string"}]}),
            obj(a={"type": "array", "items": {"type": "string"}}),
        ),
        (
            obj(a={"enum": ["", "x", None, "y"], "type": "string"}),
            obj(a={"enum": ["x", "y"], "type": "string"}),
        ),
        (
            {**obj(a={"$ref": "#/$defs/A", "description": "here"}), "$defs": {"A": {"type": "string"}}},
            obj(a={"type": "string", "description": "here"}),
        ),
        ({**obj(a={"$ref": "https://elsewhere.example/a.json"})}, obj(a={})),
        (
            {"allOf": [obj(a={"type": "string"}), {**obj(b={"type": "integer"}), "required": ["b"]}]},
            {**obj(a={"type": "string"}, b={"type": "integer"}), "required": ["b"]},
        ),
        (
            {"anyOf": [{**obj(a={}, c={}), "required": ["a", "c"]}, {**obj(b={}, c={}), "required": ["c"]}]},
            {**obj(a={}, c={}, b={}), "required": ["c"]},
        ),
        ({**obj(a={}, b={}), "required": ["a", "a", "gone"]}, {**obj(a={}, b={}), "required": ["a"]}),
        (obj(**{"ok": {}, "not ok": {}, "x" * 65: {}}), obj(ok={})),
        ({**obj(a={}), "additionalProperties": False}, {**obj(a={}), "additionalProperties": False}),
        (obj(a=True, b=None), obj(a={}, b={})),
    ],
)
def test_a_schema_is_repaired(given: JSON, wanted: JSON) -> None:
    assert repaired(given, foreign=True) == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (obj(a={"prefixItems": [{"type": "integer"}] * 2, "type": "array", "items": False, "maxItems": 2}),
         obj(a={"type": "array", "items": {"type": "integer"}, "maxItems": 2})),
        (obj(a={"type": "array", "description": "A pair.", "prefixItems": [{"type": "integer"}, {"type": "string"}]}),
         obj(a={"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "description": "A pair. In this order: integer, string."})),
        (obj(a={"type": "array", "prefixItems": [{"type": "integer"}, {}]}), obj(a={"type": "array", "items": {}})),
        (obj(a={"type": "array", "items": True}), obj(a={"type": "array", "items": {}})),
        (obj(a={"type": "object", "additionalProperties": {"type": "array"}}),
         obj(a={"type": "object", "additionalProperties": {"type": "array", "items": {}}})),
        (obj(a={"anyOf": [{"type": "number"}, {"type": "null"}], "default": 1.5}),
         obj(a={"anyOf": [{"type": "number"}, {"type": "null"}], "default": 1.5})),
        (obj(a={"type": "null"}, b={"anyOf": [{"type": "null"}]}), obj(a={"type": "null"}, b={})),
        (obj(a={"type": "string", "description": "d" * 2000}), obj(a={"type": "string", "description": "d" * 2000})),
        (obj(a={"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False}),
         obj(a={"type": "integer", "exclusiveMinimum": 0, "maximum": 9})),
        (obj(a={"type": "string", "minLength": "1", "maxLength": 9.0, "format": 7, "pattern": None}),
         obj(a={"type": "string", "maxLength": 9})),
        (obj(a={"type": "array", "items": {}, "minItems": -1, "maxItems": True}), obj(a={"type": "array", "items": {}})),
        (obj(a={"type": ["string", "integer"], "pattern": "^\\p{L}$", "description": "A letter."}),
         obj(a={"anyOf": [{"type": "string", "description": "A letter. pattern: ^\\p{L}$"},
                          {"type": "integer", "description": "A letter. pattern: ^\\p{L}$"}],
                "description": "A letter. pattern: ^\\p{L}$"})),
        (obj(a={"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "maxItems": 10_000}),
         obj(a={"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "description": "maxItems: 10000 In this order: integer, string."})),
        (obj(a={"anyOf": [{"type": "string", "pattern": "^a"}, {"type": "null"}], "default": None, "description": "Where to."}),
         obj(a={"type": "string", "description": "Where to. pattern: ^a"})),
        ({**obj(a={"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "default": None, "description": "Where to."}),
          "$defs": {"A": {"type": "string", "description": "An address."}}},
         obj(a={"type": "string", "description": "Where to. An address."})),
        ({**obj(a={}), "oneOf": [{"required": ["a"]}], "not": {}, "enum": [1]}, obj(a={})),
    ],
)  # fmt: skip
def test_what_a_function_or_a_client_says_is_repaired(given: JSON, wanted: JSON) -> None:
    """Tuples first of all, which say by place what is in them. The second repair changes nothing."""
    assert repaired(given) == wanted
    assert repaired(wanted) == wanted


def test_an_argument_whose_name_no_vendor_takes_is_an_error_where_somebody_can_change_it() -> None:
    with pytest.raises(UnusableSchemaError, match="größe"):
        repaired(obj(größe={"type": "integer"}))


def test_one_that_contains_itself_ends() -> None:
    schema = {**obj(tree={"$ref": "#/$defs/Tree"}), "$defs": {"Tree": TREE}}
    found = repaired(schema)["properties"]["tree"]
    assert found == obj(left={}, value={"type": "string"})


def test_depth_is_bounded() -> None:
    schema: JSON = {"type": "string"}
    for _ in range(MAX_DEPTH * 3):
        schema = obj(a=schema)
    text = msgspec.json.encode(repaired(schema)).decode()
    assert text.count('"a"') <= MAX_DEPTH + 1


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("text", "no object"),
        ({**obj(**{"not ok": {}}), "required": ["not ok"]}, "'not ok'"),
        (obj(**{f"p{number}": {"description": "x" * 900} for number in range(30)}), "20000 characters"),
        (
            {
                **obj(a={"$ref": "#/$defs/n0"}),
                "$defs": {
                    f"n{n}": obj(x={"$ref": f"#/$defs/n{n + 1}"}, y={"$ref": f"#/$defs/n{n + 1}"})
                    for n in range(11)
                },
            },
            "too large",
        ),
    ],
)
def test_what_cannot_be_repaired_is_not_offered(schema: Any, why: str) -> None:
    with pytest.raises(UnusableSchemaError, match=why):
        repaired(schema, foreign=True)


KEYWORDS = st.sampled_from(
    [
        "type",
        "properties",
        "required",
        "items",
        "prefixItems",
        "default",
        "enum",
        "anyOf",
        "allOf",
        "oneOf",
        "$ref",
        "const",
        "pattern",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["string", "object", "array", "#", "#/properties/a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS | st.sampled_from("ab"), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(KEYWORDS, VALUES, max_size=5), st.booleans())
def test_whatever_anybody_says_becomes_a_schema_or_is_refused(schema: JSON, foreign: bool) -> None:
    try:
        found = repaired(schema, foreign=foreign)
    except UnusableSchemaError:
        return
    assert list(faults(found)) == []
    assert found["type"] == "object"
    assert {*found} <= {"type", "properties", "required", "additionalProperties", "description"}
    assert "$ref" not in msgspec.json.encode(found).decode().replace('"$ref":{', "")
    assert repaired(found, foreign=foreign) == found, "a second repair changes something"
