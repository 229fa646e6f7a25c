"""A reader of one session that loses its socket and comes back: it keeps the frames as the bytes that they came as."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

READ_S = 20.0


class Reader:
    """``frames`` are all frames of the session's stream that it has got, in order, over all its connections."""

    def __init__(self, session_id: str, *, last_event_id: str = "") -> None:
        self.session_id = session_id
        self.last_event_id = last_event_id
        self.frames: list[str] = []
        self.created: dict[str, Any] = {}

    @asynccontextmanager
    async def connected(
        self, ws_url: str, *, abort: bool = False, may_truncate: bool = False
    ) -> AsyncIterator[ClientConnection]:
        """A connection that goes on after the last frame it has; ``abort``: it ends without a close frame.

        ``may_truncate``: the server may take frames back that it has shown and not stored.
        """
        connection = await self._invited(ws_url)
        try:
            assert self.created["type"] == "session.created", self.created
            self._take_back(self.created["x_stream"].get("truncated_to"), may_truncate)
            self.last_event_id = self.last_event_id or self.created["x_stream"]["last_event_id"]
            yield connection
            if abort:
                connection.transport.abort()
        finally:
            await connection.close()

    async def _invited(self, ws_url: str) -> ClientConnection:
        """Comes again for as long as it is told to: the session is about to end, or to move."""
        deadline = time.monotonic() + READ_S
        while True:
            connection = await self._connect(ws_url)
            moving = self.created["type"] == "error" and self.created["error"]["code"] == "session_moved"
            if not moving or time.monotonic() > deadline:
                return connection
            await connection.close()
            await asyncio.sleep(0.05)

    async def _connect(self, ws_url: str) -> ClientConnection:
        query = f"?last_event_id={self.last_event_id}" if self.last_event_id else ""
        connection = await connect(
            f"{ws_url}/ws/session/{self.session_id}{query}",
            subprotocols=[Subprotocol("realtime")],
            compression=None,
            max_size=None,
            max_queue=None,  # with a full queue the client would not read the answer to its own close frame
        )
        async with asyncio.timeout(READ_S):
            self.created = json.loads(await connection.recv())
        return connection

    def _take_back(self, kept_to: str | None, allowed: bool) -> None:
        if kept_to is None:
            return
        assert allowed, f"taken back to {kept_to}"
        kept = [json.loads(frame)["event_id"] for frame in self.frames].index(kept_to)
        self.frames, self.last_event_id = self.frames[: kept + 1], kept_to

    async def ask(self, connection: ClientConnection, words: str) -> None:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
        await connection.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await connection.send(json.dumps({"type": "response.create"}))

    async def read(self, connection: ClientConnection) -> dict[str, Any]:
        async with asyncio.timeout(READ_S):
            raw = await connection.recv()
        assert isinstance(raw, str)
        frame: dict[str, Any] = json.loads(raw)
        assert frame["type"] != "error", frame
        self.frames.append(raw)
        self.last_event_id = frame["event_id"]
        return frame

    async def read_until(self, connection: ClientConnection, kind: str, *, times: int = 1) -> None:
        while times:
            times -= (await self.read(connection))["type"] == kind

    async def nothing_more(self, connection: ClientConnection) -> None:
        """The server has told this socket all there is: what is answered to a question comes next."""
        await connection.send(
            json.dumps({"type": "conversation.item.retrieve", "event_id": "sync", "item_id": "item_none"})
        )
        async with asyncio.timeout(READ_S):
            answer = json.loads(await connection.recv())
        assert answer["type"] == "error", answer
        assert answer["error"]["event_id"] == "sync", answer


def place_of(frame: str) -> str:
    """The ``event_id`` of a frame."""
    return str(json.loads(frame)["event_id"])


def kinds_of(frames: Sequence[str]) -> list[str]:
    return [json.loads(frame)["type"] for frame in frames]
