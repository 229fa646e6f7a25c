"""Claude for the contract: scripts as events of the Messages API, its content blocks as entries."""

import json
from collections.abc import Iterator
from dataclasses import replace

from chat.llm.anthropic.provider import AnthropicProvider
from chat.llm.provider import FinishReason, Provider, Usage
from tests.contract.vendor import (
    JSON,
    SIGN_OF_LIFE_SECONDS,
    SIGNS_OF_LIFE,
    Call,
    Ending,
    Entry,
    Fail,
    Failure,
    Refuse,
    Reply,
    Script,
    Sent,
    Vendor,
)
from tests.fakes import anthropic_script as fake
from tests.fakes.anthropic_rules import blocks_of
from tests.fakes.anthropic_server import AnthropicServer
from tests.fakes.http_server import HttpServer

_STOP = {
    FinishReason.STOP: "end_turn",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.MAX_OUTPUT_TOKENS: "max_tokens",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.OTHER: "pause_turn",
}
_CHOICES = {"auto": "auto", "none": "none", "any": "required"}
_FAILURES: dict[Failure, fake.HttpError] = {
    Failure.BAD_KEY: fake.HttpError(401, "authentication_error", "invalid x-api-key"),
    Failure.NO_MODEL: fake.HttpError(404, "not_found_error", "model: claude-0"),
    Failure.BAD_REQUEST: fake.HttpError(400, "invalid_request_error", "messages.0: Something is wrong."),
    Failure.TOO_LONG: fake.HttpError(
        400, "invalid_request_error", "prompt is too long: 205000 tokens > 200000 maximum"
    ),
    Failure.QUOTA: fake.HttpError(429, "rate_limit_error", "This would exceed your rate limit."),
    Failure.OVERLOADED: fake.overloaded(),
    Failure.SERVER_ERROR: fake.HttpError(500, "api_error", "Internal server error"),
}
_WITHIN = (Ending.DROPPED, Ending.SILENT, Ending.GARBLED, Ending.CLOSED, Ending.OVERLOADED)
"""They come in the middle of a text."""


class AnthropicVendor(Vendor):
    name = "anthropic"
    model = "claude-sonnet-5-5"
    redacts_thinking = True

    def start(self) -> None:
        self.server = AnthropicServer(key=self.key)
        self.server.__enter__()

    def stop(self) -> None:
        self.server.__exit__()

    @property
    def url(self) -> str:
        return self.server.url

    def env(self, url: str) -> dict[str, str]:
        return {"ANTHROPIC_API_KEY": self.key, "ANTHROPIC_BASE_URL": url}

    def provider(self, key: str) -> Provider:
        return AnthropicProvider(key)

    def then(self, *scripts: Script) -> None:
        self.server.then(*(_answer(script) for script in scripts))

    @property
    def sent(self) -> list[Sent]:
        return [_sent(body) for body in self.server.requests]

    @property
    def refusals(self) -> list[str]:
        return self.server.refusals

    @property
    def opaque_given(self) -> list[str]:
        return [_seal_of(block) for block in self.server.thoughts]

    @property
    def hits(self) -> int:
        return self.server.hits

    @property
    def connections(self) -> int:
        return self.server.http.connections

    @property
    def http(self) -> HttpServer:
        return self.server.http

    @property
    def novelties(self) -> tuple[bytes, ...]:
        block = {"type": "hologram", "text": {"is": "boo"}, "input": None}
        events: list[JSON] = [
            {"type": "mood", "message": None},
            {"type": "content_block_start", "index": 9, "content_block": block},
            {"type": "content_block_delta", "index": 9, "delta": {"type": "hologram_delta", "text": 7}},
            {"type": "content_block_stop", "index": 9},
        ]
        return tuple(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events)

    def whole(self, text: str, call: Call) -> JSON:
        use = {"type": "tool_use", "id": "toolu_1", "name": call.name}
        return {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": text}, {**use, "input": json.loads(call.arguments_text)}],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 7, "output_tokens": 3},
        }

    async def got_request(self) -> None:
        await self.server.got_request()

    async def hung_up_within(self, seconds: float) -> bool:
        return await self.server.hung_up_within(seconds)


