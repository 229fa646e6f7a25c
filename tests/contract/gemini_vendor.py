"""Gemini for the contract: scripts as chunks of ``streamGenerateContent``, its contents as entries."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from chat.llm.gemini.provider import GeminiProvider
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
from tests.fakes import gemini_script as fake
from tests.fakes.gemini_server import GeminiServer
from tests.fakes.http_server import HttpServer

_FINISH = {
    FinishReason.STOP: "STOP",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.MAX_OUTPUT_TOKENS: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.OTHER: "MALFORMED_RESPONSE",
}
_INFO = "type.googleapis.com/google.rpc."
_FAILURES: dict[Failure, fake.HttpError] = {
    Failure.BAD_KEY: fake.HttpError(
        400,
        "INVALID_ARGUMENT",
        "API key not valid.",
        [{"@type": f"{_INFO}ErrorInfo", "reason": "API_KEY_INVALID"}],
    ),
    Failure.NO_MODEL: fake.HttpError(404, "NOT_FOUND", "models/x is not found."),
    Failure.BAD_REQUEST: fake.HttpError(400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    Failure.TOO_LONG: fake.HttpError(
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed.",
    ),
    Failure.QUOTA: fake.HttpError(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    Failure.OVERLOADED: fake.HttpError(503, "UNAVAILABLE", "The model is overloaded."),
    Failure.SERVER_ERROR: fake.HttpError(500, "INTERNAL", "An internal error has occurred."),
}
_OVERLOADED = fake.Raw(
    b'data: {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}\r\n\r\n'
)


class GeminiVendor(Vendor):
    name = "gemini"
    model = "gemini-3.8-flash"
    redacts_thinking = True
    calls_are_text = False
    looks_for_models = 2

    def start(self) -> None:
        self._opaque: list[str] = []
        self.server = GeminiServer(key=self.key)
        self.server.__enter__()

    def stop(self) -> None:
        self.server.__exit__()

    @property
    def url(self) -> str:
        return self.server.url

    def env(self, url: str) -> dict[str, str]:
        return {"GEMINI_API_KEY": self.key, "GOOGLE_GEMINI_BASE_URL": url}

    def provider(self, key: str) -> Provider:
        return GeminiProvider(key)

    def then(self, *scripts: Script) -> None:
        """A model that is not found is looked for in both versions of the API."""
        for script in scripts:
            both = isinstance(script, Fail) and script.failure is Failure.NO_MODEL
            for _ in range(2 if both else 1):
                self.server.then(self._answer(script))

    @property
    def sent(self) -> list[Sent]:
        path = self.server.http.requests[-1].path if self.server.http.requests else ""
        model = path.rpartition("/")[2].partition(":")[0]
        return [_sent(body, model) for body in self.server.requests]

    @property
    def refusals(self) -> list[str]:
        return self.server.refusals

    @property
    def opaque_given(self) -> list[str]:
        return self._opaque

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
        part = {"hologram": {"text": "boo"}, "thoughtLevel": 7}
        content = {"role": "model", "parts": [part], "mood": "new"}
        chunks: list[JSON] = [
            {"candidates": [{"index": 0, "content": content, "mood": {"is": "good"}}]},
            {"hologram": True, "usageMetadata": {"moodTokenCount": 2}},
        ]
        return tuple(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks)

    def whole(self, text: str, call: Call) -> JSON:
        parts = (fake.text(text), fake.call(call.name, json.loads(call.arguments_text), signed=True))
        return fake.Chunk(parts, "STOP", fake.USAGE).body(self.model)

    async def got_request(self) -> None:
        await self.server.got_request()

    async def hung_up_within(self, seconds: float) -> bool:
        return await self.server.hung_up_within(seconds)

    def _answer(self, script: Script) -> fake.Answer:
        match script:
            case Fail():
                return _failure(script)
            case Refuse():
                return fake.reply(fake.Chunk(block="PROHIBITED_CONTENT", usage=fake.USAGE))
            case Reply():
                head: list[fake.Step] = (
                    [fake.Sleep(script.first_byte_after_s)] if script.first_byte_after_s else []
                )
                return fake.Reply((*head, *self._steps(script)), silent_start=bool(head))

    def _steps(self, reply: Reply) -> Iterator[fake.Step]:
        """Gemini's thinking is opaque on the part that it led to: on the first call, else on a last part without text."""
        for thought in reply.thinking:
            if not thought.redacted:
                yield fake.Chunk((fake.text(thought.text, thought=True),))
        for piece in reply.text:
            if reply.pause_s:
                yield fake.Sleep(reply.pause_s)
            yield fake.Chunk((fake.text(piece),))
        if reply.calls:
            yield fake.Chunk(
                tuple(
                    self._noted(fake.call(call.name, json.loads(call.arguments_text), signed=number == 0))
                    for number, call in enumerate(reply.calls)
                )
            )
        elif reply.thinking:
            yield fake.Chunk((self._noted(fake.text("", signed=True)),))
        yield from _ending(reply)

    def _noted(self, part: JSON) -> JSON:
        if signature := part.get("thoughtSignature"):
            self._opaque.append(signature)
        return part


