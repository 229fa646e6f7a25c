"""A plain typed function becomes a tool."""

import re
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.tools.base import ToolContext, ToolDefinitionError
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from chat.tools.schema import make_tool
from tests.fakes.schema_rules import faults
from tests.tools.conftest import NOBODY


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(msgspec.Struct, frozen=True):
    """A place on the map."""

    x: int
    y: float = 0.0


class Node(msgspec.Struct):
    children: list["Node"] = []


def paint(
    context: ToolContext,
    title: str,
    corners: list[Point],
    size: Annotated[int, msgspec.Meta(ge=1, le=9, description="In pixels.")] = 3,
    colour: Colour = Colour.RED,
    finish: Literal["matt", "glossy"] | None = None,
    centre: Point | None = None,
    tags: list[str] = [],  # noqa: B006 - a tool may have it: each call gets its own
    zoom: float | None = 1.5,
) -> dict[str, Any]:
    """Paint a picture.

    The second paragraph
    is told as well.

    Args:
        title: What to call it,
            on two lines.
        size: Hidden by the annotation's own words.
        centre (Point): Where to begin.

    Returns:
        The picture.

    Raises:
        ValueError: never told to a model
    """
    return {"title": title, "tags": tags}


POINT = {
    "type": "object",
    "description": "A place on the map.",
    "properties": {"x": {"type": "integer"}, "y": {"type": "number", "default": 0.0}},
    "required": ["x"],
}


def test_the_signature_and_the_docstring_become_one_schema_without_references() -> None:
    spec = make_tool(paint).spec
    assert spec.name == "paint"
    assert spec.description == (
        "Paint a picture.\n\nThe second paragraph\nis told as well.\n\nReturns:\n    The picture."
    )
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "What to call it, on two lines."},
            "corners": {"type": "array", "items": POINT},
            "size": {
                "type": "integer",
                "minimum": 1,
                "maximum": 9,
                "default": 3,
                "description": "In pixels.",
            },
            "colour": {"type": "string", "enum": ["blue", "red"], "default": "red"},
            "finish": {"type": "string", "enum": ["glossy", "matt"]},
            "centre": {**POINT, "description": "Where to begin."},
            "tags": {"type": "array", "items": {"type": "string"}, "default": []},
            "zoom": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": 1.5},
        },
        "required": ["title", "corners"],
        "additionalProperties": False,
    }


def test_a_tool_without_arguments_takes_an_empty_object() -> None:
    def ping() -> str:
        """Answer."""
        return "pong"

    assert make_tool(ping).spec.parameters == {
        "type": "object", "properties": {}, "required": [], "additionalProperties": False,
    }  # fmt: skip


def test_an_argument_may_be_called_like_a_keyword_of_json_schema() -> None:
    def find(title: str, default: Literal["enum"] = "enum") -> None:
        """Find."""

    assert set(make_tool(find).spec.parameters["properties"]) == {"title", "default"}


class Pin(NamedTuple):
    lat: float
    name: str = "here"


def lists(
    plain: list,  # type: ignore[type-arg]
    anything: list[Any],
    pair: tuple[int, int],
    pin: Pin,
    several: tuple[str, ...],
    nested: list[list[Any]],
    unique: set[str],
) -> None:
    """Take lists of all kinds."""


def test_every_list_says_what_is_in_it() -> None:
    """A vendor that is told of an array without it refuses every turn of every user."""
    spec = make_tool(lists).spec
    assert list(faults(spec.parameters)) == []
    properties = spec.parameters["properties"]
    assert properties["plain"] == properties["anything"] == {"type": "array", "items": {}}
    assert properties["pair"] == {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
    assert properties["pin"] == {
        "type": "array",
        "items": {"anyOf": [{"type": "number"}, {"type": "string", "default": "here"}]},
        "minItems": 1,
        "maxItems": 2,
        "description": "In this order: number, string.",
    }
    assert properties["nested"] == {"type": "array", "items": {"type": "array", "items": {}}}


def test_a_list_that_may_be_left_out_says_what_is_in_it() -> None:
    class Point(msgspec.Struct):
        x: int

    def draw(numbers: list[int] | None = None, points: list[Point] | None = None) -> None:
        """Draw."""

    properties = make_tool(draw).spec.parameters["properties"]
    assert properties["numbers"] == {"type": "array", "items": {"type": "integer"}}
    assert properties["points"]["items"]["properties"] == {"x": {"type": "integer"}}


def no_docs(x: int) -> None: ...


def untyped(x) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """It."""


def many(*xs: int) -> None:
    """It."""


def keywords(**xs: int) -> None:
    """It."""


def positional(x: int, /) -> None:
    """It."""


def only_args_documented(x: int) -> None:
    """
    Args:
        x: It.
    """


def stale_docs(x: int) -> None:
    """It.

    Args:
        y: gone
    """


def wrong_default(x: int = None) -> None:  # type: ignore[assignment]  # noqa: RUF013
    """It."""


def mutable_default(x: list[int] = [1]) -> None:  # noqa: B006
    """It."""


def unknown_type(x: "NoSuchType") -> None:  # type: ignore[name-defined]  # noqa: F821
    """It."""


def no_json_type(x: re.Pattern[str]) -> None:
    """It."""


def recursive(x: Node) -> None:
    """It."""


def letters(größe: int) -> None:  # noqa: PLC2401
    """It."""


def optional_context(x: ToolContext | None) -> None:
    """It."""


def two_contexts(x: ToolContext, y: ToolContext) -> None:
    """It."""


async def streaming():  # type: ignore[no-untyped-def]
    """It."""
    yield 1


class Instance:
    """It."""

    def __call__(self, x: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (no_docs, "needs a docstring"),
        (only_args_documented, "needs a docstring"),
        (untyped, "parameter 'x' has no type"),
        (many, r"parameter \*xs: int is \*args"),
        (keywords, r"parameter \*\*xs: int is \*args, \*\*kwargs"),
        (positional, "positional-only"),
        (stale_docs, "arguments that do not exist: y"),
        (wrong_default, "default of 'x' does not fit its type: Expected `int`, got `null`"),
        (mutable_default, "mutable collection"),
        (unknown_type, "annotations cannot be read: name 'NoSuchType'"),
        (no_json_type, "cannot be told to a model"),
        (recursive, "Node contains itself"),
        (letters, "no vendor takes the name of its argument 'größe'"),
        (optional_context, "annotate 'x' as ToolContext, with nothing around it"),
        (two_contexts, "one ToolContext is enough, not x, y"),
        (streaming, "a generator cannot be a tool"),
        (Instance(), "only a plain function can be a tool, not a Instance"),
    ],
)
def test_a_function_that_cannot_be_described_is_refused_with_the_reason(
    function: Callable[..., Any], words: str
) -> None:
    with pytest.raises(ToolDefinitionError, match=words):
        make_tool(function)


