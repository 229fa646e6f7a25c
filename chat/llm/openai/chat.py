"""Groq, and any other server with OpenAI's Chat Completions, e.g. vLLM, Ollama, llama.cpp, OpenRouter, DeepSeek.

Why it is driven so: ``docs/decisions/0010-openai-through-two-apis.md`` and ``0034``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import openai

from chat.errors import ModelUnreachable
from chat.llm.failures import told_by
from chat.llm.names import short_call_id
from chat.llm.openai.learned import Form, Known, Learned
from chat.llm.openai.streaming import OpenAIRound, OpenAIStreaming, Stream
from chat.llm.openai.words import MAX_DEPTH, Counts, Reasoning, ThinkTag, arguments, output, strictly
from chat.llm.prompts import ANSWER_SCHEMA, NOT_ANSWERED
from chat.llm.provider import (
    JSON,
    PDF,
    AnsweredCall,
    AssistantText,
    Completed,
    FileItem,
    FinishReason,
    ModelRequest,
    OperatorText,
    TextDelta,
    ToolCallItem,
    ToolCallRequest,
    ToolSpec,
    Usage,
    UserText,
    in_rounds,
)
from chat.llm.shaping import (
    Alternation,
    marked,
    marks_in,
    object_in,
    own,
    system_texts,
    without_marks,
)
from sessions_app.ids import new_id

# The request, in the shape that the strictest of the servers with this API accept. Some of them put the messages through
# a template that wants user and assistant in turns, the user first and last, and system only at the top; Mistral's wants
# the assistant's word between a tool's and the user's, too.


def build_body(
    request: ModelRequest, *, provider: str, limit_field: str, counted: bool = True, form: Form = Form.SCHEMA
) -> JSON:
    """The request's JSON; ``limit_field`` is the server's name for the limit of output tokens; ``counted``: ask for usage."""
    body: JSON = {
        "model": request.model,
        "messages": [*_system(request, form), *_messages(request, provider)],
        "stream": True,
    }
    if counted:
        body["stream_options"] = {"include_usage": True}
    if request.max_output_tokens is not None:
        body[limit_field] = request.max_output_tokens
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.answer_schema and form:
        schema = {"json_schema": strictly(request.answer_schema)} if form is Form.SCHEMA else {}
        body["response_format"] = {"type": form.value, **schema}
    return body


def _tool(spec: ToolSpec) -> JSON:
    function = {"name": spec.name, "description": spec.description, "parameters": spec.parameters}
    return {"type": "function", "function": function}


def _tool_choice(wish: str) -> str | JSON:
    if wish in {"auto", "none", "required"}:
        return wish
    return {"type": "function", "function": {"name": wish}}


def _system(request: ModelRequest, form: Form) -> list[JSON]:
    texts = system_texts(request)
    if request.answer_schema and form is not Form.SCHEMA:
        texts.append(ANSWER_SCHEMA.format(schema=msgspec.json.encode(request.answer_schema).decode()))
    text = "\n\n".join(texts).strip()
    return [{"role": "system", "content": text}] if text else []


def _messages(request: ModelRequest, provider: str) -> list[JSON]:
    """Without blank texts, such as stand before calls: Claude refuses them, whatever gateway is before it."""
    marks = marks_in(request.history)
    messages = _Messages("content", text=str)
    for item in in_rounds(request.history):
        match item:
            case list():
                messages.call(item, provider, request.model)
            case UserText():
                text = without_marks(item.text, marks)
                messages.add("user", [*map(_file, item.files), *([text] if text.strip() else [])])
            case OperatorText() if item.text.strip():
                messages.add("user", [marked(item)])
            case AssistantText() if item.text.strip():
                messages.add("assistant", [item.text])
    return messages.closed()


class _Messages(Alternation):
    """Their ``content`` is a list of texts until they are closed."""

    def add(self, role: str, parts: Sequence[JSON | str]) -> None:
        if parts and role == "user" and self._messages and self._messages[-1]["role"] == "tool":
            super().add("assistant", [NOT_ANSWERED])
        super().add(role, parts)

    def call(self, calls: list[AnsweredCall], provider: str, model: str) -> None:
        """The text of the same round and its calls are one message, their results follow it in order."""
        last = self._messages[-1] if self._messages else None
        if last is None or last["role"] != "assistant" or "tool_calls" in last:
            last = {"role": "assistant", "content": []}
            self._messages.append(last)
        last["tool_calls"] = [_call(call, provider, model) for call, _ in calls]
        last.update(own(calls[0][0].extra, provider, model).get("reasoning", {}))
        self._messages += [
            {"role": "tool", "tool_call_id": _call_id(call, provider, model), "content": [output(result)]}
            for call, result in calls
        ]

    def closed(self) -> list[JSON]:
        return [{**message, "content": _content(message["content"])} for message in super().closed()]


def _content(parts: list[str | JSON]) -> str | list[JSON] | None:
    """Words alone are one text, which every server takes; parts are for those that read pictures."""
    if any(isinstance(part, dict) for part in parts):
        return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return "\n\n".join(part for part in parts if isinstance(part, str)) or None


def _file(file: FileItem) -> JSON:
    if file.media_type == PDF:
        return {"type": "file", "file": {"filename": file.name, "file_data": file.data_url}}
    return {"type": "image_url", "image_url": {"url": file.data_url}}


def _call(call: ToolCallItem, provider: str, model: str) -> JSON:
    """With what came beside it, to the model that gave it."""
    function = {"name": call.name, "arguments": arguments(call)}
    beside: JSON = own(call.extra, provider, model).get("beside", {})
    return {**beside, "id": _call_id(call, provider, model), "type": "function", "function": function}


def _call_id(call: ToolCallItem, provider: str, model: str) -> str:
    """As this model gave it (older logs do not say which did), however long: gateways hide signatures in it."""
    kept = own(call.extra, provider)
    given = kept.get("id") if kept.get("model", model) == model else None
    return str(given or short_call_id(call.call_id))


# One round: its chunks as our events, and how it ended. For OpenAI's wire and for what others make of it: calls without
# ids or indices, no usage, content in parts, reasoning as a text's beginning, a whole message in the place of deltas.


_FINISH: dict[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "length": FinishReason.MAX_OUTPUT_TOKENS,
    "max_tokens": FinishReason.MAX_OUTPUT_TOKENS,
    "model_length": FinishReason.MAX_OUTPUT_TOKENS,
    "model_context_window_exceeded": FinishReason.MAX_OUTPUT_TOKENS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
    "recitation": FinishReason.CONTENT_FILTER,
    "prohibited_content": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.CONTENT_FILTER,
}
"""In whatever letters; also what gateways pass on of Claude's, Bedrock's and Gemini's own words. Every other is `OTHER` here."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | JSON | None = None


