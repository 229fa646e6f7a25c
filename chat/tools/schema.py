"""A plain typed function becomes a `Tool`: the signature gives the arguments, the docstring the words for the model."""

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from chat.errors import ToolError
from chat.llm.names import is_tool_name
from chat.llm.provider import JSON, ToolSpec
from chat.llm.schemas import UnusableSchemaError, repaired
from chat.tools.base import ApprovalRule, Permission, Tool, ToolContext, ToolDefinitionError
from chat.tools.beside import Room

# A docstring in Google style, as far as a model is told of it.


_ARGS = ("Args:", "Arguments:")
_NOT_FOR_THE_MODEL = ("Raises:", "Example:", "Examples:")
_ENTRY = re.compile(r"(?P<name>\w+)\s*(\([^)]*\))?:\s*(?P<text>.*)")


class Docs(NamedTuple):
    description: str
    arguments: dict[str, str]


def parse_docstring(docstring: str) -> Docs:
    """The text of a cleaned docstring (`inspect.getdoc`), and what its "Args:" section says of each argument.

    The sections "Raises:" and "Example:" are for people, and left out.
    """
    text: list[str] = []
    arguments: list[str] = []
    target: list[str] | None = text
    for line in docstring.splitlines():
        if line.strip() and not line.startswith(" "):
            target = _target(line, text, arguments)
            if target is not text:
                continue
        if target is not None:
            target.append(line)
    return Docs("\n".join(text).strip(), _entries(arguments))


def _target(line: str, text: list[str], arguments: list[str]) -> list[str] | None:
    """Where the lines after a line that is not indented belong."""
    if line.rstrip() in _ARGS:
        return arguments
    return None if line.rstrip() in _NOT_FOR_THE_MODEL else text


def _entries(lines: list[str]) -> dict[str, str]:
    entries: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        entry = None if line.startswith(" ") else _ENTRY.fullmatch(line)
        if entry:
            name = entry["name"]
            entries[name] = entry["text"].strip()
        elif name:
            entries[name] = f"{entries[name]} {line.strip()}".strip()
    return entries


# JSON Schema as models take it: one self-contained object, without references and without noise.


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


# The arguments that a model gave for a call, checked against what the tool takes.


def keyword_arguments(tool: Tool, arguments: str, context: ToolContext) -> dict[str, Any]:
    """What the function is called with; ``arguments`` is JSON text as the model gave it.

    Lenient where the meaning is plain ("5" for 5): models are not exact there. Raises `ToolError`.
    """
    form: Any = JSON if tool.arguments is None else tool.arguments
    try:
        given = msgspec.json.decode(arguments.strip() or "{}", type=form, strict=False)
    except msgspec.ValidationError as error:
        raise ToolError(_wrong(tool, str(error))) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ToolError(_wrong(tool, f"they are not valid JSON: {error}")) from error
    if tool.arguments is None:
        return {"arguments": given, "context": context}
    kwargs = {field: getattr(given, field) for field in given.__struct_fields__}
    if tool.context_parameter:
        kwargs[tool.context_parameter] = context
    return kwargs


def _wrong(tool: Tool, why: str) -> str:
    wanted = in_words(tool.spec.parameters)
    return (
        f"The arguments of {tool.name} are wrong: {why}. Expected: {wanted}. Correct them and call it again."
    )


_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
Function = Callable[..., Any]
Hints = dict[str, Any]


def make_tool(
    function: Function,
    *,
    name: str | None = None,
    timeout_s: float | None = None,
    max_concurrent: int | None = None,
    max_output_chars: int | None = None,
    side_effects: bool = False,
    idempotent: bool = False,
    requires_approval: bool | ApprovalRule = False,
    allow: str | Permission | None = None,
    staff_only: bool = False,
) -> Tool:
    """Describe a function, sync or async, as a tool. Raises `ToolDefinitionError`, which says what it lacks."""
    name = name or str(getattr(function, "__name__", function))
    try:
        _check(function, name)
        _check_limits(timeout_s=timeout_s, max_concurrent=max_concurrent, max_output_chars=max_output_chars)
        hints, docs = _hints(function), _docs(function)
        arguments = _arguments(function, name, hints)
        return Tool(
            spec=ToolSpec(name, docs.description, _parameters(arguments, docs, hints)),
            function=function,
            arguments=arguments,
            context_parameter=_context_parameter(hints),
            timeout_s=timeout_s,
            max_concurrent=max_concurrent,
            max_output_chars=max_output_chars,
            side_effects=side_effects,
            idempotent=idempotent,
            requires_approval=requires_approval,
            allow=allow,
            staff_only=staff_only,
            room=Room(max_concurrent) if max_concurrent else None,
        )
    except ToolDefinitionError as error:
        where = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"
        raise ToolDefinitionError(f"tool {name} ({where}): {error}") from error.__cause__


