"""A `ModelRequest` as Gemini takes it: contents, instruction, limits, tools and which of them to use."""

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from google.genai import types

from chat.llm.names import is_tool_name
from chat.llm.provider import (
    JSON,
    AssistantText,
    FileItem,
    HistoryItem,
    ModelRequest,
    OperatorText,
    ToolCallItem,
    ToolResultItem,
    ToolSpec,
    UserText,
    in_rounds,
)
from chat.llm.shaping import (
    Alternation,
    arguments_of,
    call_id,
    marked,
    marks_in,
    object_in,
    own,
    system_texts,
    without_marks,
)

# The history as ``contents``: roles user and model in turns, every signature on the part that it came on.


SKIP_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
"""Documented for calls that the model asked has not made itself; both Google endpoints take it, of the two dummies."""

MAX_DEPTH = 50
"""Deeper JSON travels as text: a protobuf Struct ends at 100, and one refused result would end the session."""


def build_contents(history: Sequence[HistoryItem], *, model: str) -> list[JSON]:
    """The REST API's JSON. Begins and ends with a user's content; neighbours differ in role; no part is empty.

    The calls of one round are answered together and in order in the content right behind them.
    """
    marks = marks_in(history)
    contents = Alternation("parts", text=lambda words: {"text": words})
    for item in in_rounds(history):
        match item:
            case list():
                contents.add("model", _call_parts([call for call, _ in item], model))
                contents.add("user", [_result_part(call, result) for call, result in item])
            case UserText():
                text = without_marks(item.text, marks)
                contents.add("user", [*_files(item.files), *([{"text": text}] if text else [])])
            case OperatorText() if item.text:
                contents.add("user", [{"text": marked(item)}])
            case AssistantText():
                contents.add("model", _text_parts(item, model))
    return contents.closed()


def keep_extra(
    signature: str | None, *, model: str, call_id: str | None, call_name: str | None
) -> JSON | None:
    """What of a part has to come back with it: its signature, the vendor's call id, and the model that gave them.
    ``call_name`` None: it is no call.

    A signature is for the very part that it came on: a call that comes back under another name has none.
    """
    kept: JSON = {}
    if signature and (call_name is None or is_tool_name(call_name)):
        kept["thought_signature"] = signature
        kept["model"] = model
    if call_id:
        kept["id"] = call_id
    return {"gemini": kept} if kept else None


def _files(files: Iterable[FileItem]) -> list[JSON]:
    """Before the words about them, as the guides of all vendors want it."""
    return [{"inlineData": {"mimeType": file.media_type, "data": file.content}} for file in files]


def _text_parts(item: AssistantText, model: str) -> list[JSON]:
    """The text as the vendor cut it. A part with a signature may be empty, and is never joined with another."""
    if not item.parts:
        return [{"text": item.text}] if item.text else []
    parts, start = [], 0
    for part in item.parts:
        text, signature = item.text[start : start + part.length], _signature(part.extra, model)
        start += part.length
        if text or signature:
            parts.append(_signed({"text": text}, signature))
    return parts


def _call_parts(calls: Iterable[ToolCallItem], model: str) -> list[JSON]:
    """The first call of a round needs a signature; one that another model asked for gets the documented dummy."""
    parts = []
    for number, call in enumerate(calls):
        signature = _signature(call.extra, model) or (None if number else SKIP_SIGNATURE)
        function = {
            "id": call_id(call, "gemini"),
            "name": call.name,
            "args": arguments_of(call, max_depth=MAX_DEPTH),
        }
        parts.append(_signed({"functionCall": function}, signature))
    return parts


def _result_part(call: ToolCallItem, result: ToolResultItem) -> JSON:
    key = "error" if result.is_error else "output"
    decoded = object_in(result.output, max_depth=MAX_DEPTH)
    response = {key: result.output if decoded is None or _refers(decoded) else decoded}
    return {"functionResponse": {"id": call_id(call, "gemini"), "name": call.name, "response": response}}


def _refers(value: Any) -> bool:
    """A key ``$ref`` stands for a picture that comes along; without one the API refuses it. As text it is only text."""
    if isinstance(value, dict):
        return "$ref" in value or any(map(_refers, value.values()))
    return isinstance(value, list) and any(map(_refers, value))


def _signed(part: JSON, signature: str | None) -> JSON:
    return {**part, "thoughtSignature": signature} if signature else part


def _signature(extra: JSON | None, model: str) -> str | None:
    """None as well where another model gave it: models do not read each other's signatures and answer 400."""
    return own(extra, "gemini", model).get("thought_signature")


# The request.


PLACEHOLDER = types.Content(role="user", parts=[types.Part(text=".")])
"""What the SDK is given for contents. The real ones travel in ``extra_body``, which replaces it."""


def build_config(
    request: ModelRequest, *, api_version: str | None = None, signed: bool = True
) -> types.GenerateContentConfig:
    """One request, one model round: the SDK neither runs functions nor continues an answer by itself. ``signed``: with the
    model's own signatures.

    The contents bypass the SDK's types: their conversion takes 0.35 ms a message on the event loop's thread, that is
    350 ms for a session of 1,000 messages, against 5 ms as JSON.
    """
    contents = build_contents(request.history, model=request.model if signed else "")
    return types.GenerateContentConfig(
        system_instruction="\n\n".join(system_texts(request)).strip() or None,
        max_output_tokens=request.max_output_tokens,
        tools=[types.Tool(function_declarations=[_declaration(spec) for spec in request.tools])]
        if request.tools
        else None,
        tool_config=_tool_config(request),
        response_mime_type="application/json" if request.answer_schema else None,
        response_json_schema=request.answer_schema,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
        http_options=types.HttpOptions(extra_body={"contents": contents}, api_version=api_version),
    )


def _declaration(spec: ToolSpec) -> types.FunctionDeclaration:
    """JSON Schema as it is. Without a parameter there is none: the API refuses an object without properties."""
    schema = spec.parameters if spec.parameters.get("properties") else None
    return types.FunctionDeclaration(
        name=spec.name, description=spec.description or None, parameters_json_schema=schema
    )


def _tool_config(request: ModelRequest) -> types.ToolConfig | None:
    if not request.tools:
        return None
    names: list[str] | None = None
    match request.tool_choice:
        case "auto":
            mode = types.FunctionCallingConfigMode.AUTO
        case "none":
            mode = types.FunctionCallingConfigMode.NONE
        case "required":
            mode = types.FunctionCallingConfigMode.ANY
        case name:
            mode, names = types.FunctionCallingConfigMode.ANY, [name]
    return types.ToolConfig(
        function_calling_config=types.FunctionCallingConfig(mode=mode, allowed_function_names=names)
    )
