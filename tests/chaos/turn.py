"""One question, from asking to the end of its answer, as its client sees it."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import uuid4

from sessions_app.log.events import Reason
from sessions_app.log.state import MAX_ATTEMPTS
from tests.chaos.view import Frame

MAY_FAIL = {"drop": "model_unreachable", "hang": "model_timeout", "crash": "internal_error"}
"""Faults of the model, and the code with which the answer then fails."""


def _new_id() -> str:
    return f"mine_{uuid4().hex}"


@dataclass(eq=False)
class Turn:
    """Times are `time.monotonic`'s."""

    text: str
    fault: str = ""
    expected: str | None = None
    """The answer's text, where it is known."""
    message_id: str = field(default_factory=_new_id)
    asks: list[str] = field(default_factory=lambda: [_new_id()])
    """The event_ids of its ``response.create``; a further one each time that the answer broke off for good."""
    asked_at: float = field(default_factory=time.monotonic)
    ended_at: float = 0.0
    acknowledged: bool = False
    response_id: str | None = None
    retries: int = 0
    refusal: str = ""
    overtaken: bool = False
    """Another question was asked while this one was open."""
    end: Frame | None = None
    finished: bool = False
    background: asyncio.Future[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _known: set[str] = field(default_factory=set)

    def unsent(self) -> list[Frame]:
        """What the server has not acknowledged, as it is sent, again or for the first time."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": self.text}]}
        frames: list[Frame] = []
        if not self.acknowledged:
            frames.append({"type": "conversation.item.create", "event_id": self.message_id, "item": item})
        if self.response_id is None:
            frames.append({"type": "response.create", "event_id": self.asks[-1]})
        return frames

    def see(self, frame: Frame) -> None:
        match frame["type"]:
            case "conversation.item.done":
                self.acknowledged |= frame["item"].get("x_client_event_id") == self.message_id
            case "response.created":
                self._created(frame["response"])
            case "response.done" if frame["response"]["id"] == self.response_id:
                self.end, self.ended_at = frame["response"], time.monotonic()
        self.changed.set()

    def _created(self, response: Frame) -> None:
        """A repeat of what is known is nothing new: it is the answer to a ``response.create`` sent again."""
        retry = self.response_id is not None and response.get("x_retry_of") == self.response_id
        if response["id"] in self._known or not (retry or response.get("x_client_event_id") == self.asks[-1]):
            return
        self._known.add(response["id"])
        if (
            not self.acknowledged
        ):  # the message was refused for a while, its response.create was not: asked too early
            self.asks.append(_new_id())
            return
        self.retries += retry
        self.response_id, self.end = response["id"], None

    def see_again(self, frames: Iterable[Frame]) -> None:
        """After some frames were taken back: what is left of what was seen."""
        self.response_id = self.end = None
        self._known.clear()
        for frame in list(frames):
            self.see(frame)

    def ask_again(self) -> None:
        self.asks.append(_new_id())
        self.response_id = self.end = None
        if self.overtaken:  # a ``response.create`` answers what the conversation ends with
            self.expected = None

    @property
    def status(self) -> str:
        return str(self.end["status"]) if self.end else "open"

    @property
    def reason(self) -> str:
        details = (self.end or {}).get("status_details") or {}
        return str(details.get("x_reason", ""))

    @property
    def broken_off(self) -> bool:
        """By the server, which may give the answer again by itself."""
        return self.reason == Reason.INTERRUPTED

    @property
    def given_up(self) -> bool:
        """Rightly: a side effect may have happened, or three tries were cut off."""
        return self.broken_off and (self.fault == "mark" or self.retries + 1 >= MAX_ATTEMPTS)

    @property
    def may_be_asked_again(self) -> bool:
        """There was no database, and the server said that asking again helps."""
        return self.reason == "storage_unavailable"

    @property
    def answered_with_another(self) -> bool:
        """Its ``response.create`` was refused for a while, and the one after it took both messages in."""
        return self.overtaken and self.reason == Reason.NOTHING_NEW

    def answer(self) -> str:
        """The texts of the response that ended it."""
        output = (self.end or {}).get("output", [])
        texts = [part["text"] for item in output if item["type"] == "message" for part in item["content"]]
        return "".join(texts)
