"""A plain typed function becomes a `Tool`: the signature gives the arguments, the docstring the words for the model."""

import inspect
import re
import textwrap
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from string import Formatter
from typing import Annotated, Any, Literal, Unpack, get_args, get_origin, get_type_hints

import msgspec
from docstring_parser import DocstringStyle, ParseError, parse

from chat.errors import ToolError
from chat.llm.names import is_tool_name
from chat.llm.provider import JSON, ToolSpec
from chat.llm.schemas import UnusableSchemaError, repaired
from chat.tools.base import Tool, ToolContext, ToolDefinitionError, ToolOptions
from chat.tools.beside import Room

_ENUM_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}
_REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')
_LIMITS: tuple[Literal["timeout_s", "max_concurrent", "max_output_chars"], ...] = (
    "timeout_s",
    "max_concurrent",
    "max_output_chars",
)
_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
Function = Callable[..., Any]
Hints = dict[str, Any]


def make_tool(function: Function, *, name: str | None = None, **options: Unpack[ToolOptions]) -> Tool:
    """Describe a function, sync or async, as a tool. Raises `ToolDefinitionError`, which says what it lacks."""
    name = name or str(getattr(function, "__name__", function))
    try:
        _check(function, name, options)
        hints = _hints(function)
        description, docs = _docs(function)
        arguments = _arguments(function, name, hints)
        if isinstance(asks := options.get("asks"), str):
            _check_question(arguments, asks)
        limit = options.get("max_concurrent")
        return Tool(
            spec=ToolSpec(name, description, _parameters(arguments, docs, hints)),
            function=function,
            arguments=arguments,
            context_parameter=_context_parameter(hints),
            room=Room(limit) if limit else None,
            **options,
        )
    except ToolDefinitionError as error:
        raise ToolDefinitionError(f"tool {name} ({place_of(function)}): {error}") from error.__cause__


def place_of(function: Function) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"


def _check(function: Function, name: str, options: ToolOptions) -> None:
    if not inspect.isfunction(function):
        raise ToolDefinitionError(f"only a plain function can be a tool, not a {type(function).__name__}")
    if not is_tool_name(name):
        raise ToolDefinitionError("a name is 1 to 64 letters, digits, _ and -, and begins with a letter or _")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolDefinitionError("a generator cannot be a tool; return the whole result")
    if options.get("approvals", 1) < 1:
        raise ToolDefinitionError("approvals has to be 1 or more")
    for limit in _LIMITS:
        if (value := options.get(limit)) is not None and value <= 0:
            raise ToolDefinitionError(f"{limit} has to be more than 0")


def _check_question(arguments: type[msgspec.Struct], asks: str) -> None:
    try:
        names = {
            name.partition(".")[0].partition("[")[0]
            for _, name, _, _ in Formatter().parse(asks)
            if name is not None
        }
    except ValueError as error:
        raise ToolDefinitionError(f"asks cannot be read: {error}") from error
    if unknown := names - {*arguments.__struct_fields__}:
        raise ToolDefinitionError(
            f"asks names arguments that do not exist: {', '.join(sorted(unknown)) or '{}'}"
        )


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


def _docs(function: Function) -> tuple[str, dict[str, str]]:
    """What the model is told of the function, and of each argument. "Raises:" and "Example:" are for people."""
    try:
        parsed = parse(function.__doc__ or "", DocstringStyle.GOOGLE)
    except ParseError as error:
        raise ToolDefinitionError(f"its docstring cannot be read: {error}") from error
    if not parsed.description:
        raise ToolDefinitionError("it needs a docstring; the model chooses by what it says")
    arguments = {one.arg_name: " ".join((one.description or "").split()) for one in parsed.params}
    if unknown := arguments.keys() - inspect.signature(function).parameters.keys():
        raise ToolDefinitionError(
            f"the docstring tells of arguments that do not exist: {', '.join(sorted(unknown))}"
        )
    description = parsed.description.strip()
    if parsed.returns:
        what = ": ".join(filter(None, (parsed.returns.type_name, parsed.returns.description)))
        head = "Yields" if parsed.returns.is_generator else "Returns"
        description += f"\n\n{head}:\n{textwrap.indent(what, '    ')}"
    return description, arguments


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


def _parameters(arguments: type[msgspec.Struct], docs: dict[str, str], hints: Hints) -> JSON:
    try:
        schema = msgspec.json.schema(arguments)
        _check_finite(schema.get("$defs", {}))
        schema = repaired(_with_enum_types(schema))
    except (TypeError, UnusableSchemaError) as error:
        raise ToolDefinitionError(f"its parameters cannot be told to a model: {error}") from error
    for parameter, prop in schema["properties"].items():
        if parameter in docs and not _described(hints[parameter]):
            prop["description"] = docs[parameter]
    return schema


def _check_finite(definitions: JSON) -> None:
    """Raises `UnusableSchemaError` for a type that contains itself: no vendor takes a schema without an end."""
    encoded = {name: msgspec.json.encode(schema).decode() for name, schema in definitions.items()}
    try:
        TopologicalSorter({name: _REFERENCE.findall(text) for name, text in encoded.items()}).prepare()
    except CycleError as error:
        raise UnusableSchemaError(f"{error.args[1][0]} contains itself") from error


def _with_enum_types(node: Any) -> Any:
    """msgspec leaves out the type of what has choices; models do better with it."""
    if isinstance(node, list):
        return [_with_enum_types(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {key: one if key == "default" else _with_enum_types(one) for key, one in node.items()}
    choices = node.get("enum")
    if isinstance(choices, list) and len(kinds := {type(one) for one in choices}) == 1:
        kind = _ENUM_TYPES.get(kinds.pop())
        node = {"type": kind, **node} if kind else node
    return node


def _described(hint: Any) -> bool:
    """Whether the annotation brings a description of its own, which counts more than the docstring's."""
    return get_origin(hint) is Annotated and any(
        isinstance(meta, msgspec.Meta) and meta.description for meta in hint.__metadata__
    )


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
