"""The Responses API's wire: the events of an answer in their order, with all that the real ones carry."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.fakes.openai_reasoning import call_id_after, reasoning_item
from tests.fakes.openai_responses_rules import check_request, reasons
from tests.fakes.openai_script import JSON, Data, Stream

USAGE: JSON = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 10,
}


class ResponsesApi:
    path = "/responses"

    def check(self, body: Any) -> None:
        check_request(body)

    def default_answer(self, body: JSON) -> Stream:
        said = [item["content"] for item in body["input"] if item.get("role") == "user"]
        words = f"You said: {said[-1] if said else 'nothing'}"
        if str(body.get("instructions", "")).startswith("Summarise"):
            words = json.dumps({"title": "A conversation", "summary": "It was summarised."})
        return Stream(tuple(Writer(body).whole(*words.split(" "))))


class Writer:
    """Writes one answer to the request ``body``; each method gives the events of one item."""

    def __init__(self, body: JSON) -> None:
        self._model: str = body["model"]
        self._include = "reasoning.encrypted_content" in body.get("include", [])
        self._number = 0
        self._output: list[JSON] = []
        self._reasoning: JSON | None = None
        self.opaque: list[str] = []
        """The encrypted contents handed out."""

    def whole(self, *words: str) -> Iterator[Data]:
        """A complete answer of one message."""
        yield from self.begin()
        yield from self.message([word if n == 0 else f" {word}" for n, word in enumerate(words)])
        yield from self.end()

    def begin(self) -> Iterator[Data]:
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self._response("in_progress"))

    def reasoning(self, summary: str) -> Iterator[Data]:
        """As the real one: what stands in ``added`` is not yet whole."""
        if not reasons(self._model):
            return
        item = reasoning_item(self._model, summary)
        encrypted = item.pop("encrypted_content")
        kept = {"encrypted_content": encrypted} if self._include else {}
        yield self._added({**item, "summary": [], **({"encrypted_content": "gAAA"} if kept else {})})
        if kept:
            self.opaque.append(encrypted)
            self._reasoning = item
        yield self._done({**item, **kept})

    def message(
        self, pieces: Sequence[str], *, refusal: bool = False, phase: str | None = None
    ) -> Iterator[Data]:
        item: JSON = {"id": f"msg_{self._number}", "type": "message", "role": "assistant"}
        if phase:
            item["phase"] = phase
        yield self._added({**item, "status": "in_progress", "content": []})
        kind, field = ("refusal", "refusal") if refusal else ("output_text", "text")
        part: JSON = {"type": kind, field: ""} | ({} if refusal else {"annotations": []})
        where = {"item_id": item["id"], "output_index": len(self._output), "content_index": 0}
        yield self._event("response.content_part.added", **where, part=part)
        for piece in pieces:
            yield self._event(f"response.{kind}.delta", **where, delta=piece, logprobs=[])
        text = "".join(pieces)
        yield self._event(f"response.{kind}.done", **where, **{field: text})
        yield self._event("response.content_part.done", **where, part={**part, field: text})
        self._reasoning = None
        yield self._done({**item, "status": "completed", "content": [{**part, field: text}]})

    def call(self, name: str, arguments: str, *, status: str = "completed") -> Iterator[Data]:
        item: JSON = {
            "id": f"fc_{self._number}",
            "type": "function_call",
            "call_id": call_id_after(self._reasoning),
            "name": name,
        }
        yield self._added({**item, "status": "in_progress", "arguments": ""})
        where = {"item_id": item["id"], "output_index": len(self._output)}
        half = len(arguments) // 2
        for piece in filter(None, (arguments[:half], arguments[half:])):
            yield self._event("response.function_call_arguments.delta", **where, delta=piece)
        yield self._event("response.function_call_arguments.done", **where, arguments=arguments)
        yield self._done({**item, "status": status, "arguments": arguments})

    def end(
        self, status: str = "completed", *, usage: JSON | None = None, reason: str | None = None
    ) -> Iterator[Data]:
        response = self._response(status)
        response["usage"] = usage or USAGE
        response["incomplete_details"] = {"reason": reason} if reason else None
        yield self._event(f"response.{status}", response=response)

    def fail(self, code: str, message: str) -> Iterator[Data]:
        error = {"code": code, "message": message}
        yield self._event("response.failed", response={**self._response("failed"), "error": error})

    def _added(self, item: JSON) -> Data:
        return self._event("response.output_item.added", output_index=len(self._output), item=item)

    def _done(self, item: JSON) -> Data:
        event = self._event("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)
        return event

    def _event(self, kind: str, **fields: Any) -> Data:
        self._number += 1
        return Data({"type": kind, "sequence_number": self._number - 1, **fields})

    def _response(self, status: str) -> JSON:
        return {
            "id": "resp_fake",
            "object": "response",
            "created_at": 1_780_000_000,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": list(self._output),
            "parallel_tool_calls": True,
            "store": False,
            "usage": None,
        }
