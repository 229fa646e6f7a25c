"""Chat Completions' wire: the chunks of an answer, as Groq sends them or as a server of the ``compatible`` kind."""

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from tests.fakes.openai_chat_rules import (
    check_request,
    check_room,
    check_short_ids,
    check_signatures,
)
from tests.fakes.openai_script import JSON, Data, ExtraFieldError, Raw, Stream

USAGE: JSON = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
DONE = Raw(b"data: [DONE]\n\n")


class ChatApi:
    """``groq``: its own names of things, else those of vLLM and its like. ``gateway``: what stands before Gemini: it signs
    the first call of a round beside the call and another time in its id, and wants both back; it gives all calls the
    index 0, reasoning in the text, and its counts unasked; it refuses to be asked for them, and one name of the limit.
    ``mistral``: ids of calls have nine characters. ``window``: of tokens, which hold the prompt and the limit of the answer, as vLLM
    counts them.
    """

    path = "/chat/completions"

    def __init__(self, *, groq: bool, gateway: bool = False, mistral: bool = False) -> None:
        self.mistral = mistral
        self.window: int | None = None
        self.wants_reasoning = False
        """As Kimi and DeepSeek do, which think unasked."""
        self.groq = groq
        self.gateway = gateway
        self.limit_field = "max_completion_tokens" if groq or gateway else "max_tokens"
        self.reasoning_given: list[str] = []
        self.signed: dict[tuple[str, str], JSON] = {}
        """What stood beside a call, by the model and the call's id."""

    def check(self, body: Any) -> None:
        if self.gateway and "stream_options" in body:
            raise ExtraFieldError("stream_options")
        if self.gateway and "max_tokens" in body:
            raise ExtraFieldError("max_tokens")
        check_request(
            body,
            limit_field=self.limit_field,
            reasoning_given=self.reasoning_given,
            wanted=self.wants_reasoning,
        )
        check_signatures(body, self.signed)
        if self.mistral:
            check_short_ids(body)
        if self.window is not None:
            check_room(body, body.get(self.limit_field) or 1, self.window)

    def default_answer(self, body: JSON) -> Stream:
        said = [one["content"] for one in body["messages"] if one["role"] == "user"]
        words = f"You said: {said[-1] if said else 'nothing'}"
        if str(body["messages"][0]["content"]).startswith("Summarise"):
            words = json.dumps({"title": "A conversation", "summary": "It was summarised."})
        writer = Writer(body, self)
        pieces = (word if n == 0 else f" {word}" for n, word in enumerate(words.split(" ")))
        return Stream((*writer.begin(), *writer.text(pieces), *writer.end("stop")))


class Writer:
    """Writes one answer to the request ``body``."""

    def __init__(self, body: JSON, api: ChatApi) -> None:
        self._body = body
        self._api = api

    def begin(self) -> Iterator[Data | Raw]:
        if not self._api.groq:
            yield Raw(b": keep-alive\n\n")
        yield self._chunk({"role": "assistant", "content": ""})

    def reasoning(self, text: str) -> Iterator[Data]:
        if self._api.gateway:
            yield from self.text(("<thi", f"nk>{text}</th", "ink>", "\n\n"))
            return
        field = "reasoning" if self._api.groq else "reasoning_content"
        half = len(text) // 2
        for piece in filter(None, (text[:half], text[half:])):
            yield self._chunk({field: piece})

    def text(self, pieces: Iterable[str]) -> Iterator[Data]:
        for piece in pieces:
            yield self._chunk({"content": piece})

    def calls(self, calls: Iterable[tuple[str, str]]) -> Iterator[Data]:
        """Names and arguments. Groq gives each whole; others give the arguments in pieces, by index."""
        if self._api.gateway:
            yield from (self._signed(n, name, arguments) for n, (name, arguments) in enumerate(calls))
            return
        for index, (name, arguments) in enumerate(calls):
            half = 0 if self._api.groq else len(arguments) // 2
            call_id = os.urandom(5).hex()[:9] if self._api.mistral else f"call_{os.urandom(6).hex()}"
            head = {"index": index, "id": call_id, "type": "function"}
            pieces = [arguments[:half], arguments[half:]] if half else [arguments]
            yield self._chunk({"tool_calls": [{**head, "function": {"name": name, "arguments": pieces[0]}}]})
            for piece in pieces[1:]:
                yield self._chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})

    def _signed(self, number: int, name: str, arguments: str) -> Data:
        """Whole, at index 0; the first of a round with its signatures."""
        signature = os.urandom(60).hex()
        call: JSON = {"index": 0, "type": "function", "function": {"name": name, "arguments": arguments}}
        if number == 0:
            call["id"] = f"call_{number}__thought__{signature}"
            call["extra_content"] = {"google": {"thought_signature": signature}}
            self._api.signed[self._body["model"], call["id"]] = call["extra_content"]
        return self._chunk({"tool_calls": [call]})

    def end(self, finish: str, usage: JSON | None = None) -> Iterator[Data | Raw]:
        """Usage comes in a chunk without a choice, and only to those who asked for it; Groq also tells it its own way."""
        wanted = self._body.get("stream_options", {}).get("include_usage")
        last = self._chunk({}, finish)
        if self._api.groq:
            last.body["x_groq"] = {"id": "req_fake", "usage": usage or USAGE}
        if self._api.gateway:
            last.body["usage"] = usage or USAGE
        yield last
        if wanted:
            yield Data({**last.body, "choices": [], "usage": usage or USAGE})
        yield DONE

    def no_call(self, usage: JSON) -> Iterator[Data | Raw]:
        """The model wrote a call that the server cannot read: Groq says so in an error, Gemini's server of this API (and
        who passes it on) in the finish reason."""
        if not self._api.groq:
            yield from self.end("function_call_filter: MALFORMED_FUNCTION_CALL", usage)
            return
        message = (
            "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details."
        )
        error = {
            "message": message,
            "type": "invalid_request_error",
            "code": "tool_use_failed",
            "status_code": 400,
        }
        body = {"error": {**error, "failed_generation": "<function=get_time{"}}
        yield Raw(f"event: error\ndata: {json.dumps(body)}\n\n".encode())

    def _chunk(self, delta: JSON, finish: str | None = None) -> Data:
        return Data(
            {
                "id": "chatcmpl-fake",
                "object": "chat.completion.chunk",
                "created": 1_780_000_000,
                "model": self._body["model"],
                "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
            }
        )
