"""A server in the test's hands: the page's socket ends here, and real frames come out of the events that a test logs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, WebSocketRoute

from chat.wire.codes import CloseCode
from chat.wire.realtime.projector import Cursor, RealtimeProjector, event_id, parse_event_id
from chat.wire.realtime.server import encode
from sessions_app.log import events as ev

Frame = dict[str, Any]
BEGAN_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def frames_of(records: list[ev.Record]) -> list[Frame]:
    """All frames of a session's log."""
    if not records:
        return []
    projector = RealtimeProjector(records[0].session_id)
    return [json.loads(encode(frame)) for record in records for frame in projector.frames(record)]


class ScriptedServer:
    """Answers every socket of the page. Sequenced frames, resume and acknowledgements are as the real server's."""

    def __init__(self, page: Page, session_id: str = "scripted") -> None:
        self.session_id = session_id
        self.records: list[ev.Record] = []
        self.sockets: list[WebSocketRoute] = []
        self.received: list[Frame] = []
        """What clients sent, over all connections."""
        self.cursors: list[str] = []
        """The ``last_event_id`` of each connection, empty for one without."""
        self.refuse_with: int | None = None
        """Close new connections with this code before they are greeted."""
        self.refuse_error: Frame | None = None
        self.has_lost_sessions = False
        """Refuse connections to a session that should exist."""
        self.is_silent = False
        """Pings are not answered, as on a line that swallows everything."""
        self.overlap = 0
        """So many frames that the client has are sent again."""
        self.truncated_to: int | None = None
        page.route_web_socket("**/ws/session*", self._connected)

    @property
    def path(self) -> str:
        return f"/s/{self.session_id}"

    def log(self, *events: ev.Event) -> None:
        """The events happen now: their frames go to the open socket."""
        start = len(frames_of(self.records))
        for event in events:
            seq = len(self.records) + 1
            self.records.append(ev.Record(self.session_id, seq, BEGAN_AT + timedelta(seconds=seq), event))
        self._send_all(frames_of(self.records)[start:])

    def send(self, frame: Frame) -> None:
        self.sockets[-1].send(json.dumps(frame))

    def drop(self, code: int = 1012, reason: str = "") -> None:
        self.sockets[-1].close(code=code, reason=reason)

    def messages(self) -> list[Frame]:
        return [frame for frame in self.received if frame["type"] == "conversation.item.create"]

    def wishes(self) -> list[Frame]:
        return [frame for frame in self.received if frame["type"] == "response.create"]

    def accept(self, message: Frame) -> None:
        """Commit a client's message."""
        text = message["item"]["content"][0]["text"]
        self.log(
            ev.UserMessage(item_id=message["item"]["id"], text=text, client_event_id=message["event_id"])
        )

    def begin(self, wish: Frame, response_id: str = "resp_1") -> None:
        self.log(
            ev.ResponseStarted(
                response_id=response_id,
                provider="demo",
                model="demo",
                client_event_id=wish["event_id"],
                retry_of=wish.get("response", {}).get("x_retry_of"),
            )
        )

    def write(
        self, text: str, *, offset: int = 0, response_id: str = "resp_1", item_id: str = "item_a"
    ) -> None:
        """A piece of the answer."""
        self.log(
            ev.AssistantDelta(
                response_id=response_id, item_id=item_id, output_index=0, offset=offset, text=text
            )
        )

    def finish(self, text: str, *, response_id: str = "resp_1", item_id: str = "item_a", **done: Any) -> None:
        status = "completed" if done.get("status", "completed") == "completed" else "incomplete"
        if text:
            self.log(
                ev.AssistantMessage(
                    response_id=response_id,
                    item_id=item_id,
                    output_index=0,
                    text=text,
                    status=ev.TextStatus(status),
                )
            )
        self.log(ev.ResponseDone(response_id=response_id, **{"status": "completed", **done}))

    def refuse(self, frame: Frame, *, code: str, message: str, retryable: bool = False) -> None:
        """An error about one client event."""
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
        details = {**error, "event_id": frame["event_id"], "x_retryable": retryable}
        self.send({"type": "error", "event_id": "evt_error", "error": details})

    def _connected(self, socket: WebSocketRoute) -> None:
        query = {name: values[-1] for name, values in parse_qs(urlsplit(socket.url).query).items()}
        given = query.get("last_event_id", "")
        self.cursors.append(given)
        self.sockets.append(socket)
        socket.on_message(lambda text: self._on_frame(socket, json.loads(text)))
        if self.has_lost_sessions and "session_id" in query:
            socket.close(code=CloseCode.SESSION_NOT_FOUND)
            return
        if self.refuse_with is not None:
            if self.refuse_error:
                self.send({"type": "error", "event_id": "evt_refused", "error": self.refuse_error})
            socket.close(code=self.refuse_with)
            return
        self._greet(given)

    def _on_frame(self, socket: WebSocketRoute, frame: Frame) -> None:
        self.received.append(frame)
        if frame["type"] == "x_ping" and not self.is_silent:
            pong = {"type": "x_pong", "event_id": "evt_pong", "x_client_event_id": frame["event_id"]}
            socket.send(json.dumps(pong))

    def _greet(self, given: str) -> None:
        cursor = parse_event_id(self.session_id, given) if given else Cursor(0)
        stream = {
            "session_id": self.session_id,
            "resumed": bool(given),
            "last_event_id": event_id(self.session_id, cursor.seq, cursor.index),
            "status": "idle",
        }
        if self.truncated_to is not None:
            cursor, self.truncated_to = Cursor(self.truncated_to), None
            stream["truncated_to"] = event_id(self.session_id, cursor.seq)
        session = {"type": "realtime", "id": self.session_id, "model": "demo"}
        self.send(
            {"type": "session.created", "event_id": "evt_hello", "session": session, "x_stream": stream}
        )
        frames = frames_of(self.records)
        self._send_all(frames[max(0, self._position(frames, cursor) - self.overlap) :])
        self.send({"type": "x_history.done", "event_id": "evt_done"})

    def _position(self, frames: list[Frame], cursor: Cursor) -> int:
        """How many frames lie up to the cursor."""
        place = (cursor.seq, cursor.index or 1_000_000)
        return sum(self._place(frame) <= place for frame in frames)

    def _place(self, frame: Frame) -> tuple[int, int]:
        found = parse_event_id(self.session_id, frame["event_id"])
        return found.seq, found.index or 1_000_000

    def _send_all(self, frames: list[Frame]) -> None:
        for frame in frames if self.sockets else ():
            self.send(frame)
