"""A conversation as the ``UIMessage`` objects that ``useChat`` begins with: its chunks, folded as the client folds them."""

from collections.abc import Sequence

from chat.wire.responses.projector import ResponseProjector
from chat.wire.turns import is_gone
from chat.wire.ui.chunks import JSON, UiProjector
from sessions_app.log import events as ev

VERSION_MARK = "~v"
"""Behind the id of a message that was said anew: the client goes on to call it by its first."""


def as_known(item_id: str) -> str:
    return item_id.partition(VERSION_MARK)[0]


def file_part(file: ev.FileRef) -> JSON:
    return {
        "type": "file",
        "mediaType": file.media_type,
        "filename": file.name,
        "url": f"/api/files/{file.id}",
    }


class Answer:
    """A message of the assistant's, as it grows."""

    def __init__(self, message_id: str) -> None:
        self.message: JSON = {"id": message_id, "role": "assistant", "parts": []}
        self._open: dict[str, JSON] = {}

    def take(self, chunk: JSON) -> None:
        parts: list[JSON] = self.message["parts"]
        match chunk["type"]:
            case "start-step":
                parts.append({"type": "step-start"})
            case "text-start":
                parts.append({"type": "text", "text": "", "state": "streaming"})
                self._open[chunk["id"]] = parts[-1]
            case "text-delta":
                self._open[chunk["id"]]["text"] += chunk["delta"]
            case "text-end":
                self._open[chunk["id"]]["state"] = "done"
            case "tool-input-available":
                parts.append({**_TOOL, "toolName": chunk["toolName"], "toolCallId": chunk["toolCallId"]})
                parts[-1] |= {"state": "input-available", "input": chunk["input"]}
                self._open[chunk["toolCallId"]] = parts[-1]
            case "tool-approval-request":
                self._open[chunk["toolCallId"]] |= {
                    "state": "approval-requested",
                    "approval": {"id": chunk["approvalId"]},
                }
            case "tool-output-available":
                self._open[chunk["toolCallId"]] |= {"state": "output-available", "output": chunk["output"]}
            case "tool-output-error":
                self._open[chunk["toolCallId"]] |= {"state": "output-error", "errorText": chunk["errorText"]}

    def decided(self, event: ev.ToolApproval) -> None:
        part = self._open.get(event.approval_id)
        if part and part["state"] == "approval-requested":
            reason = {"reason": event.reason} if event.reason else {}
            part["approval"] |= {"approved": event.approve, **reason}
            part["state"] = "approval-responded" if event.approve else "output-denied"


_TOOL = {"type": "dynamic-tool", "providerExecuted": True}


class Conversation:
    """Give it all records of a session, in their order."""

    def __init__(self, session_id: str, chosen: set[str] | None) -> None:
        """``chosen``: the items of the conversation as it goes on now; None: all."""
        self._session_id = session_id
        self._chosen = chosen
        self._messages: list[tuple[str, JSON]] = []
        self._answers: dict[str, Answer] = {}
        self._open: dict[str, tuple[ResponseProjector, UiProjector]] = {}
        self._chunks: dict[str, UiProjector] = {}
        """By message: it knows what was asked in it."""
        self._items: dict[str, set[str]] = {}
        self._began: dict[str, int] = {}
        """With which part of its message each response began."""
        self._aside: set[str] = set()
        """Messages whose question was asked again, where no version was ever chosen."""

    def take(self, record: ev.Record) -> None:
        event = record.event
        match event:
            case ev.UserMessage():
                text = [{"type": "text", "text": event.text}] if event.text or not event.files else []
                parts = [*text, *map(file_part, event.files)]
                message = {"id": as_known(event.item_id), "role": "user", "parts": parts}
                self._messages.append((event.item_id, message))
            case ev.ResponseQueued() | ev.ResponseStarted():
                self._begin(event)
            case ev.ToolApproval():
                for answer in self._answers.values():
                    answer.decided(event)
        self._keep_item(event)
        for response_id, (frames, chunks) in list(self._open.items()):
            for frame in frames.events(record):
                for chunk in chunks.chunks(frame):
                    self._answers[response_id].take(chunk)
            if frames.over:
                del self._open[response_id]

    def _begin(self, event: ev.ResponseQueued | ev.ResponseStarted) -> None:
        if event.response_id in self._answers or event.options.get("conversation") == "none":
            return
        answer = self._answers.get(event.continues or "")
        before = self._answers.get(event.retry_of or "")
        if before and isinstance(event, ev.ResponseStarted) and event.attempt > 1:
            self._answers[event.response_id] = before
            self._began[event.response_id] = self._began[event.retry_of or ""]
            return
        if before and before is answer:
            del before.message["parts"][self._began[event.retry_of or ""] :]
        elif before:
            self._aside.add(str(before.message["id"]))
        if answer is None:
            answer = Answer(event.response_id)
            self._messages.append((event.response_id, answer.message))
        self._answers[event.response_id] = answer
        self._began[event.response_id] = len(answer.message["parts"])
        message_id = str(answer.message["id"])
        chunks = self._chunks.setdefault(message_id, UiProjector(message_id))
        self._open[event.response_id] = ResponseProjector(self._session_id, event.response_id), chunks

    def _keep_item(self, event: ev.Event) -> None:
        answer = self._answers.get(getattr(event, "response_id", None) or "")
        if answer and event.new_item_id:
            self._items.setdefault(str(answer.message["id"]), set()).add(event.new_item_id)

    def messages(self) -> list[JSON]:
        return [message for item_id, message in self._messages if self._is_shown(item_id, message)]

    def _is_shown(self, item_id: str, message: JSON) -> bool:
        if message["role"] == "user":
            return self._chosen is None or item_id in self._chosen
        return bool(message["parts"]) and self._is_chosen(message)

    def _is_chosen(self, message: JSON) -> bool:
        """An answer is, where one of what it is made of is."""
        if self._chosen is None:
            return message["id"] not in self._aside
        return any(self._chosen & self._items.get(str(message["id"]), set()))


def conversation_of(session_id: str, records: Sequence[ev.Record], chosen: set[str] | None) -> list[JSON]:
    conversation = Conversation(session_id, chosen)
    gone = {one.event.item_id for one in records if is_gone(one.event, chosen)}
    for record in records:
        if getattr(record.event, "item_id", None) not in gone:
            conversation.take(record)
    return conversation.messages()