def test_the_refusal_names_the_function() -> None:
    with pytest.raises(ToolDefinitionError, match=r"tool no_docs \(tests.tools.test_schema.no_docs\): "):
        make_tool(no_docs)


@pytest.mark.parametrize("name", ["", "1st", "with space", "x" * 65, "käse", "a.b"])
def test_a_name_that_a_vendor_refuses_is_refused_here(name: str) -> None:
    with pytest.raises(ToolDefinitionError, match="a name is 1 to 64"):
        make_tool(paint, name=name or "€")


def test_a_time_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ToolDefinitionError, match="timeout_s"):
        make_tool(paint, timeout_s=0)


# Arguments, there and back


async def echo(
    text: str,
    number: int,
    ratio: float,
    yes: bool,
    colour: Colour,
    level: Literal["low", "high", 3],
    point: Point,
    points: list[Point],
    table: dict[str, list[int]],
    either: int | str,
    maybe: Point | None = None,
    words: list[str] = [],  # noqa: B006
) -> list[Any]:
    """Give back what came."""
    return [text, number, ratio, yes, colour, level, point, points, table, either, maybe, words]


INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
POINTS = st.builds(Point, x=INTEGERS, y=FLOATS)
REQUIRED: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "number": INTEGERS,
    "ratio": FLOATS,
    "yes": st.booleans(),
    "colour": st.sampled_from(Colour),
    "level": st.sampled_from(["low", "high", 3]),
    "point": POINTS,
    "points": st.lists(POINTS, max_size=3),
    "table": st.dictionaries(TEXTS, st.lists(INTEGERS, max_size=2), max_size=2),
    "either": INTEGERS | TEXTS.filter(lambda text: not re.fullmatch(r"\s*-?\d+\s*", text)),
}
OPTIONAL = {"maybe": st.none() | POINTS, "words": st.lists(TEXTS, max_size=3)}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def _echoing() -> Registry:
    registry = Registry()
    registry.register(make_tool(echo))
    return registry


@settings(deadline=None)
@given(arguments=st.fixed_dictionaries(REQUIRED, optional=OPTIONAL))
async def test_every_value_reaches_the_function_as_it_was_given(arguments: dict[str, Any]) -> None:
    registry = _echoing()
    text = msgspec.json.encode(arguments).decode()
    outcome = await run_tool(registry, name="echo", arguments=text, context=NOBODY)
    given_values = {"maybe": None, "words": [], **arguments}
    assert outcome.outcome == "ok", outcome.output
    assert msgspec.json.decode(outcome.output) == msgspec.to_builtins(
        [given_values[name] for name in (*REQUIRED, *OPTIONAL)]
    )


@settings(deadline=None)
@given(arguments=st.dictionaries(st.sampled_from([*REQUIRED, *OPTIONAL, "more"]), JSON_VALUES))
async def test_what_does_not_fit_is_an_error_in_words_and_nothing_else(arguments: dict[str, Any]) -> None:
    text = msgspec.json.encode(arguments).decode()
    outcome = await run_tool(_echoing(), name="echo", arguments=text, context=NOBODY)
    if outcome.outcome == "error":
        assert outcome.output.startswith("The arguments of echo are wrong: ")
    else:
        assert arguments.keys() >= REQUIRED.keys()


@settings(deadline=None)
@given(text=st.text())
async def test_any_text_at_all_for_arguments_gives_an_outcome(text: str) -> None:
    outcome = await run_tool(_echoing(), name="echo", arguments=text, context=NOBODY)
    assert outcome.outcome == "error"
    assert "Expected: an object with text: string; number: integer; " in outcome.output