def _answer(script: Script) -> fake.Answer:
    match script:
        case Fail():
            return _failure(script)
        case Refuse():
            details = {"type": "refusal", "category": "general_harms", "explanation": "Not this."}
            return fake.reply(fake.Stop("refusal", details=details))
        case Reply():
            return fake.reply(
                *_steps(script),
                usage={**_usage(script.usage), "output_tokens": 1},
                silence_s=script.first_byte_after_s,
            )


def _failure(script: Fail) -> fake.HttpError:
    usual = _FAILURES[script.failure]
    headers = {} if script.retry_after_s is None else {"retry-after": f"{script.retry_after_s:g}"}
    return fake.HttpError(usual.status, usual.kind, script.message or usual.message, headers)


def _steps(reply: Reply) -> Iterator[fake.Step]:
    for thought in reply.thinking:
        yield fake.Redacted() if thought.redacted else fake.Think(thought.text)
    whole = reply.ending not in _WITHIN or bool(reply.calls)
    if reply.text:
        yield fake.Text(reply.text, whole, reply.pause_s)
    for call in reply.calls:
        yield fake.Use(call.name, ("", call.arguments_text))
    yield from _ending(reply)


def _ending(reply: Reply) -> Iterator[fake.Step]:
    finish = FinishReason.TOOL_CALLS if reply.calls else reply.finish
    stop = fake.Stop(_STOP[finish], _usage(reply.usage))
    match reply.ending:
        case Ending.CLOSED:
            pass
        case Ending.NO_CALL:
            yield fake.Stop("tool_use", _usage(reply.usage))
        case Ending.DROPPED:
            yield fake.Drop()
        case Ending.SILENT:
            yield fake.Hang()
        case Ending.OVERLOADED:
            yield fake.stream_error("overloaded_error", "Overloaded")
        case Ending.GARBLED:
            yield from (fake.Raw(b"event: content_block_delta\ndata: {not json\n\n"), stop)
        case Ending.WHOLE:
            yield stop
        case _:
            yield replace(stop, over=False)
            yield from _behind(reply.ending)


def _behind(ending: Ending) -> Iterator[fake.Step]:
    """Between the stop reason and ``message_stop``, which never comes."""
    match ending:
        case Ending.THEN_SILENT:
            yield fake.Hang()
        case Ending.THEN_ALIVE:
            for _ in range(SIGNS_OF_LIFE):
                yield from (fake.PING, fake.Sleep(SIGN_OF_LIFE_SECONDS))
        case Ending.THEN_OVERLOADED:
            yield fake.stream_error("overloaded_error", "Overloaded")
        case Ending.THEN_DROPPED:
            yield fake.Drop()


def _usage(usage: Usage) -> JSON:
    """Claude counts what the cache gave beside the rest of the input."""
    return {
        "input_tokens": usage.input_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def _sent(body: JSON) -> Sent:
    choice = body.get("tool_choice", {"type": "auto"})
    return Sent(
        body=body,
        model=body["model"],
        instructions="\n\n".join(block["text"] for block in body.get("system", ())),
        entries=[
            _entry(block, message["role"]) for message in body["messages"] for block in blocks_of(message)
        ],
        tools=[tool["name"] for tool in body.get("tools", ())],
        tool_choice=choice["name"] if choice["type"] == "tool" else _CHOICES[choice["type"]],
        max_output_tokens=body["max_tokens"],
    )


def _entry(block: JSON, role: str) -> Entry:
    match block["type"]:
        case "thinking" | "redacted_thinking":
            return Entry("opaque", _seal_of(block))
        case "tool_use":
            return Entry("call", json.dumps(block["input"]), block["id"], block["name"])
        case "tool_result":
            kind = "error" if block.get("is_error") else "result"
            return Entry(kind, block.get("content", ""), block["tool_use_id"])
        case "image" | "document":
            return Entry("file", block["source"]["data"], name=block["source"]["media_type"])
        case _:
            return Entry(role, block["text"])


def _seal_of(block: JSON) -> str:
    seal: str = block["data"] if block["type"] == "redacted_thinking" else block["signature"]
    return seal