class _CallDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    extra_content: Any = None
    provider_specific_fields: Any = None


class _ContentPart(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Delta(msgspec.Struct):
    content: str | list[_ContentPart] | None = None
    refusal: str | None = None
    reasoning: Any = None
    reasoning_content: Any = None
    reasoning_details: Any = None
    tool_calls: list[_CallDelta] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _Groq(msgspec.Struct):
    usage: Counts | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Counts | None = None
    x_groq: _Groq | None = None


_BESIDE = ("extra_content", "provider_specific_fields")
"""Google's thought signatures, as Google's own endpoint and as LiteLLM hand them on."""


class _Call:
    """A call while its pieces come in."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = ""
        self.beside: JSON = {}
        """What has to come back with it, by its name on the wire."""

    def add(self, delta: _CallDelta) -> None:
        """A name comes whole; servers that repeat it mean the same one."""
        self.id = self.id or delta.id or ""
        for field in _BESIDE:
            if (given := getattr(delta, field)) is not None:
                self.beside[field] = given
        if delta.function:
            self.name = self.name or delta.function.name or ""
            self.arguments += _text_of_arguments(delta.function)

    def ends_before(self, delta: _CallDelta) -> bool:
        """Whether the delta, though it says the same index, begins another call.

        That has another name, or another id and a name (some give every piece an id of its own); or it is named where this
        one is whole (a name may be empty), since some give all calls one index, and one id or none.
        """
        function = delta.function or _Function()
        if self.name and function.name and function.name != self.name:
            return True
        if function.name is not None and delta.id and self.id and delta.id != self.id:
            return True
        repeated = function.name is not None and bool(_text_of_arguments(function))
        return repeated and object_in(self.arguments, max_depth=MAX_DEPTH) is not None


class _Typical(_Chunk):
    type: None = None
    error: None = None


class ChatRound(OpenAIRound[_Typical]):
    _typical = msgspec.json.Decoder(_Typical)

    def __init__(self, *, model: str, provider: str, begins_within: set[str]) -> None:
        """``begins_within``: the models whose texts begin in their reasoning; what this one tells of its own is kept there."""
        super().__init__()
        self._model = model
        self._provider = provider
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._reasoning = Reasoning()
        self._begins_within = begins_within
        self._think = ThinkTag(opened=model in begins_within)
        self._usage = Usage()
        self._finish = ""
        self._refused = False

    @property
    def ended(self) -> bool:
        return bool(self._finish)

    def _event(self, event: JSON) -> Iterator[TextDelta]:
        return self._said(msgspec.convert(event, _Chunk))

    def _said(self, chunk: _Chunk) -> Iterator[TextDelta]:
        told = chunk.usage or (chunk.x_groq.usage if chunk.x_groq else None)
        if told and (usage := told.usage()) != Usage():
            self._usage = usage
        choice = chunk.choices[0] if chunk.choices else None
        if choice is None:
            return
        if delta := choice.delta or choice.message:
            yield from self._delta(delta)
        self._finish = choice.finish_reason or self._finish
        if self._finish:
            yield from self._text(
                self._think.rest(cut=_FINISH.get(self._finish.lower()) is not FinishReason.STOP)
            )
            (self._begins_within.add if self._think.opened else self._begins_within.discard)(self._model)

    def completed(self) -> Iterator[ToolCallRequest | Completed]:
        """The calls, which are whole only now, and the end.

        Raises `ModelUnreachable` for a stream without an end. Calls that were cut off are none.
        """
        if self._finish in {"", "error"}:
            raise ModelUnreachable(cause=f"the stream ended with finish reason {self._finish!r}")
        finish = _FINISH.get(self._finish.lower(), FinishReason.OTHER)
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
        self._reasoning.add(
            reasoning=delta.reasoning,
            reasoning_content=delta.reasoning_content,
            reasoning_details=delta.reasoning_details,
        )
        self._refused = self._refused or bool(delta.refusal)
        for call in delta.tool_calls or ():
            self._add_call(call)
        yield from self._text(self._think.without(_text_of(delta.content)) + (delta.refusal or ""))

    def _text(self, text: str) -> Iterator[TextDelta]:
        if text:
            self.began = True
            yield TextDelta(text)

    def _add_call(self, delta: _CallDelta) -> None:
        """Pieces belong together by their index; where a server leaves it out, a name begins a call. A piece at a new index
        with neither name nor id is the last call's: some give the name of a second call at the first one's index."""
        named = delta.function is not None and delta.function.name
        last = self._calls[-1] if self._calls else None
        if delta.index in self._by_index:
            call: _Call | None = self._by_index[delta.index]
        elif delta.index is not None:
            bare = not delta.id and (delta.function is None or delta.function.name is None)
            call = last if bare else None
        else:
            call = None if named else last
        if call is None or call.ends_before(delta):
            call = _Call()
            self._calls.append(call)
            self.began = True
        if delta.index is not None:
            self._by_index[delta.index] = call
        call.add(delta)

    def _requests(self) -> Iterator[ToolCallRequest]:
        """The first carries the reasoning: DeepSeek and gpt-oss want it back with the calls that it led to. One that comes again
        whole, under its own id, is no second call: some gateways tell all of them once more at the end, at indexes of their own."""
        given: set[str] = set()
        told: set[tuple[str, str, str]] = set()
        for number, call in enumerate(self._calls):
            if call.id and (call.id, call.name, call.arguments) in told:
                continue
            told.add((call.id, call.name, call.arguments))
            kept: JSON = {}
            if call.id and call.id not in given:
                kept |= {"id": call.id, "model": self._model}
                given.add(call.id)
            if call.beside:
                kept |= {"model": self._model, "beside": call.beside}
            if number == 0 and self._reasoning.kept:
                kept |= {"model": self._model, "reasoning": self._reasoning.kept}
            extra = {self._provider: kept} if kept else None
            yield ToolCallRequest(new_id("call"), call.name, call.arguments or "{}", extra)


def _text_of_arguments(function: _Function) -> str:
    given = function.arguments or ""
    return given if isinstance(given, str) else msgspec.json.encode(given).decode()


def _text_of(content: str | list[_ContentPart] | None) -> str:
    if isinstance(content, list):
        return "".join(part.text or "" for part in content if part.type == "text")
    return content or ""


class ChatCompletionsProvider(OpenAIStreaming):
    """``name`` is the provider's, as a model's spec begins; ``api_key`` may be empty, then none is sent."""

    def __init__(
        self,
        name: str,
        *,
        api_key: str,
        base_url: str,
        limit_field: str = "max_tokens",
        counted: bool = True,
    ) -> None:
        super().__init__(api_key=api_key, base_url=base_url)
        self.name = name
        self._learned = Learned(name, limit_field=limit_field, counted=counted)
        self._begins_within: set[str] = set()

    def _round(self, request: ModelRequest) -> ChatRound:
        return ChatRound(model=request.model, provider=self.name, begins_within=self._begins_within)

    async def _ask(self, request: ModelRequest) -> Stream:
        """Asks again where a field was refused that no answer needs, or that the server knows by another name, or whose value is too
        large: without a limit the answer is as long as there is room for, which is less."""
        while True:
            known = self._learned.of(request.model)
            request = self._learned.adapted(request, known)
            body = self._body(request, known)
            try:
                return await self._post("/chat/completions", body)
            except openai.APIStatusError as error:
                told = told_by(error.response)
                if self._learned.learn(request, known, told, asked_for_json="response_format" in body):
                    continue
                if not self._learned.is_limit_too_large(request, told):
                    raise
                request = msgspec.structs.replace(request, max_output_tokens=None)

    def _body(self, request: ModelRequest, known: Known) -> JSON:
        body = build_body(
            request,
            provider=self.name,
            limit_field=self._learned.limit_field(known),
            counted=not known.uncounted,
            form=known.form,
        )
        if known.reasoning_wanted:
            body["messages"] = [_with_reasoning(message) for message in body["messages"]]
        return body


def _with_reasoning(message: JSON) -> JSON:
    return {"reasoning_content": "", **message} if message["role"] == "assistant" else message
