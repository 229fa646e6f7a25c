"""Clients for the tests: a plain socket and one that speaks the Realtime dialect."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

Frame = dict[str, Any]
TIMEOUT_S = 30.0
"""No test is about how long a machine with other things to do takes."""


class Plain:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.session_id = ""

    async def send(self, text: str | bytes) -> None:
        await self.connection.send(text)

    async def recv(self, *, timeout_s: float = TIMEOUT_S) -> str:
        async with asyncio.timeout(timeout_s):
            return cast("str", await self.connection.recv())

    async def until(self, wanted: str, *, timeout_s: float = TIMEOUT_S) -> str:
        """All text up to and with the piece in which ``wanted`` is complete."""
        text = ""
        async with asyncio.timeout(timeout_s):
            while wanted not in text:
                text += await self.recv()
        return text

    async def closed(self, *, timeout_s: float = TIMEOUT_S) -> int | None:
        async with asyncio.timeout(timeout_s):
            await self.connection.wait_closed()
        return self.connection.close_code


class Realtime:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.session_id = ""
        self.created: Frame = {}
        self.frames: list[Frame] = []

    @property
    def back(self) -> str:
        """The query by which whoever has no name comes back to this session."""
        return f"session_id={self.session_id}&resume_token={self.created['x_stream']['resume_token']}"

    async def send(self, **event: Any) -> None:
        await self.connection.send(json.dumps(event))

    async def recv(self, *, timeout_s: float = TIMEOUT_S) -> Frame:
        async with asyncio.timeout(timeout_s):
            frame = cast("Frame", json.loads(await self.connection.recv()))
        self.frames.append(frame)
        return frame

    async def until(self, event_type: str, *, timeout_s: float = TIMEOUT_S) -> Frame:
        """The next frame of that type; the ones before it are in ``frames``."""
        async with asyncio.timeout(timeout_s):
            while (frame := await self.recv())["type"] != event_type:
                pass
        return frame

    async def say(self, text: str, **extra: Any) -> None:
        """A user message and the wish for an answer."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.send(type="conversation.item.create", item=item, **extra)
        await self.send(type="response.create")

    async def ask(self, text: str) -> tuple[str, Frame]:
        """Say it; the answer's text as its deltas gave it, and the ``response.done``."""
        start = len(self.frames)
        await self.say(text)
        done = await self.until("response.done")
        return joined(self.frames[start:]), done

    async def closed(self, *, timeout_s: float = TIMEOUT_S) -> int | None:
        async with asyncio.timeout(timeout_s):
            await self.connection.wait_closed()
        return self.connection.close_code


def joined(frames: list[Frame]) -> str:
    return "".join(frame["delta"] for frame in frames if frame["type"] == "response.output_text.delta")


@asynccontextmanager
async def plain(url: str, path: str = "/ws/session", **options: Any) -> AsyncIterator[Plain]:
    async with connect(url + path, compression=None, max_size=None, **options) as connection:
        client = Plain(connection)
        greeting = await client.recv()
        client.session_id = greeting.rsplit(" ", 1)[-1] if greeting.startswith("Connected") else greeting
        yield client


@asynccontextmanager
async def realtime(url: str, path: str = "/ws/session", **options: Any) -> AsyncIterator[Realtime]:
    subprotocols = None if path.startswith("/v1/") else [Subprotocol("realtime")]
    async with connect(
        url + path, subprotocols=subprotocols, compression=None, max_size=None, **options
    ) as connection:
        client = Realtime(connection)
        client.created = await client.recv()
        client.session_id = client.created.get("session", {}).get("id", "")
        yield client