def _check(function: Function, name: str) -> None:
    if not inspect.isfunction(function):
        raise ToolDefinitionError(f"only a plain function can be a tool, not a {type(function).__name__}")
    if not is_tool_name(name):
        raise ToolDefinitionError("a name is 1 to 64 letters, digits, _ and -, and begins with a letter or _")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolDefinitionError("a generator cannot be a tool; return the whole result")


def _check_limits(**limits: float | None) -> None:
    for name, limit in limits.items():
        if limit is not None and limit <= 0:
            raise ToolDefinitionError(f"{name} has to be more than 0")


def _hints(function: Function) -> Hints:
    """The type of each parameter, which all have to have one and to be such that they can be given by name."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise ToolDefinitionError(f"its annotations cannot be read: {error}") from error
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _KINDS:
            raise ToolDefinitionError(
                f"parameter {parameter} is *args, **kwargs or positional-only; name each one"
            )
        if parameter.name not in hints:
            raise ToolDefinitionError(f"parameter {parameter.name!r} has no type")
    hints.pop("return", None)
    return hints


def _docs(function: Function) -> Docs:
    docs = parse_docstring(inspect.getdoc(function) or "")
    if not docs.description:
        raise ToolDefinitionError("it needs a docstring; the model chooses by what it says")
    unknown = docs.arguments.keys() - inspect.signature(function).parameters.keys()
    if unknown:
        raise ToolDefinitionError(
            f"the docstring tells of arguments that do not exist: {', '.join(sorted(unknown))}"
        )
    return docs


def _context_parameter(hints: Hints) -> str | None:
    found = [parameter for parameter, hint in hints.items() if hint is ToolContext]
    if len(found) > 1:
        raise ToolDefinitionError(f"one ToolContext is enough, not {', '.join(found)}")
    return found[0] if found else None


def _arguments(function: Function, name: str, hints: Hints) -> type[msgspec.Struct]:
    """The form of the model's arguments; what the model leaves out has the function's own default."""
    parameters = inspect.signature(function).parameters.values()
    fields = [_field(one, hints[one.name]) for one in parameters if hints[one.name] is not ToolContext]
    try:
        return msgspec.defstruct(f"{name}_arguments", fields, kw_only=True, forbid_unknown_fields=True)
    except TypeError as error:
        raise ToolDefinitionError(str(error)) from error


def _field(parameter: inspect.Parameter, hint: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    if ToolContext in get_args(hint):
        raise ToolDefinitionError(f"annotate {parameter.name!r} as ToolContext, with nothing around it")
    if parameter.default is inspect.Parameter.empty:
        return parameter.name, hint
    try:
        msgspec.convert(msgspec.to_builtins(parameter.default), hint)
    except (msgspec.ValidationError, TypeError) as error:
        raise ToolDefinitionError(
            f"the default of {parameter.name!r} does not fit its type: {error}"
        ) from error
    return parameter.name, hint, parameter.default


def _parameters(arguments: type[msgspec.Struct], docs: Docs, hints: Hints) -> JSON:
    try:
        schema = repaired(schema_of(arguments))
    except (TypeError, ValueError, UnusableSchemaError) as error:
        raise ToolDefinitionError(f"its parameters cannot be told to a model: {error}") from error
    for parameter, prop in schema["properties"].items():
        if parameter in docs.arguments and not _described(hints[parameter]):
            prop["description"] = docs.arguments[parameter]
    return schema


def _described(hint: Any) -> bool:
    """Whether the annotation brings a description of its own, which counts more than the docstring's."""
    return get_origin(hint) is Annotated and any(
        isinstance(meta, msgspec.Meta) and meta.description for meta in hint.__metadata__
    )
