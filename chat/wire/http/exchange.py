"""One HTTP request and its answer, over ASGI: whole bodies and streams of events, a client that goes away, one that does not
read.

A stream that cannot be brought to its end is aborted and never closed cleanly: a client could not tell the one from a whole
answer. An ASGI application does that by an exception; `Aborted` is the one that the server says nothing about.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from chat.conf import conf
from chat.supervision import heard, within
from sessions_app.ids import new_id

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]

KEEP_ALIVE = b": keep-alive\n\n"
_STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",  # nginx would keep the events until it has some pages of them
}


def event_bytes(data: bytes, *, name: str = "", cursor: str = "") -> bytes:
    """A server-sent event. ``cursor``: what an `EventSource` brings along when it connects again."""
    head = f"event: {name}\n" if name else ""
    if cursor:
        head += f"id: {cursor}\n"
    return b"%bdata: %b\n\n" % (head.encode(), data)


class Aborted(Exception):
    """The answer broke off: the connection is to be cut."""

    is_meant = True
    """`realtime_ai.settings.logs` leaves it out."""


class ClientGone(Exception):
    """The client has closed the connection, or does not read from it."""


class Exchange:
    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"].rstrip("/")
        self.request_id = new_id("req")
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        self.query = parse_qs(scope.get("query_string", b"").decode(errors="replace"), keep_blank_values=True)
        self.answer_headers: dict[str, str] = {}
        """Of the answer, beside its own."""
        self.began = False
        """The client has the head of its answer."""
        self._receive, self._send = receive, send
        self._gone = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        client = self.scope.get("client")
        return client[0] if client else "unknown"

    def first(self, name: str) -> str | None:
        """The last value that the query gives."""
        values = self.query.get(name)
        return values[-1] if values else None

    async def body(self) -> bytes:
        """Raises `ClientGone`. From then on it is heard when the client goes."""
        parts = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        self._listening = heard(self._listen(), name=f"client of {self.request_id}")
        return b"".join(parts)

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()

    async def gone(self) -> None:
        """Returns once the client has gone."""
        await self._gone.wait()

    def close(self) -> None:
        if self._listening:
            self._listening.cancel()
            self._listening = None  # its end holds its stack, and that this

    # Answers

    async def answer(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        body = msgspec.json.encode(value)
        about = {"content-type": "application/json", "cache-control": "no-store", **(headers or {})}
        await self._begin(status, {**about, "content-length": str(len(body))})
        await self._give(body, more=False)

    async def nothing(self) -> None:
        """204."""
        await self._begin(204, {"cache-control": "no-store"})
        await self._give(b"", more=False)

    async def begin_stream(self) -> None:
        """Raises `ClientGone`."""
        await self._begin(200, _STREAM_HEADERS)

    async def give(self, events: bytes) -> None:
        """As many as there are at once: each call is a piece of its own on the line. Raises `ClientGone`."""
        await self._give(events)

    async def keep_alive(self) -> None:
        """Raises `ClientGone`."""
        await self._give(KEEP_ALIVE)

    async def end_stream(self) -> None:
        await self._give(b"", more=False)

    async def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        if self._gone.is_set():
            raise ClientGone
        self.began = True
        all_headers = {"x-request-id": self.request_id, **self.answer_headers, **headers}
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in all_headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def _give(self, body: bytes, *, more: bool = True) -> None:
        if self._gone.is_set():
            raise ClientGone
        try:
            sent = self._send({"type": "http.response.body", "body": body, "more_body": more})
            await within(conf().send_seconds, sent)
        except (TimeoutError, OSError, RuntimeError) as error:
            raise ClientGone from error


@contextlib.asynccontextmanager
async def exchange(scope: Message, receive: Receive, send: Send) -> Any:
    one = Exchange(scope, receive, send)
    try:
        yield one
    finally:
        one.close()
