"""A plain typed function becomes a `Tool`: the signature gives the arguments, the docstring the words for the model."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from chat.messages import JSON, ToolSpec
from chat.tool_names import is_tool_name
from chat.tool_schemas import UnusableSchemaError, repaired
from chat.tools.base import ApprovalRule, Permission, Tool, ToolContext, ToolDefinitionError
from chat.tools.docstrings import Docs, parse_docstring
from chat.tools.json_schema import schema_of
from chat.tools.loops import Room

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
