"""One round of Chat Completions: its chunks as our events, and how it ended.

Written for OpenAI's wire and for what others make of it: calls without ids or indices, no usage, content in parts.
"""

from collections.abc import Iterator

import msgspec

from chat.errors import ModelUnreachable
from chat.messages import JSON, Completed, FinishReason, TextDelta, ToolCallRequest, Usage
from sessions_app.ids import new_id

_FINISH: dict[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "length": FinishReason.MAX_OUTPUT_TOKENS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
"""Every other word of a vendor's is `OTHER` here."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | JSON | None = None


class _CallDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _ContentPart(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Delta(msgspec.Struct):
    content: str | list[_ContentPart] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_CallDelta] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Groq(msgspec.Struct):
    usage: _Usage | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    x_groq: _Groq | None = None


class _Call:
    """A call while its pieces come in."""

    def __init__(self, id_: str | None) -> None:
        self.id = id_
        self.name = ""
        self.arguments = ""

    def add(self, function: _Function) -> None:
        """A name comes whole; servers that repeat it mean the same one."""
        self.name = self.name or function.name or ""
        given = function.arguments or ""
        self.arguments += given if isinstance(given, str) else msgspec.json.encode(given).decode()


class ChatRound:
    """Feed it every chunk, then ask how it ended."""

    def __init__(self, *, model: str, provider: str) -> None:
        self._model = model
        self._provider = provider
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._reasoning: JSON = {}
        self._usage = Usage()
        self._finish = ""
        self._refused = False
        self.began = False

    @property
    def ended(self) -> bool:
        return bool(self._finish)

    def read(self, event: JSON) -> Iterator[TextDelta]:
        chunk = msgspec.convert(event, _Chunk)
        if usage := chunk.usage or (chunk.x_groq.usage if chunk.x_groq else None):
            self._usage = _usage(usage)
        choice = chunk.choices[0] if chunk.choices else None
        if choice is None:
            return
        if choice.delta:
            yield from self._delta(choice.delta)
        self._finish = choice.finish_reason or self._finish

    def completed(self) -> Iterator[ToolCallRequest | Completed]:
        """The calls, which are whole only now, and the end.

        Raises `ModelUnreachable` for a stream without an end. Calls that were cut off are none.
        """
        if self._finish in {"", "error"}:
            raise ModelUnreachable(cause=f"the stream ended with finish reason {self._finish!r}")
        finish = _FINISH.get(self._finish, FinishReason.OTHER)
        if finish in {FinishReason.STOP, FinishReason.TOOL_CALLS} and self._calls:
            yield from self._requests()
            yield Completed(FinishReason.TOOL_CALLS, self._usage)
        elif finish is FinishReason.STOP and self._refused:
            yield Completed(FinishReason.CONTENT_FILTER, self._usage, "refusal")
        elif finish is FinishReason.STOP:
            yield Completed(finish, self._usage)
        elif finish is FinishReason.TOOL_CALLS:
            yield Completed(FinishReason.OTHER, self._usage, "tool_calls_without_a_call")
        else:
            yield Completed(finish, self._usage, self._finish)

    def _delta(self, delta: _Delta) -> Iterator[TextDelta]:
        for field in ("reasoning", "reasoning_content"):
            if piece := getattr(delta, field):
                self._reasoning[field] = self._reasoning.get(field, "") + piece
        self._refused = self._refused or bool(delta.refusal)
        for call in delta.tool_calls or ():
            self._add_call(call)
        if text := _text_of(delta.content) + (delta.refusal or ""):
            self.began = True
            yield TextDelta(text)

    def _add_call(self, delta: _CallDelta) -> None:
        """Pieces belong together by their index.

        Some servers leave it out, then a name begins a call; or they say 0 for all and change the id.
        """
        if delta.index is not None:
            call = self._by_index.get(delta.index)
        else:
            named = delta.function is not None and delta.function.name
            call = self._calls[-1] if self._calls and not named else None
        if call is None or (delta.id and call.id and delta.id != call.id):
            call = _Call(delta.id)
            self._calls.append(call)
            self.began = True
        if delta.index is not None:
            self._by_index[delta.index] = call
        call.id = call.id or delta.id
        if delta.function:
            call.add(delta.function)

    def _requests(self) -> Iterator[ToolCallRequest]:
        """The first carries the reasoning: DeepSeek and gpt-oss want it back with the calls that it led to."""
        given: set[str] = set()
        for number, call in enumerate(self._calls):
            kept: JSON = {}
            if call.id and call.id not in given:
                kept["id"] = call.id
                given.add(call.id)
            if number == 0 and self._reasoning:
                kept |= {"model": self._model, "reasoning": self._reasoning}
            extra = {self._provider: kept} if kept else None
            yield ToolCallRequest(new_id("call"), call.name, call.arguments or "{}", extra)


def _text_of(content: str | list[_ContentPart] | None) -> str:
    if isinstance(content, list):
        return "".join(part.text or "" for part in content if part.type == "text")
    return content or ""


def _usage(given: _Usage) -> Usage:
    cached, reasoning = given.prompt_tokens_details, given.completion_tokens_details
    return Usage(
        input_tokens=given.prompt_tokens or 0,
        output_tokens=given.completion_tokens or 0,
        cached_tokens=(cached.cached_tokens if cached else None) or 0,
        reasoning_tokens=(reasoning.reasoning_tokens if reasoning else None) or 0,
    )
