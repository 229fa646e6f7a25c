"""A question over HTTP, and the stream of the session's log, read as an `EventSource` reads it."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.support.server import ServerProcess
from tests.support.sockets import realtime

GUEST = {"Authorization": "Bearer guest"}


@dataclass
class Told:
    """What came of one connection."""

    status: int
    ids: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    comments: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    clean: bool = False
    """It came to its end, and did not break off."""

    @property
    def text(self) -> str:
        return "".join(event["text"] for event in self.events if event["type"] == "assistant_delta")

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


async def ask(server: ServerProcess, text: str, headers: dict[str, str], *, session: str = "") -> str:
    """The session's id, once the answer is under way, or waits; whoever asked has gone then."""
    query = f"?session_id={session}" if session else ""
    async with realtime(server.ws_url, f"/v1/realtime{query}", additional_headers=headers) as talk:
        await talk.say(text)
        await talk.until("conversation.item.done" if session else "response.created")
    return talk.session_id


async def follow(
    client: httpx2.AsyncClient,
    url: str,
    session_id: str,
    headers: dict[str, str],
    *,
    enough: int = 10**9,
    begun: asyncio.Event | None = None,
    **query: Any,
) -> Told:
    """``enough``: so many events, then it goes away. ``begun`` is set with the first one."""
    address = f"{url}/api/sessions/{session_id}/stream"
    async with client.stream("GET", address, headers=headers, params=query) as response:
        told = Told(response.status_code, headers=dict(response.headers))
        if response.status_code != 200:
            return told
        try:
            async for line in response.aiter_lines():
                _take(told, line)
                if begun and told.events:
                    begun.set()
                if len(told.events) >= enough:
                    return told
        except httpx2.HTTPError:
            return told
    told.clean = True
    return told


def _take(told: Told, line: str) -> None:
    name, _, value = line.partition(": ")
    if name == "id":
        told.ids.append(value)
    elif name == "data":
        told.events.append(json.loads(value))
    elif line.startswith(":"):
        told.comments += 1


async def whole(client: httpx2.AsyncClient, url: str, session_id: str, headers: dict[str, str]) -> list[Any]:
    """All that is stored, with the deltas, by `/events`."""
    events: list[Any] = []
    page: dict[str, Any] = {"after": 0, "more": True}
    while page["more"]:
        address = f"{url}/api/sessions/{session_id}/events"
        query = {"after": page["after"], "deltas": "true"}
        page = (await client.get(address, headers=headers, params=query)).json()
        events += page["events"]
    return events
