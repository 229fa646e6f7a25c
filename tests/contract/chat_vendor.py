"""Groq and a compatible server for the contract: scripts as chunks of Chat Completions, its messages as entries."""

from collections.abc import Iterator
from functools import partial

from chat.conf import conf
from chat.llm.openai.chat import ChatCompletionsProvider
from chat.llm.provider import FinishReason, Provider, Usage
from tests.contract.openai_wire import OpenAIWire, behind, failure
from tests.contract.vendor import JSON, Call, Ending, Entry, Fail, Refuse, Reply, Script, Sent, file_entry
from tests.fakes.openai_chat_api import ChatApi, Writer
from tests.fakes.openai_script import Answer, Data, Drop, Hang, Raw, Sleep, Step, Stream
from tests.fakes.openai_server import OpenAIServer

REFUSAL = "I'm sorry, but I can't help with that."
_FINISH = {
    FinishReason.STOP: "stop",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.MAX_OUTPUT_TOKENS: "length",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.OTHER: "insufficient_system_resource",
}
_OVERLOADED = Data({"error": {"message": "Overloaded.", "type": "server_error", "code": "server_error"}})
_ALIVE = Data({"choices": []})


class ChatVendor(OpenAIWire):
    refuses_in_words = True
    wants_thinking_back = False
    says_tool_errors = False
    prefix: str
    """Of its variables."""

    def make_server(self) -> OpenAIServer:
        self.api = ChatApi(groq=self.name == "groq")
        return OpenAIServer(self.api, key=self.key, base_path="/openai/v1")

    def env(self, url: str) -> dict[str, str]:
        return {f"{self.prefix}_API_KEY": self.key, f"{self.prefix}_BASE_URL": url}

    def provider(self, key: str) -> Provider:
        return ChatCompletionsProvider(
            self.name,
            api_key=key,
            base_url=getattr(conf(), f"{self.prefix}_BASE_URL".lower()),
            limit_field=self.api.limit_field,
            counted=not self.api.gateway,
        )

    def then(self, *scripts: Script) -> None:
        self.server.then(*(partial(self._answer, script) for script in scripts))

    @property
    def sent(self) -> list[Sent]:
        return [_sent(body) for body in self.server.requests]

    @property
    def opaque_given(self) -> list[str]:
        """The gateway's reasoning stands in the text, and what it wants back, beside its calls."""
        if self.api.gateway:
            return [beside["google"]["thought_signature"] for beside in self.api.signed.values()]
        return self.api.reasoning_given

    @property
    def novelties(self) -> tuple[bytes, ...]:
        delta = {"hologram": {"text": "boo"}, "reasoning": {"mood": 7}, "content": [{"type": "hologram"}]}
        events: list[JSON] = [
            {"object": "chat.completion.hologram", "choices": [], "mood": 1},
            {"choices": [{"index": 0, "delta": delta, "hologram": True, "finish_reason": None}]},
        ]
        return tuple(Data(event).wire() for event in events)

    def whole(self, text: str, call: Call) -> JSON:
        function = {"name": call.name, "arguments": call.arguments_text}
        calls = [{"id": "call_1", "type": "function", "function": function}]
        message = {"role": "assistant", "content": text, "tool_calls": calls}
        return {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3},
        }

    def _answer(self, script: Script, body: JSON) -> Answer:
        writer = Writer(body, self.api)
        match script:
            case Fail():
                return failure(script)
            case Refuse():
                refusal = Data(
                    {"choices": [{"index": 0, "delta": {"refusal": REFUSAL}, "finish_reason": None}]}
                )
                return Stream((*writer.begin(), refusal, *writer.end("stop")))
            case Reply():
                if script.thinking and not self.api.gateway:
                    self.api.reasoning_given.append("".join(thought.text for thought in script.thinking))
                head: list[Step] = [Sleep(script.first_byte_after_s)] if script.first_byte_after_s else []
                return Stream((*head, *_steps(script, writer)), silent_start=bool(head))


class GroqVendor(ChatVendor):
    name = "groq"
    model = "openai/gpt-oss-120b"
    prefix = "GROQ"


class CompatibleVendor(ChatVendor):
    name = "compatible"
    model = "some-org/some-model"
    prefix = "COMPATIBLE"

    def make_server(self) -> OpenAIServer:
        self.api = ChatApi(groq=False, mistral=True)
        return OpenAIServer(self.api, key=self.key, base_path="/openai/v1")


class GatewayVendor(CompatibleVendor):
    """A gateway with Chat Completions before Gemini."""

    title = "gateway"

    def make_server(self) -> OpenAIServer:
        self.api = ChatApi(groq=False, gateway=True)
        return OpenAIServer(self.api, key=self.key, base_path="/openai/v1")

    def env(self, url: str) -> dict[str, str]:
        known = {"COMPATIBLE_LIMIT_FIELD": self.api.limit_field, "COMPATIBLE_STREAM_OPTIONS": "false"}
        return {**super().env(url), **known}


def _steps(reply: Reply, writer: Writer) -> Iterator[Step]:
    yield from writer.begin()
    for thought in reply.thinking:
        yield from writer.reasoning(thought.text)
    for chunk in writer.text(reply.text):
        if reply.pause_s:
            yield Sleep(reply.pause_s)
        yield chunk
    yield from writer.calls((call.name, call.arguments_text) for call in reply.calls)
    yield from _ending(reply, writer)


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
            yield Raw(b"data: {not json\n\n")
            yield from writer.end("stop")
        case Ending.NO_CALL:
            yield from writer.no_call(_usage(reply.usage))
        case _:
            finish = FinishReason.TOOL_CALLS if reply.calls else reply.finish
            steps = list(writer.end(_FINISH[finish], _usage(reply.usage)))
            if reply.ending is Ending.WHOLE:
                yield from steps
                return
            yield from steps[:-1]
            yield from behind(reply.ending, alive=_ALIVE, overloaded=_OVERLOADED)


def _usage(usage: Usage) -> JSON:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _sent(body: JSON) -> Sent:
    messages = body["messages"]
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    choice = body.get("tool_choice", "auto")
    return Sent(
        body=body,
        model=body["model"],
        instructions=system,
        entries=[entry for message in messages for entry in _entries(message)],
        tools=[tool["function"]["name"] for tool in body.get("tools", [])],
        tool_choice=choice if isinstance(choice, str) else choice["function"]["name"],
        max_output_tokens=body.get("max_tokens", body.get("max_completion_tokens")),
    )


def _entries(message: JSON) -> Iterator[Entry]:
    if reasoning := message.get("reasoning", message.get("reasoning_content")):
        yield Entry("opaque", reasoning)
    match message["role"]:
        case "tool":
            yield Entry("result", message["content"], message["tool_call_id"])
        case "user" if isinstance(message["content"], list):
            for part in message["content"]:
                url = part.get("image_url", {}).get("url") or part.get("file", {}).get("file_data")
                yield file_entry(url) if url else Entry("user", part["text"])
        case "user" | "assistant" as role if message["content"]:
            yield Entry(role, message["content"])
    for call in message.get("tool_calls", ()):
        if "extra_content" in call:
            yield Entry("opaque", call["extra_content"]["google"]["thought_signature"])
        yield Entry("call", call["function"]["arguments"], call["id"], call["function"]["name"])
