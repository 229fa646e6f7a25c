"""OpenAI's own Python client at work: every event that it yields is held against its own types, strictly."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.websocket_reconnection import ReconnectingEvent, ReconnectingOverrides
from websockets.exceptions import ConnectionClosed

from tests.protocol.sdk import held

TIMEOUT_S = 60.0


class Place:
    """Where a client is in its session's stream: what it asks for when it comes back."""

    def __init__(self) -> None:
        self.query: dict[str, str] = {}
        self.close_codes: list[int] = []
        """Of the connections that were lost."""

    def take(self, event: Any) -> None:
        if event.type == "session.created":
            stream = event.x_stream
            last = stream.get("truncated_to") or stream["last_event_id"]
            self.query = {
                "session_id": stream["session_id"],
                "last_event_id": last,
                "resume_token": stream["resume_token"],
            }
        elif event.event_id.startswith("event_"):
            self.query["last_event_id"] = event.event_id

    def resume(self, event: ReconnectingEvent) -> ReconnectingOverrides:
        self.close_codes.append(event.close_code)
        return {"extra_query": dict(self.query)}


class Talk:
    """A connection of the client's, and what has come over it."""

    def __init__(self, connection: AsyncRealtimeConnection, place: Place) -> None:
        self.connection = connection
        self.place = place
        self.events: list[Any] = []
        self._stream = aiter(connection)
        self._outbox: dict[str, Any] = {}
        self._names = (f"mine_{number}" for number in count(1))

    async def next(self, *, timeout_s: float = TIMEOUT_S) -> Any:
        async with asyncio.timeout(timeout_s):
            event = await anext(self._stream)
        held(event.to_json(indent=None))
        self.events.append(event)
        self.place.take(event)
        await self._acknowledge(event)
        return event

    async def until(self, event_type: str, *, timeout_s: float = TIMEOUT_S) -> Any:
        """The next event of that type; the ones before it are in ``events``."""
        try:
            async with asyncio.timeout(timeout_s):
                while (event := await self.next(timeout_s=2 * timeout_s)).type != event_type:
                    pass
        except TimeoutError:
            raise AssertionError(f"no {event_type} after {self.types[-12:]}, unsent {self._outbox}") from None
        return event

    # What is kept until it is acknowledged, and sent again by a client that comes back

    async def deliver(self, event: Any) -> None:
        event_id = next(self._names)
        self._outbox[event_id] = {**event, "event_id": event_id}
        await self._send(event_id)

    async def _send(self, event_id: str) -> None:
        with contextlib.suppress(ConnectionClosed):  # the next connection's turn
            await self.connection.send(self._outbox[event_id])

    async def _acknowledge(self, event: Any) -> None:
        match event.type:
            case "session.created" if len(self.events) > 1:
                for event_id in self._outbox:
                    await self._send(event_id)
            case "conversation.item.done":
                self._outbox.pop(getattr(event.item, "x_client_event_id", ""), None)
            case "response.created":
                self._outbox.pop(getattr(event.response, "x_client_event_id", ""), None)

    async def say(self, text: str) -> None:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.deliver({"type": "conversation.item.create", "item": item})

    async def ask(self, text: str, **options: Any) -> Any:
        """Say it and ask for an answer with these ``options``; the response as its ``response.done`` has it."""
        await self.say(text)
        await self.deliver({"type": "response.create", "response": options})
        return (await self.until("response.done")).response

    @property
    def types(self) -> list[str]:
        """In order, a run of one type as one."""
        types = [event.type for event in self.events]
        return [kind for index, kind in enumerate(types) if index == 0 or types[index - 1] != kind]

    @property
    def text(self) -> str:
        """All deltas of text so far, joined."""
        return "".join(event.delta for event in self.events if event.type == "response.output_text.delta")


def text_of(response: Any) -> str:
    """Of all of a response's messages."""
    messages = [item for item in response.output if item.type == "message"]
    return "".join(part.text for message in messages for part in message.content)


@asynccontextmanager
async def talk(
    ws_url: str, query: Mapping[str, str] = {}, *, api_key: str = "guest", resume: bool = False
) -> AsyncIterator[Talk]:
    """With ``resume`` the client comes back by itself when its connection is lost."""
    place = Place()
    async with (
        AsyncOpenAI(api_key=api_key, websocket_base_url=f"{ws_url}/v1") as client,
        client.realtime.connect(
            extra_query=dict(query),
            on_reconnecting=place.resume if resume else None,
            initial_delay=0.05,
            max_delay=0.5,
            max_retries=60,
        ) as connection,
    ):
        yield Talk(connection, place)
