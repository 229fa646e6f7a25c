"""The body of ``POST /v1/responses``. What this server does not offer is refused by its name; a hint to the vendor's own
models is taken and not followed (`_HINTS`)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chat.errors import FrameError
from chat.llm.provider import JSON
from chat.llm.schemas import UnusableSchemaError
from chat.session.commands import ResponseOptions
from chat.wire.codes import FrameCode
from chat.wire.realtime.checks import MAX_TOOLS, check_nul, invalid, parse_object
from chat.wire.realtime.client import MAX_OUTPUT_TOKENS, FunctionTool, ItemId, Metadata, check_tools
from chat.wire.responses.input import Item, check_length, items_in
from chat.wire.responses.schema import answer_schema

_CHOICES = ("auto", "none", "required")
_OFFERED_TOOLS = "Clients give tools of type function; one of type mcp names a server of this server's own by its server_label."


class ConversationParam(msgspec.Struct, frozen=True, kw_only=True):
    id: Annotated[str, Meta(max_length=200)]


class Format(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["text", "json_schema"] = "text"
    name: str = ""
    schema: JSON | None = None
    description: str | None = None
    strict: bool | None = None


class Text(msgspec.Struct, frozen=True, kw_only=True):
    format: Format | None = None
    verbosity: str | None = None


class Create(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None: not given; an explicit null means the same."""

    model: Annotated[str, Meta(max_length=256)] | None = None
    input: str | list[JSON] | None = None
    instructions: str | None = None
    previous_response_id: ItemId | None = None
    conversation: Annotated[str, Meta(max_length=200)] | ConversationParam | None = None
    stream: bool | None = None
    background: bool | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=MAX_OUTPUT_TOKENS)] | None = None
    tools: Annotated[list[JSON], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    temperature: float | None = None
    top_p: float | None = None
    # Hints: taken, and not followed.
    include: list[str] | None = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    reasoning: Any = None
    safety_identifier: Any = None
    service_tier: Any = None
    stream_options: Any = None
    truncation: Literal["auto", "disabled"] | None = None
    user: Any = None
    # Refused: a client that asks for it would take the answer for something else.
    context_management: Any = None
    max_tool_calls: Any = None
    moderation: Any = None
    prompt: Any = None
    top_logprobs: Any = None

    @property
    def conversation_id(self) -> str | None:
        return self.conversation.id if isinstance(self.conversation, ConversationParam) else self.conversation


_REFUSED = ("context_management", "max_tool_calls", "moderation", "prompt", "top_logprobs")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that makes sense."""

    body: Create
    items: list[Item]
    options: ResponseOptions
    beside: JSON = {}
    """What the log is to keep of the request beside what the response repeats."""


def decode(body: bytes) -> Asked:
    """Raises `FrameError`."""
    return asked_by(object_in(body))


def asked_by(value: JSON) -> Asked:
    """Raises `FrameError`."""
    try:
        create = msgspec.convert(value, Create)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error
    for name in _REFUSED:
        if getattr(create, name):
            raise unsupported(name, "this server does not offer it. Leave it out.")
    if create.previous_response_id and create.conversation:
        raise FrameError("Give previous_response_id or conversation, not both.", param="previous_response_id")
    items = items_in(create.input)
    if not items and not create.previous_response_id and not create.conversation:
        raise FrameError(
            "input is missing. Give a text or a list of items.",
            code=FrameCode.MISSING_PARAMETER,
            param="input",
        )
    check_length(create.instructions or "", "instructions")
    return Asked(body=create, items=items, options=_options(create))


def object_in(body: bytes) -> dict[str, Any]:
    """Raises `FrameError`."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise FrameError("The body is not UTF-8.", code=FrameCode.INVALID_JSON) from None
    value = parse_object(text)
    check_nul(text, value)
    return value


def unsupported(param: str, why: str) -> FrameError:
    return FrameError(f"{param}: {why}", code=FrameCode.UNSUPPORTED_PARAMETER, param=param)


def _options(create: Create) -> ResponseOptions:
    tools = None if create.tools is None else [_flat(tool) for tool in _tools(create.tools)]
    form = (create.text.format if create.text else None) or Format()
    schema = None
    if form.type == "json_schema":
        try:
            schema = answer_schema(form.schema, strict=bool(form.strict))
        except UnusableSchemaError as error:
            raise unsupported("text.format.schema", f"{error}.") from error
    return ResponseOptions(
        instructions=create.instructions,
        tools=tools,
        tool_choice=None if create.tool_choice is None else _choice(create.tool_choice),
        max_output_tokens=create.max_output_tokens,
        metadata=create.metadata,
        answer_schema=schema,
    )


def _tools(given: list[JSON]) -> list[FunctionTool]:
    functions = []
    for index, tool in enumerate(given):
        param = f"tools[{index}]"
        if tool.get("type") == "mcp":
            continue
        if tool.get("type") != "function":
            kind = str(tool.get("type"))[:64]
            raise FrameError(
                f"{param}.type: tools of type {kind!r} are not offered here. {_OFFERED_TOOLS}",
                code=FrameCode.UNSUPPORTED_PARAMETER,
                param=f"{param}.type",
            )
        try:
            functions.append(msgspec.convert(tool, FunctionTool))
        except msgspec.ValidationError as error:
            raise invalid(str(error).replace("`$", f"`$.{param}", 1)) from error
    check_tools(functions, "tools")
    return functions


def _flat(tool: FunctionTool) -> JSON:
    parameters = {"parameters": tool.parameters} if tool.parameters else {}
    return {"type": "function", "name": tool.name, "description": tool.description or "", **parameters}


def _choice(given: Any) -> Any:
    match given:
        case str() if given in _CHOICES:
            return given
        case {"type": "function", "name": str(name)} | {"type": "mcp", "name": str(name)}:
            return {"type": "function", "name": name}
        case _:
            raise FrameError(
                'tool_choice: use "auto", "none", "required" or {"type": "function", "name": "..."}.',
                code=FrameCode.UNSUPPORTED_PARAMETER,
                param="tool_choice",
            )


def echoed(create: Create, *, model: str, conversation: bool, input_ids: list[str]) -> JSON:
    """What the response object repeats, and its options do not say."""
    form = msgspec.to_builtins(create.text.format) if create.text and create.text.format else None
    asked = {
        "background": create.background,
        "store": create.store,
        "previous_response_id": create.previous_response_id,
        "parallel_tool_calls": create.parallel_tool_calls,
        "temperature": create.temperature,
        "top_p": create.top_p,
        "tools": create.tools or None,
        "text": {"format": _without_none(form)} if form else None,
        "model": model or None,
        "conversation": None if conversation else False,
        "input": input_ids or None,
    }
    return _without_none(asked)


def _without_none(value: JSON) -> JSON:
    return {name: one for name, one in value.items() if one is not None}
