"""A conversation as AG-UI's messages: its events, folded as a client folds them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from chat.wire.agui.events import JSON, NOT_APPROVED, AguiProjector, result_id
from chat.wire.responses import objects as ro
from chat.wire.responses.projector import ResponseProjector
from chat.wire.turns import is_gone
from sessions_app.log import events as ev
from sessions_app.log.lookup import Place

MOST_BYTES = 8_000_000
"""Clients take events of 10 MB; of a longer conversation the end is told."""


def fold(messages: list[JSON], event: JSON) -> None:
    """What a client makes of an event, which has told it of all that the event goes on with."""
    match event["type"]:
        case "TEXT_MESSAGE_START":
            name = {"name": event["name"]} if "name" in event else {}
            messages.append({"id": event["messageId"], "role": "assistant", "content": "", **name})
        case "TEXT_MESSAGE_CONTENT":
            _named(messages, event["messageId"])["content"] += event["delta"]
        case "TOOL_CALL_START":
            messages.append(call_message(event["toolCallId"], event["toolCallName"], ""))
        case "TOOL_CALL_ARGS":
            (call,) = _named(messages, event["toolCallId"])["toolCalls"]
            call["function"]["arguments"] += event["delta"]
        case "TOOL_CALL_RESULT":
            messages.append(result_message(event["messageId"], event["toolCallId"], event["content"]))


def _named(messages: list[JSON], message_id: str) -> JSON:
    return next(message for message in reversed(messages) if message["id"] == message_id)


def call_message(call_id: str, name: str, arguments: str) -> JSON:
    function = {"name": name, "arguments": arguments}
    return {
        "id": call_id,
        "role": "assistant",
        "toolCalls": [{"id": call_id, "type": "function", "function": function}],
    }


def result_message(message_id: str, call_id: str, content: str) -> JSON:
    return {"id": message_id, "role": "tool", "toolCallId": call_id, "content": content}


@dataclass(eq=False)
class Said:
    """A message, or all that a response said."""

    messages: list[JSON]
    item_ids: set[str] = field(default_factory=set)
    aside: bool = False
    """Another answer took its place."""


class Run(Said):
    """A response, as far as its client was told of it."""

    def __init__(self, place: Place, make: Callable[[], AguiProjector]) -> None:
        super().__init__(messages=[])
        self.place = place
        self.frames = ResponseProjector(place.session_id, place.response_id)
        self._make = make
        self.restart()

    def restart(self) -> None:
        """It is told from its beginning."""
        self.messages.clear()
        self.events = self._make()
        self.ended: JSON | None = None
        self._broken_off = False

    def takes_back(self, frame: ro.StreamEvent) -> bool:
        """The next try begins behind what the last one left: nobody is to be shown both."""
        return self._broken_off and isinstance(frame, ro.ItemAdded)

    def tell(self, frame: ro.StreamEvent) -> list[JSON]:
        if self.takes_back(frame):
            self.messages.clear()
            self._broken_off = False
        if isinstance(frame, ro.ItemDone) and isinstance(frame.item, ro.Message):
            self._broken_off = frame.item.status == "incomplete"
        told = self.events.events(frame)
        for event in told:
            fold(self.messages, event)
            if event["type"] in ("RUN_FINISHED", "RUN_ERROR"):
                self.ended = event
        return told


class History:
    """Give it the records of a session in their order; deltas may be left out."""

    def __init__(
        self,
        thread_id: str,
        chosen: set[str] | None,
        *,
        newer: bool,
        run_ids: Mapping[str, str] | None = None,
    ) -> None:
        """``chosen``: the items of the conversation as it goes on now; None: all. ``run_ids``: by response, how the client that
        reads calls it, whatever it was called when it was asked for."""
        self._thread_id, self._newer = thread_id, newer
        self._chosen = chosen
        self._run_ids = run_ids or {}
        self._said: list[Said] = []
        self._runs: dict[str, Run] = {}
        self._open: list[Run] = []
        self._items_of_calls: dict[str, str] = {}
        self._settled: set[str] = set()
        self._gone: set[str] = set()

    @property
    def runs(self) -> list[Run]:
        return [one for one in self._said if isinstance(one, Run)]

    def open_runs(self) -> list[Run]:
        return list(self._open)

    def run_of(self, response_id: str) -> Run | None:
        return self._runs.get(response_id)

    def messages(self) -> list[JSON]:
        return [
            message
            for one in self._said
            if self._is_shown(one)
            for message in one.messages
            if message["id"] not in self._gone
        ]

    def _is_shown(self, said: Said) -> bool:
        if self._chosen is None or not said.item_ids:
            return not said.aside
        return bool(self._chosen & said.item_ids)

    def take(self, record: ev.Record) -> None:
        event = record.event
        match event:
            case ev.ResponseQueued() | ev.ResponseStarted():
                self._begin(event, record)
            case ev.ToolCall():
                self._items_of_calls[event.call_id] = event.item_id
            case ev.ToolApproval() if not event.approve or not event.missing:
                self._settled.add(event.approval_id)
        if is_gone(event, self._chosen):
            self._gone.add(event.item_id)
        if message := self._message_of(event):
            self._said.append(Said([message], {event.new_item_id or ""}))
        run = self._runs.get(getattr(event, "response_id", None) or "")
        if run and event.new_item_id:
            run.item_ids.add(event.new_item_id)
        for one in list(self._open):
            for frame in one.frames.events(record):
                one.tell(frame)
            if one.frames.over:
                self._open.remove(one)

    def _message_of(self, event: ev.Event) -> JSON | None:
        """Of what no response of ours said."""
        match event:
            case ev.UserMessage():
                return {"id": event.item_id, "role": "user", "content": _content_of(event)}
            case ev.OperatorMessage():
                return {"id": event.item_id, "role": "system", "content": event.text}
            case ev.AssistantMessage(response_id=""):
                return {"id": event.item_id, "role": "assistant", "content": event.text}
            case ev.ToolCall(location=ev.Location.HISTORY):
                return call_message(event.item_id, event.name, event.arguments)
            case ev.ToolResult(response_id=None):
                call = self._items_of_calls.get(event.call_id, event.call_id)
                self._settled.add(call)
                return result_message(event.item_id, call, event.output)
            case ev.ToolApproval(approve=False):
                return result_message(result_id(event.approval_id), event.approval_id, NOT_APPROVED)
            case _:
                return None

    def _begin(self, event: ev.ResponseQueued | ev.ResponseStarted, record: ev.Record) -> None:
        if event.response_id in self._runs or event.options.get("conversation") == "none":
            return
        before = self._runs.get(event.retry_of or "")
        if before and isinstance(event, ev.ResponseStarted) and event.attempt > 1:
            self._runs[event.response_id] = before
            return
        if before:
            before.aside = True
        asked = event.options.get("asked") or {}
        run_id = self._run_ids.get(event.response_id) or asked.get("run_id") or event.response_id
        run = Run(
            Place(record.session_id, event.response_id, record.seq),
            lambda: AguiProjector(self._thread_id, run_id, newer=self._newer, settled=self._settled),
        )
        self._runs[event.response_id] = run
        self._said.append(run)
        self._open.append(run)


def _content_of(event: ev.UserMessage) -> str | list[JSON]:
    if not event.files:
        return event.text
    text = [{"type": "text", "text": event.text}] if event.text else []
    return [*text, *map(_file_part, event.files)]


def _file_part(file: ev.FileRef) -> JSON:
    kind = "image" if file.media_type.startswith("image/") else "document"
    source = {"type": "url", "value": f"/api/files/{file.id}", "mimeType": file.media_type}
    return {"type": kind, "source": source}


def snapshot(messages: Sequence[JSON]) -> JSON:
    """Of a conversation that is longer than clients take, the end."""
    size, first = 0, len(messages)
    while first and (size := size + len(msgspec.json.encode(messages[first - 1]))) <= MOST_BYTES:
        first -= 1
    return {"type": "MESSAGES_SNAPSHOT", "messages": list(messages[first:])}
