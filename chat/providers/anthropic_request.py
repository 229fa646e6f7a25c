"""A `ModelRequest` as Claude takes it: messages, system, limit, tools and which of them to use, and what to cache."""

from chat.conf import conf
from chat.messages import JSON, ModelRequest, ToolCallItem, ToolSpec
from chat.providers.anthropic_messages import build_messages
from chat.providers.staff_marks import marks_in, note_on

_CACHE: JSON = {"type": "ephemeral"}
"""For five minutes from its last use."""


def build_body(request: ModelRequest) -> JSON:
    """The arguments of the SDK's ``messages.create``."""
    body: JSON = {
        "model": request.model,
        "max_tokens": request.max_output_tokens or conf().max_output_tokens,
        "messages": build_messages(request.history, model=request.model),
    }
    if system := _system(request):
        body["system"] = system
    if tools := _tools(request):
        body["tools"] = tools
        body["tool_choice"] = _tool_choice(request)
    return _cached(body) if _goes_on(request) else body


def _system(request: ModelRequest) -> list[JSON]:
    """The note on staff's words is a block of its own, so that a new one leaves the cached instructions as they are."""
    texts = (request.instructions, note_on(marks_in(request.history)))
    return [{"type": "text", "text": text} for text in texts if text.strip()]


def _tools(request: ModelRequest) -> list[JSON]:
    """A history with calls needs tools, or the API refuses it; those that are offered no more are only named."""
    if request.tools:
        return [_tool(spec) for spec in request.tools]
    called = {item.name: None for item in request.history if isinstance(item, ToolCallItem)}
    return [{"name": name, "input_schema": {"type": "object"}} for name in called]


def _tool(spec: ToolSpec) -> JSON:
    described = {"description": spec.description} if spec.description.strip() else {}
    return {"name": spec.name, **described, "input_schema": {"type": "object", **spec.parameters}}


def _tool_choice(request: ModelRequest) -> JSON:
    match request.tool_choice if request.tools else "none":
        case "auto" | "none" as same:
            return {"type": same}
        case "required":
            return {"type": "any"}
        case name:
            return {"type": "tool", "name": name}


def _goes_on(request: ModelRequest) -> bool:
    """Whether another request is likely to begin like this one; writing to the cache costs a quarter more."""
    return bool(request.tools) or len(request.history) > 1


def _cached(body: JSON) -> JSON:
    """Two prefixes: tools and instructions, which all sessions share, and this session's whole conversation."""
    if "system" in body:
        first, *rest = body["system"]
        body["system"] = [{**first, "cache_control": _CACHE}, *rest]
    elif "tools" in body:
        *rest, last = body["tools"]
        body["tools"] = [*rest, {**last, "cache_control": _CACHE}]
    return {**body, "cache_control": _CACHE}
