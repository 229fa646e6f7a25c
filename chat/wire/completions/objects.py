"""What OpenAI's Chat Completions API gives: the completion, its chunks, and what of the log they tell."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from chat.wire.http.exchange import event_bytes
from chat.wire.responses import objects as ro
from chat.wire.responses.objects import Response, StreamEvent

Finish = Literal["stop", "length", "tool_calls", "content_filter"]
DONE = b"[DONE]"


class Function(msgspec.Struct, kw_only=True):
    name: str | UnsetType = UNSET
    arguments: str


class ToolCall(msgspec.Struct, kw_only=True):
    index: int | UnsetType = UNSET
    id: str | UnsetType = UNSET
    type: Literal["function"] = "function"
    function: Function


class Message(msgspec.Struct, kw_only=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class Choice(msgspec.Struct, kw_only=True):
    index: Literal[0] = 0
    message: Message
    finish_reason: Finish


class ChunkChoice(msgspec.Struct, kw_only=True):
    index: Literal[0] = 0
    delta: Message
    finish_reason: Finish | None = None


class Usage(msgspec.Struct, kw_only=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(msgspec.Struct, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None


class Chunk(msgspec.Struct, kw_only=True):
    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | UnsetType = UNSET


class Broken(msgspec.Struct, kw_only=True):
    """Why the connection ends before the answer does."""

    code: str
    message: str
    type: str = "invalid_request_error"
    param: str | None = None


class Failure(msgspec.Struct, kw_only=True):
    error: ro.ResponseError | Broken


def completion_id(response: Response) -> str:
    return f"chatcmpl-{response.id}"


def completion(response: Response) -> Completion:
    """Of a response that did not fail. What a server's tool gave is no part of it."""
    texts = [one for one in response.output if isinstance(one, ro.Message)]
    whole = [one for one in texts if one.status == "completed"] or texts
    said = "".join(part.text for one in whole for part in one.content if isinstance(part, ro.OutputText))
    calls = [
        ToolCall(id=one.call_id, function=Function(name=one.name, arguments=one.arguments))
        for one in response.output
        if isinstance(one, ro.FunctionCall)
    ]
    message = Message(role="assistant", content=said or None, tool_calls=calls or UNSET)
    return Completion(
        id=completion_id(response),
        created=response.created_at,
        model=response.model,
        choices=[Choice(message=message, finish_reason=finish_of(response))],
        usage=usage_of(response),
    )


def finish_of(response: Response) -> Finish:
    reason = response.incomplete_details.reason if response.incomplete_details else None
    if reason == "max_output_tokens":
        return "length"
    if reason == "content_filter":
        return "content_filter"
    called = any(isinstance(one, ro.FunctionCall) for one in response.output)
    return "tool_calls" if called else "stop"


def usage_of(response: Response) -> Usage | None:
    used = response.usage
    if used is None:
        return None
    return Usage(
        prompt_tokens=used.input_tokens, completion_tokens=used.output_tokens, total_tokens=used.total_tokens
    )


class Chunks:
    """The chunks that an event of the response's stream makes: data without a name."""

    def __init__(self, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._about = ("", 0, "")
        self._calls: dict[str, int] = {}
        """The index of each call, by its item."""

    def __call__(self, event: StreamEvent) -> bytes:
        told = (one if isinstance(one, bytes) else msgspec.json.encode(one) for one in self._of(event))
        return b"".join(map(event_bytes, told))

    def _of(self, event: StreamEvent) -> list[Chunk | Failure | bytes]:
        match event:
            case ro.Created(response=response):
                self._about = (completion_id(response), response.created_at, response.model)
                return [self._chunk(Message(role="assistant", content=""))]
            case ro.TextDelta(delta=text):
                return [self._chunk(Message(content=text))]
            case ro.ItemAdded(item=ro.FunctionCall() as call):
                index = self._calls.setdefault(call.id, len(self._calls))
                begun = ToolCall(
                    index=index, id=call.call_id, function=Function(name=call.name, arguments="")
                )
                return [self._chunk(Message(tool_calls=[begun]))]
            case ro.FunctionArgumentsDelta():
                more = ToolCall(index=self._calls[event.item_id], function=Function(arguments=event.delta))
                return [self._chunk(Message(tool_calls=[more]))]
            case ro.Failed(response=ro.Response(error=ro.ResponseError() as error)):
                return [Failure(error=error), DONE]
            case ro.ErrorEvent(code=code, message=message, param=param):
                return [Failure(error=Broken(code=code, message=message, param=param))]
            case ro.Completed(response=response) | ro.EndedIncomplete(response=response):
                return [*self._last(response), DONE]
            case _:
                return []

    def _last(self, response: Response) -> list[Chunk]:
        end = self._chunk(Message(), finish=finish_of(response))
        used = usage_of(response)
        if not self._include_usage or used is None:
            return [end]
        id_, created, model = self._about
        return [end, Chunk(id=id_, created=created, model=model, choices=[], usage=used)]

    def _chunk(self, delta: Message, *, finish: Finish | None = None) -> Chunk:
        id_, created, model = self._about
        choice = ChunkChoice(delta=delta, finish_reason=finish)
        return Chunk(id=id_, created=created, model=model, choices=[choice])
