"""What one client was shown of one session, and what is wrong with that by itself."""

from dataclasses import dataclass, field
from typing import Any

from chat.wire.realtime.projector import parse_event_id

Frame = dict[str, Any]
Place = tuple[int, float]

_STORED = {"conversation.item.done", "response.done"}
"""Frames that promise that their event is stored: none of them may ever be taken back."""


@dataclass
class View:
    """Frames in the order of their arrival; only those with a place in the session's stream."""

    session_id: str
    start: str = ""
    """The event_id after which the client was shown everything."""
    frames: dict[str, Frame] = field(default_factory=dict)
    truncations: int = 0
    repeated: list[str] = field(default_factory=list)
    unkept: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def last_event_id(self) -> str:
        return next(reversed(self.frames), self.start)

    def take(self, frame: Frame) -> bool:
        """Keep a frame of the stream; False for an answer to one socket, which has no place in it."""
        event_id: str = frame["event_id"]
        if not event_id.startswith("event_"):
            return False
        if event_id in self.frames:
            self.repeated.append(f"{event_id} came twice")
        elif self.place(event_id) <= self.place(self.last_event_id):
            self.wrong.append(f"{event_id} came after {self.last_event_id}")
        self.frames[event_id] = frame
        return True

    def greeted(self, created: Frame, *, asked_for: str | None) -> None:
        """Take the place that ``session.created`` names; ``asked_for`` is the one that the client gave."""
        stream = created["x_stream"]
        if asked_for is None:
            self.start = stream["last_event_id"]
        elif "truncated_to" in stream:
            self.truncate(stream["truncated_to"])
        elif stream["last_event_id"] != asked_for or not stream["resumed"]:
            self.wrong.append(f"resume after {asked_for} was answered with {stream}")

    def truncate(self, to: str) -> None:
        self.truncations += 1
        kept = self.place(to)
        if kept < self.place(self.start):  # nothing but who came and went, which no frame tells
            self.start = to
        for event_id in [one for one in self.frames if self.place(one) > kept]:
            frame = self.frames.pop(event_id)
            if frame["type"] in _STORED:
                self.unkept.append(f"{event_id}, a {frame['type']}, was taken back, and had been promised")

    def place(self, event_id: str) -> Place:
        cursor = parse_event_id(self.session_id, event_id)
        return cursor.seq, float("inf") if cursor.index is None else float(cursor.index)

    def texts(self) -> dict[str, str]:
        """Per item of an answer, the joined deltas."""
        texts: dict[str, str] = {}
        for frame in self.frames.values():
            if frame["type"] == "response.output_text.delta":
                texts[frame["item_id"]] = texts.get(frame["item_id"], "") + frame["delta"]
        return texts
