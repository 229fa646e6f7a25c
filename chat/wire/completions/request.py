"""The body of ``POST /v1/chat/completions``, as the Responses API would have said it: then it is one and the same request."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chat.errors import FrameError
from chat.llm.provider import JSON
from chat.wire.codes import FrameCode
from chat.wire.realtime.checks import invalid
from chat.wire.responses.request import Asked, asked_by, object_in, unsupported

_REFUSED = (
    "audio", "function_call", "functions", "logit_bias", "logprobs", "modalities", "moderation", "prediction", "stop",
    "top_logprobs", "web_search_options",
)  # fmt: skip
_SAME = ("model", "metadata", "parallel_tool_calls", "temperature", "top_p", "user")


class Function(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    arguments: str = ""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    function: Function


class Message(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[JSON] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str = ""


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    include_usage: bool = False


class Completion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None: not given; an explicit null means the same."""

    model: str | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=1000)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[JSON] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    response_format: JSON | None = None
    metadata: Any = None
    n: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    # Hints: taken, and not followed.
    frequency_penalty: Any = None
    presence_penalty: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    reasoning_effort: Any = None
    safety_identifier: Any = None
    seed: Any = None
    service_tier: Any = None
    store: Any = None
    user: Any = None
    verbosity: Any = None
    # Refused.
    audio: Any = None
    function_call: Any = None
    functions: Any = None
    logit_bias: Any = None
    logprobs: Any = None
    modalities: Any = None
    moderation: Any = None
    prediction: Any = None
    stop: Any = None
    top_logprobs: Any = None
    web_search_options: Any = None


def decode(body: bytes) -> Completion:
    """Raises `FrameError`."""
    try:
        wanted = msgspec.convert(object_in(body), Completion)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error
    for name in _REFUSED:
        if getattr(wanted, name) and not (name == "modalities" and wanted.modalities == ["text"]):
            raise unsupported(name, "this server does not offer it. Leave it out.")
    if wanted.n not in (None, 1):
        raise unsupported("n", "there is one answer to a question. Leave it out.")
    return wanted


def asked_of(wanted: Completion, *, news_only: bool) -> Asked:
    """``news_only``: the session knows what was said up to the last answer. Raises `FrameError`."""
    messages = list(enumerate(wanted.messages))
    if news_only:
        answers = [place for place, one in messages if one.role == "assistant"]
        messages = messages[answers[-1] + 1 :] if answers else messages
    said = [(place, item) for place, message in messages for item in _items(message)]
    value: JSON = {name: given for name in _SAME if (given := getattr(wanted, name)) is not None}
    value["input"] = [item for _, item in said]
    value["max_output_tokens"] = wanted.max_completion_tokens or wanted.max_tokens
    value["tools"] = [_tool(one) for one in wanted.tools or []]
    value["tool_choice"] = _choice(wanted.tool_choice)
    value["text"] = _text(wanted.response_format)
    try:
        return asked_by(value)
    except FrameError as error:
        if error.param:
            param = _named(error.param, wanted, [place for place, _ in said])
            message = error.message.replace(error.param, param)
            for theirs, word in _WORDS.items():
                message = message.replace(theirs, word)
            error.args, error.param = (message,), param
        raise


_WORDS = {"input_image": "image_url", "input_file": "file", "A tool is flat, and its": "Its"}
"""Of the Responses API, and what they are called here."""
_OF_A_SCHEMA = re.compile(r"text\.format\.(?!type$)")
_OF_A_FUNCTION = re.compile(r"(tools\[\d+\])\.(?!type$)")
_OF_AN_ITEM = re.compile(r"input\[(\d+)\](.*)")


def _named(param: str, wanted: Completion, places: Sequence[int]) -> str:
    """A field of the Responses API, as its client has called it; ``places``: of the message that each item was made from."""
    if param == "max_output_tokens":
        return "max_completion_tokens" if wanted.max_completion_tokens else "max_tokens"
    if item := _OF_AN_ITEM.fullmatch(param):
        place = places[int(item[1])]
        return f"messages[{place}]{_of_a_message(item[2], wanted.messages[place].role)}"
    if param == "input":
        return "messages"
    if _OF_A_FUNCTION.match(param):
        return _OF_A_FUNCTION.sub(r"\1.function.", param)
    return _OF_A_SCHEMA.sub("response_format.json_schema.", param).replace("text.format", "response_format")


def _of_a_message(field: str, role: str) -> str:
    if role == "tool":
        return re.sub(r"^\.output", ".content", field).replace(".call_id", ".tool_call_id")
    return field if field.startswith(".content") or role != "assistant" else ".tool_calls"


def _items(message: Message) -> list[JSON]:
    if message.role == "tool":
        return [
            {
                "type": "function_call_output",
                "call_id": message.tool_call_id,
                "output": message.content or "",
            }
        ]
    content = message.content
    parts = content if isinstance(content, str) or not content else [_part(one) for one in content]
    said = [{"role": message.role, "content": parts}] if parts else []
    calls = [
        {
            "type": "function_call",
            "call_id": call.id,
            "name": call.function.name,
            "arguments": call.function.arguments,
        }
        for call in message.tool_calls or []
    ]
    if not said and not calls:
        raise FrameError(
            "The message is empty. Send some text.", code=FrameCode.EMPTY_MESSAGE, param="messages"
        )
    return [*said, *calls]


def _part(part: JSON) -> JSON:
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"type": "input_image", "image_url": url}
        case {"type": "file", "file": dict(file)}:
            return {"type": "input_file", **file}
        case _:
            return part


def _tool(tool: JSON) -> JSON:
    function = tool.get("function")
    return {"type": "function", **function} if isinstance(function, dict) else tool


def _choice(choice: Any) -> Any:
    match choice:
        case {"type": "function", "function": {"name": name}}:
            return {"type": "function", "name": name}
        case _:
            return choice


def _text(form: JSON | None) -> JSON | None:
    match form:
        case None:
            return None
        case {"type": "json_schema", "json_schema": dict(schema)}:
            return {"format": {"type": "json_schema", **schema}}
        case _:
            return {"format": form}
