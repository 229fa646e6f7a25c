"""What the load generator says and hears on each wire."""

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from bench.peers.model import STAMP


@dataclass(frozen=True)
class Wire:
    """Plain text both ways; the first message is the greeting."""

    path: str

    def ask(self, text: str) -> Sequence[str]:
        """The frames that ask for an answer."""
        return [text]

    def stamps(self, message: bytes) -> list[bytes]:
        """When each chunk that came with this message was sent."""
        return STAMP.findall(message)

    def is_end(self, message: bytes, *, complete: bool) -> bool:
        """``complete``: all chunks have come."""
        return complete

    def answer_to(self, message: bytes) -> str | None:
        """What has to be said at once to a message that is none of a conversation's."""
        return None

    def is_ready(self, message: bytes) -> bool:
        return True


class RealtimeWire(Wire):
    def ask(self, text: str) -> Sequence[str]:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        return [
            json.dumps({"type": "conversation.item.create", "item": item}),
            json.dumps({"type": "response.create"}),
        ]

    def stamps(self, message: bytes) -> list[bytes]:
        """The end of an answer repeats its text."""
        return STAMP.findall(message) if message.startswith(b'{"type":"response.output_text.delta"') else []

    def is_end(self, message: bytes, *, complete: bool) -> bool:
        return message.startswith(b'{"type":"response.done"')


class ChainlitWire(Wire):
    """Engine.IO 4 and Socket.IO 5 on one WebSocket, as Chainlit's own page speaks them."""

    def ask(self, text: str) -> Sequence[str]:
        at = dt.datetime.now(dt.UTC).isoformat()
        said = {
            "id": str(uuid.uuid4()),
            "name": "user",
            "type": "user_message",
            "output": text,
            "createdAt": at,
        }
        return ["42" + json.dumps(["client_message", {"message": said, "fileReferences": []}])]

    def stamps(self, message: bytes) -> list[bytes]:
        """The first chunk comes with the message's beginning."""
        begins = message.startswith((b'42["stream_token"', b'42["stream_start"'))
        return STAMP.findall(message) if begins else []

    def answer_to(self, message: bytes) -> str | None:
        if message == b"2":
            return "3"
        if message.startswith(b"0{"):
            who = {"clientType": "webapp", "sessionId": str(uuid.uuid4()), "threadId": ""}
            return "40" + json.dumps(who)
        return None

    def is_ready(self, message: bytes) -> bool:
        return message.startswith(b"40{")


WIRES = {
    "plain": Wire("/ws/session"),
    "realtime": RealtimeWire("/v1/realtime"),
    "relay": Wire("/ws"),
    "chainlit": ChainlitWire("/chainlit/ws/socket.io/?EIO=4&transport=websocket"),
}
