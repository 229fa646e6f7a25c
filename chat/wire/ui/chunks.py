"""The chunks of the AI SDK's UI message stream (npm ``ai`` 7), from the events of the responses that make up an answer.

An answer is one message, under the id of its first response; what an approved tool goes on with is told in the same one.
Tools are ``dynamic`` ones that the provider runs: the client has no types for them, and nothing to do.
"""

import json
from collections.abc import Collection
from typing import Any

from chat.wire.responses import objects as ro

JSON = dict[str, Any]

_FINISH = {"max_output_tokens": "length", "content_filter": "content-filter"}


class UiProjector:
    def __init__(self, message_id: str, *, denied: Collection[str] = (), told_before: bool = False) -> None:
        """``denied``: the questions that were answered with no. ``told_before``: the client has the message as far as they were asked."""
        self._message_id = message_id
        self._denied = set(denied)
        self._told_before = told_before
        self._asked = set(denied) if told_before else set[str]()
        self._begun = False
        self._calls: dict[str, ro.McpCall | ro.FunctionCall] = {}

    def chunks(self, event: ro.StreamEvent) -> list[JSON]:
        match event:
            case ro.TextDelta():
                return [{"type": "text-delta", "id": event.item_id, "delta": event.delta}]
            case ro.Created():
                return [*self._begin(), *self._say_no()]
            case ro.ItemAdded(item=item):
                return self._added(item)
            case ro.McpArgumentsDone() | ro.FunctionArgumentsDone():
                return self._called(event.item_id, event.arguments)
            case ro.ItemDone(item=item):
                return self._done(item)
            case ro.Completed() | ro.EndedIncomplete() | ro.Failed():
                return self._ended(event.response)
            case _:
                return []

    def _begin(self) -> list[JSON]:
        if self._begun:
            return []
        self._begun = True
        return [{"type": "start", "messageId": self._message_id}, {"type": "start-step"}]

    def _say_no(self) -> list[JSON]:
        """No call follows on such a question."""
        now = sorted(self._denied & self._asked)
        self._denied -= self._asked
        return [{"type": "tool-output-denied", "toolCallId": question} for question in now]

    def _added(self, item: ro.OutputItem) -> list[JSON]:
        match item:
            case ro.Message():
                return [{"type": "text-start", "id": item.id}]
            case ro.McpCall() | ro.FunctionCall():
                self._calls[item.id] = item
                return [] if self._knows(item) else [_tool_start(call_id_of(item), item.name)]
            case _:
                return []

    def _called(self, item_id: str, arguments: str) -> list[JSON]:
        call = self._calls[item_id]
        return [] if self._knows(call) else [_tool_input(call_id_of(call), call.name, arguments)]

    def _knows(self, call: ro.McpCall | ro.FunctionCall) -> bool:
        """The client was told of it with the question whether it may run."""
        call_id = call_id_of(call)
        return call_id != call.id and (self._told_before or call_id in self._asked)

    def _done(self, item: ro.OutputItem) -> list[JSON]:
        match item:
            case ro.Message():
                return [{"type": "text-end", "id": item.id}]
            case ro.McpApprovalRequest():
                self._asked.add(item.id)
                asks = {"reason": item.x_asks} if isinstance(item.x_asks, str) else {}
                return [
                    _tool_start(item.id, item.name),
                    _tool_input(item.id, item.name, item.arguments),
                    {"type": "tool-approval-request", "approvalId": item.id, "toolCallId": item.id, **asks},
                ]
            case ro.McpCall():
                return [_tool_output(item)]
            case _:
                return []

    def _ended(self, response: ro.Response) -> list[JSON]:
        if response.status == "failed":
            words = response.x_message or (response.error and response.error.message)
            return [{"type": "error", "errorText": str(words or "The answer failed.")}]
        if response.status == "cancelled":
            return [{"type": "abort", "reason": str(response.x_reason or "cancelled")}]
        return [{"type": "finish-step"}, {"type": "finish", "finishReason": _finish_reason(response)}]


def call_id_of(call: ro.McpCall | ro.FunctionCall) -> str:
    """Under which the client knows it: that of the question whether it may run, where it was asked first."""
    return (call.approval_request_id if isinstance(call, ro.McpCall) else None) or call.id


def _finish_reason(response: ro.Response) -> str:
    if response.status == "incomplete":
        reason = response.incomplete_details.reason if response.incomplete_details else None
        return _FINISH.get(reason or "", "other")
    waits = any(isinstance(item, ro.McpApprovalRequest | ro.FunctionCall) for item in response.output)
    return "tool-calls" if waits else "stop"


def _tool_start(call_id: str, name: str) -> JSON:
    return {"type": "tool-input-start", "toolCallId": call_id, "toolName": name, **_OURS}


def _tool_input(call_id: str, name: str, arguments: str) -> JSON:
    return {
        "type": "tool-input-available",
        "toolCallId": call_id,
        "toolName": name,
        "input": parsed(arguments),
        **_OURS,
    }


def _tool_output(call: ro.McpCall) -> JSON:
    about = {"toolCallId": call_id_of(call), **_OURS}
    if call.error is None:
        return {"type": "tool-output-available", "output": parsed(call.output or ""), **about}
    words = " ".join(str(block.get("text", "")) for block in call.error.content)
    return {"type": "tool-output-error", "errorText": words, **about}


def parsed(text: str) -> Any:
    """JSON as what it says; whatever else as its text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


_OURS = {"dynamic": True, "providerExecuted": True}
