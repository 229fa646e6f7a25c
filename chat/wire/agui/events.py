"""The events of AG-UI 1.0, from the events of a response: a response is a run, each text of it a message, each call one, too.

Two generations of clients are in the field. The older one (npm ``@ag-ui/client`` 0.0.59, inside CopilotKit and assistant-ui)
ends at a word in ``outcome`` that it does not know, so what 1.0 added there is told to those alone that speak it. An optional
field that has nothing to say is left out: ``null`` is fatal to both.
"""

from collections.abc import Collection
from typing import Any

from chat.wire.responses import objects as ro

JSON = dict[str, Any]

PROTOCOL_VERSION = "1.0"
STOPPED = "abort"
"""The code of a run that somebody stopped, for the older generation: what its own ``abortRun()`` says, and its front ends show
no error for."""
NOT_APPROVED = "The tool was not run: its approval was refused."


def result_id(call_id: str) -> str:
    """Of the message with what a tool of the server's gave."""
    return f"{call_id}.result"


def call_events(call_id: str, name: str, arguments: str) -> list[JSON]:
    told = {"type": "TOOL_CALL_ARGS", "toolCallId": call_id, "delta": arguments}
    return [
        {"type": "TOOL_CALL_START", "toolCallId": call_id, "toolCallName": name},
        *([told] if arguments else []),
        {"type": "TOOL_CALL_END", "toolCallId": call_id},
    ]


def result_event(call_id: str, content: str, message_id: str = "") -> JSON:
    return {
        "type": "TOOL_CALL_RESULT",
        "messageId": message_id or result_id(call_id),
        "toolCallId": call_id,
        "content": content,
        "role": "tool",
    }


def run_error(code: str, message: str) -> JSON:
    return {"type": "RUN_ERROR", "message": message, "code": code}


class AguiProjector:
    """Of one response."""

    def __init__(
        self,
        thread_id: str,
        run_id: str,
        *,
        newer: bool,
        denied: Collection[str] = (),
        settled: Collection[str] = (),
        state: Any = None,
    ) -> None:
        """``state``: the client's own, which nothing here changes. ``denied``: the questions that this run answers with no. ``settled``: those that are no questions any more."""
        self._thread_id, self._run_id = thread_id, run_id
        self._newer = newer
        self._denied = sorted(denied)
        self._settled = settled
        self._state = state
        self._calls: dict[str, ro.McpCall] = {}
        self._interrupts: list[JSON] = []
        self._pending: list[str] = []
        """Calls that wait for the client."""
        self._texts: dict[str, JSON] = {}

    def began(self) -> JSON:
        about = {"threadId": self._thread_id, "runId": self._run_id, "protocolVersion": PROTOCOL_VERSION}
        return {"type": "RUN_STARTED", **about}

    def open_texts(self) -> list[JSON]:
        """The beginnings of the messages that go on: for a client that was given what there is of them."""
        return list(self._texts.values())

    def finished(self) -> JSON:
        """For a client that was told what came of it: whether somebody is waited for."""
        return {**self._about("RUN_FINISHED"), "outcome": self._outcome()}

    def events(self, event: ro.StreamEvent) -> list[JSON]:
        match event:
            case ro.TextDelta():
                return [{"type": "TEXT_MESSAGE_CONTENT", "messageId": event.item_id, "delta": event.delta}]
            case ro.Created():
                kept = [{"type": "STATE_SNAPSHOT", "snapshot": self._state}] if self._state else []
                return [
                    self.began(),
                    *kept,
                    *(result_event(question, NOT_APPROVED) for question in self._denied),
                ]
            case ro.ItemAdded(item=item):
                return self._added(item)
            case ro.McpArgumentsDone():
                return self._called(self._calls[event.item_id], event.arguments)
            case ro.ItemDone(item=item):
                return self._done(item)
            case ro.Completed() | ro.EndedIncomplete() | ro.Failed():
                return [self._ended(event.response)]
            case _:
                return []

    def _added(self, item: ro.OutputItem) -> list[JSON]:
        match item:
            case ro.Message():
                person = {"name": item.x_person} if isinstance(item.x_person, str) else {}
                begun = {"type": "TEXT_MESSAGE_START", "messageId": item.id, "role": "assistant", **person}
                self._texts[item.id] = begun
                return [begun]
            case ro.McpCall():
                self._calls[item.id] = item
                return []
            case _:
                return []

    def _called(self, call: ro.McpCall, arguments: str) -> list[JSON]:
        """One that was asked about was told of with the question."""
        return [] if call.approval_request_id else call_events(call.id, call.name, arguments)

    def _done(self, item: ro.OutputItem) -> list[JSON]:
        match item:
            case ro.Message():
                del self._texts[item.id]
                return [{"type": "TEXT_MESSAGE_END", "messageId": item.id}]
            case ro.McpCall():
                return [result_event(item.approval_request_id or item.id, _output_of(item))]
            case ro.FunctionCall():
                self._pending.append(item.id)
                return call_events(item.id, item.name, item.arguments)
            case ro.McpApprovalRequest():
                self._ask(item)
                return call_events(item.id, item.name, item.arguments)

    def _ask(self, item: ro.McpApprovalRequest) -> None:
        if item.id in self._settled:
            return
        asks = {"message": item.x_asks} if isinstance(item.x_asks, str) else {}
        self._interrupts.append({"id": item.id, "reason": "tool_call", "toolCallId": item.id, **asks})

    # Its end

    def _ended(self, response: ro.Response) -> JSON:
        usage = _usage(response)
        told = {"usage": [usage]} if usage else {}
        match response.status:
            case "failed":
                words = response.x_message or (response.error and response.error.message)
                about = run_error(
                    str(response.x_reason or "server_error"), str(words or "The answer failed.")
                )
                return {**about, **told}
            case "cancelled" if not self._newer:
                return {**run_error(STOPPED, str(response.x_message or "The answer was stopped.")), **told}
            case "cancelled" | "incomplete":
                outcome = {"outcome": {"type": "cancelled"}} if self._newer else {}
                why = {"reason": response.x_reason, "message": response.x_message}
                metadata = {name: word for name, word in why.items() if isinstance(word, str)}
                return {**self._about("RUN_FINISHED"), **outcome, "metadata": metadata, **told}
            case _:
                return {**self.finished(), **told}

    def _about(self, kind: str) -> JSON:
        return {"type": kind, "threadId": self._thread_id, "runId": self._run_id}

    def _outcome(self) -> JSON:
        if self._interrupts:
            return {"type": "interrupt", "interrupts": self._interrupts}
        waits = {"pendingToolCallIds": self._pending} if self._pending and self._newer else {}
        return {"type": "success", **waits}


def _output_of(call: ro.McpCall) -> str:
    if call.error is None:
        return call.output or ""
    return " ".join(str(block.get("text", "")) for block in call.error.content)


def _usage(response: ro.Response) -> JSON:
    """A count that is not known stays out."""
    if response.usage is None:
        return {}
    counts = {
        "inputTokens": response.usage.input_tokens,
        "outputTokens": response.usage.output_tokens,
        "totalTokens": response.usage.total_tokens,
        "cachedInputTokens": response.usage.input_tokens_details.cached_tokens,
        "reasoningTokens": response.usage.output_tokens_details.reasoning_tokens,
    }
    known = {name: count for name, count in counts.items() if count}
    provider, _, model = response.model.partition(":")
    return {"provider": provider, "model": model or provider, **known} if known else {}
