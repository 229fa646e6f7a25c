"""OpenAI for the contract: scripts as events of the Responses API, its items as entries."""

from collections.abc import Iterator
from functools import partial

from chat.llm.openai.responses import OpenAIProvider
from chat.llm.provider import FinishReason, Provider, Usage
from tests.contract.openai_wire import OpenAIWire, behind, failure
from tests.contract.vendor import JSON, Call, Ending, Entry, Fail, Refuse, Reply, Script, Sent, file_entry
from tests.fakes.openai_responses_api import ResponsesApi, Writer
from tests.fakes.openai_script import Answer, Data, Drop, Hang, Raw, Sleep, Step, Stream
from tests.fakes.openai_server import OpenAIServer

REFUSAL = "I'm sorry, but I can't help with that."
_OVERLOADED = Data(
    {"type": "error", "code": "server_error", "message": "The server had an error.", "param": None}
)
_ALIVE = Data({"type": "response.in_progress"})
_WITHIN = (Ending.DROPPED, Ending.SILENT, Ending.GARBLED, Ending.CLOSED, Ending.OVERLOADED)
"""They come in the middle of a text."""


class OpenAIVendor(OpenAIWire):
    name = "openai"
    model = "gpt-5.5"
    refuses_in_words = True
    redacts_thinking = True
    says_tool_errors = False

    def make_server(self) -> OpenAIServer:
        self._opaque: list[str] = []
        return OpenAIServer(ResponsesApi(), key=self.key)

    def env(self, url: str) -> dict[str, str]:
        return {"OPENAI_API_KEY": self.key, "OPENAI_BASE_URL": url}

    def provider(self, key: str) -> Provider:
        return OpenAIProvider(key)

    def then(self, *scripts: Script) -> None:
        self.server.then(*(partial(self._answer, script) for script in scripts))

    @property
    def sent(self) -> list[Sent]:
        return [_sent(body) for body in self.server.requests]

    @property
    def opaque_given(self) -> list[str]:
        return self._opaque

    @property
    def novelties(self) -> tuple[bytes, ...]:
        item = {"type": "hologram", "id": "h", "content": 7, "name": None}
        events: list[JSON] = [
            {"type": "response.hologram.delta", "delta": {"text": "boo"}},
            {"type": "response.output_item.added", "output_index": 9, "item": item},
            {"type": "response.output_item.done", "output_index": 9, "item": item},
        ]
        return tuple(Data(event).wire() for event in events)

    def whole(self, text: str, call: Call) -> JSON:
        function = {"type": "function_call", "call_id": "call_1", "name": call.name}
        return {
            "object": "response",
            "status": "completed",
            "error": None,
            "output": [
                {"type": "reasoning", "id": "rs_1", "content": [{"type": "reasoning_text", "text": "Hm."}]},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": text}],
                },
                {**function, "arguments": call.arguments_text, "status": "completed"},
            ],
            "usage": {"input_tokens": 7, "output_tokens": 3},
        }

    def _answer(self, script: Script, body: JSON) -> Answer:
        writer = Writer(body)
        match script:
            case Fail():
                return failure(script)
            case Refuse():
                steps: list[Step] = [*writer.begin(), *writer.message([REFUSAL], refusal=True), *writer.end()]
                return Stream(tuple(steps))
            case Reply():
                head: list[Step] = [Sleep(script.first_byte_after_s)] if script.first_byte_after_s else []
                steps = [*head, *_steps(script, writer)]
                self._opaque += writer.opaque
                return Stream(tuple(steps), silent_start=bool(head))


def _steps(reply: Reply, writer: Writer) -> Iterator[Step]:
    yield from writer.begin()
    for thought in reply.thinking:
        yield from writer.reasoning("" if thought.redacted else thought.text)
    if reply.text:
        for event in writer.message(reply.text):
            if event.body["type"].endswith(".delta") and reply.pause_s:
                yield Sleep(reply.pause_s)
            if _is_message_end(event) and reply.ending in _WITHIN:
                break
            yield event
    for call in reply.calls:
        yield from writer.call(call.name, call.arguments_text)
    yield from _ending(reply, writer)


def _is_message_end(event: Data) -> bool:
    return str(event.body["type"]).endswith((".done", "part.done"))


def _ending(reply: Reply, writer: Writer) -> Iterator[Step]:
    match reply.ending:
        case Ending.CLOSED:
            pass
        case Ending.DROPPED:
            yield Drop()
        case Ending.SILENT:
            yield Hang()
        case Ending.OVERLOADED:
            yield _OVERLOADED
        case Ending.GARBLED:
            yield Raw(b"event: response.output_text.delta\ndata: {not json\n\n")
            yield from writer.end()
        case Ending.NO_CALL:
            yield from writer.call("get_time", '{"zone": ', status="incomplete")
            yield from writer.end(usage=_usage(reply.usage))
        case _:
            yield from _whole(reply, writer)
            yield from behind(reply.ending, alive=_ALIVE, overloaded=_OVERLOADED)


def _whole(reply: Reply, writer: Writer) -> Iterator[Step]:
    usage = _usage(reply.usage)
    match reply.finish:
        case FinishReason.STOP | FinishReason.TOOL_CALLS:
            yield from writer.end(usage=usage)
        case FinishReason.OTHER:
            yield from writer.end("incomplete", usage=usage, reason="steered")
        case reason:
            yield from writer.end("incomplete", usage=usage, reason=reason.value)


def _usage(usage: Usage) -> JSON:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _sent(body: JSON) -> Sent:
    choice = body.get("tool_choice", "auto")
    return Sent(
        body=body,
        model=body["model"],
        instructions=body.get("instructions", ""),
        entries=[entry for item in body["input"] for entry in _entries(item)],
        tools=[tool["name"] for tool in body.get("tools", [])],
        tool_choice=choice if isinstance(choice, str) else choice["name"],
        max_output_tokens=body.get("max_output_tokens"),
    )


def _entries(item: JSON) -> Iterator[Entry]:
    """A message in parts is an entry for each of them."""
    if isinstance(content := item.get("content"), list) and item["type"] == "message":
        for part in content:
            url = part.get("image_url") or part.get("file_data")
            yield file_entry(url) if url else Entry(item["role"], part["text"])
    else:
        yield _entry(item)


def _entry(item: JSON) -> Entry:
    match item["type"]:
        case "function_call":
            return Entry("call", item["arguments"], item["call_id"], item["name"])
        case "function_call_output":
            return Entry("result", item["output"], item["call_id"])
        case "reasoning":
            return Entry("opaque", item["encrypted_content"])
        case _:
            return Entry("operator" if item["role"] == "developer" else item["role"], item["content"])