def _failure(script: Fail) -> fake.HttpError:
    usual = _FAILURES[script.failure]
    details = list(usual.details)
    if script.retry_after_s is not None:
        details.append({"@type": f"{_INFO}RetryInfo", "retryDelay": f"{script.retry_after_s:g}s"})
    return fake.HttpError(usual.status, usual.status_name, script.message or usual.message, details)


def _ending(reply: Reply) -> Iterator[fake.Step]:
    match reply.ending:
        case Ending.CLOSED:
            pass
        case Ending.DROPPED:
            yield fake.Drop()
        case Ending.SILENT:
            yield fake.Hang()
        case Ending.OVERLOADED:
            yield _OVERLOADED
        case Ending.NO_CALL:
            yield fake.Chunk(finish="MALFORMED_FUNCTION_CALL", usage=_usage(reply.usage))
        case Ending.GARBLED:
            yield fake.Raw(b"data: {not json\r\n\r\n")
            yield fake.Chunk(finish="STOP")
        case _:
            yield fake.Chunk(finish=_FINISH[reply.finish], usage=_usage(reply.usage))
            yield from _behind(reply.ending)


def _behind(ending: Ending) -> Iterator[fake.Step]:
    match ending:
        case Ending.THEN_SILENT:
            yield fake.Hang()
        case Ending.THEN_ALIVE:
            for _ in range(SIGNS_OF_LIFE):
                yield from (fake.Chunk(usage=fake.USAGE), fake.Sleep(SIGN_OF_LIFE_SECONDS))
        case Ending.THEN_OVERLOADED:
            yield _OVERLOADED
        case Ending.THEN_DROPPED:
            yield fake.Drop()


def _usage(usage: Usage) -> JSON:
    """Gemini counts the thoughts beside the candidates."""
    return {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "cachedContentTokenCount": usage.cached_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }


def _sent(body: JSON, model: str) -> Sent:
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    modes = {"AUTO": "auto", "NONE": "none", "ANY": "required"}
    allowed = calling.get("allowedFunctionNames")
    return Sent(
        body=body,
        model=model,
        instructions="".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", ())),
        entries=[
            entry
            for content in body["contents"]
            for part in content["parts"]
            for entry in _entries(part, content)
        ],
        tools=[one["name"] for tool in body.get("tools", ()) for one in tool["functionDeclarations"]],
        tool_choice=allowed[0] if allowed else modes[calling.get("mode", "AUTO")],
        max_output_tokens=body.get("generationConfig", {}).get("maxOutputTokens"),
    )


def _entries(part: JSON, content: JSON) -> Iterator[Entry]:
    """A part's signature stands before what it signs; in the alphabet in which the server gives them."""
    if signature := part.get("thoughtSignature"):
        yield Entry("opaque", base64.b64encode(base64.b64decode(signature, altchars=b"-_")).decode())
    if call := part.get("functionCall"):
        yield Entry("call", json.dumps(call["args"]), call["id"], call["name"])
    elif result := part.get("functionResponse"):
        kind = "error" if "error" in result["response"] else "result"
        yield Entry(kind, _words(result["response"]), result["id"], result["name"])
    elif blob := part.get("inlineData"):
        yield Entry("file", blob["data"], name=blob["mimeType"])
    elif part.get("text"):
        yield Entry("assistant" if content["role"] == "model" else "user", part["text"])


def _words(response: JSON) -> str:
    value: Any = response.get("error", response.get("output"))
    return value if isinstance(value, str) else json.dumps(value)
