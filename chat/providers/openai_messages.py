"""A `ModelRequest` as Chat Completions take it, in the shape that the strictest of the servers with this API accept.

Some of them put the messages through a template that wants user and assistant in turns, the user first and last, and
system only at the top; so that is what all are given.
"""

from collections.abc import Sequence
from itertools import groupby

from chat.messages import (
    JSON,
    AssistantText,
    ModelRequest,
    OperatorText,
    ToolCallItem,
    ToolResultItem,
    ToolSpec,
    UserText,
)
from chat.providers.fillers import BEGINNING, CONTINUE, NOTHING_SAID
from chat.providers.openai_words import arguments, call_id, output, own, results_by_call
from chat.providers.staff_marks import marked, marks_in, note_on, without_marks


def build_body(request: ModelRequest, *, provider: str, limit_field: str, counted: bool = True) -> JSON:
    """The request's JSON; ``limit_field`` is the server's name for the limit of output tokens; ``counted``: ask for usage."""
    body: JSON = {
        "model": request.model,
        "messages": [*_system(request), *_messages(request, provider)],
        "stream": True,
    }
    if counted:
        body["stream_options"] = {"include_usage": True}
    if request.max_output_tokens is not None:
        body[limit_field] = request.max_output_tokens
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
        body["tool_choice"] = _tool_choice(request.tool_choice)
    return body


def _tool(spec: ToolSpec) -> JSON:
    function = {"name": spec.name, "description": spec.description, "parameters": spec.parameters}
    return {"type": "function", "function": function}


def _tool_choice(wish: str) -> str | JSON:
    if wish in {"auto", "none", "required"}:
        return wish
    return {"type": "function", "function": {"name": wish}}


def _system(request: ModelRequest) -> list[JSON]:
    """The instructions and, where staff spoke, which words are theirs."""
    text = f"{request.instructions}\n\n{note_on(marks_in(request.history))}".strip()
    return [{"role": "system", "content": text}] if text else []


def _messages(request: ModelRequest, provider: str) -> list[JSON]:
    results = results_by_call(request.history)
    marks = marks_in(request.history)
    messages = _Messages()
    for kind, run in groupby(request.history, key=type):
        if kind is ToolCallItem:
            calls = [item for item in run if isinstance(item, ToolCallItem)]
            messages.call(calls, results, provider, request.model)
            continue
        for item in run:
            match item:
                case UserText():
                    messages.say("user", without_marks(item.text, marks))
                case OperatorText() if item.text:
                    messages.say("user", marked(item))
                case AssistantText():
                    messages.say("assistant", item.text)
    return messages.closed()


class _Messages:
    def __init__(self) -> None:
        self._messages: list[JSON] = []

    def say(self, role: str, text: str) -> None:
        if not text:
            return
        last = self._messages[-1] if self._messages else None
        if last and last["role"] == role and "tool_calls" not in last:
            last["content"] += f"\n\n{text}"
        else:
            self._messages.append({"role": role, "content": text})

    def call(
        self, calls: Sequence[ToolCallItem], results: dict[str, ToolResultItem], provider: str, model: str
    ) -> None:
        """The text of the same round and its calls are one message, their results follow it in order."""
        last = self._messages[-1] if self._messages else None
        if last is None or last["role"] != "assistant" or "tool_calls" in last:
            last = {"role": "assistant", "content": None}
            self._messages.append(last)
        last["tool_calls"] = [_call(call, provider, model) for call in calls]
        last.update(own(calls[0].extra, provider, model).get("reasoning", {}))
        self._messages += [
            {
                "role": "tool",
                "tool_call_id": call_id(call, provider),
                "content": output(results.get(call.call_id)),
            }
            for call in calls
        ]

    def closed(self) -> list[JSON]:
        messages = self._messages
        if not messages:
            self.say("user", NOTHING_SAID)
        if messages[0]["role"] != "user":
            messages.insert(0, {"role": "user", "content": BEGINNING})
        if messages[-1]["role"] == "assistant":
            self.say("user", CONTINUE)
        return messages


def _call(call: ToolCallItem, provider: str, model: str) -> JSON:
    """With what came beside it, to the model that gave it."""
    function = {"name": call.name, "arguments": arguments(call)}
    beside: JSON = own(call.extra, provider, model).get("beside", {})
    return {**beside, "id": call_id(call, provider), "type": "function", "function": function}
