"""uvicorn's two protocols, with bounds on what comes in before a session and a true word on how a socket ended."""

import asyncio
import struct
from asyncio import Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from realtime_ai.front.bounds import (
    LINGER_BYTES,
    LINGER_SECONDS,
    MAX_HEAD_BYTES,
    Refusal,
    answer_bytes,
    body_limit,
    refused_head,
    refused_part,
    refused_requests,
    unfinished,
)

_SMALL_FRAGMENT_BYTES = 1024
_RAW_BYTES_PER_BYTE = 8
"""A body in chunks of a single byte is six times as long on the wire; what is longer hides in trailers and extensions."""
_VERSION_BYTES = len("  HTTP/1.1")


class HttpProtocol(HttpToolsProtocol):
    """A request's line, head and body in bounds of length and time."""

    _in_head = True
    _raw_bytes = 0
    """Of the head that is arriving, or of the body."""
    _refused = False
    _lingering_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        unfinished.begin(self, self._cut)

    def connection_lost(self, exc: Exception | None) -> None:
        unfinished.end(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._lingering_bytes += len(data)
            if self._lingering_bytes > LINGER_BYTES:
                self.transport.abort()
            return
        if not self._answering:
            unfinished.begin(self, self._cut)
        self._raw_bytes += len(data)
        super().data_received(data)
        if not self._refused and (refusal := self._refused_part()):
            refused_requests.labels(reason=refusal).inc()
            self._refuse(refusal)

    def on_headers_complete(self) -> None:
        line_bytes = len(self.parser.get_method()) + len(self.url) + _VERSION_BYTES
        if refusal := refused_head(line_bytes, self.headers):
            refused_requests.labels(reason=refusal).inc()
            self._refuse(refusal)
            return
        self._in_head, self._raw_bytes = False, 0
        super().on_headers_complete()
        unfinished.grant(self, self.scope.get("path", ""))

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._raw_bytes = True, 0
        unfinished.end(self)
        if not self._refused:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        unfinished.end(self)
        if not self._refused:
            super().handle_websocket_upgrade()
            self.parser = None  # type: ignore[assignment]  # it holds us, who have nothing to do any more

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refused_part(self) -> Refusal | None:
        if self._in_head:
            return refused_part(len(getattr(self, "url", b"")), self._raw_bytes)
        most = body_limit(self.scope.get("path", "/")) * _RAW_BYTES_PER_BYTE + MAX_HEAD_BYTES
        return Refusal.BODY if self._raw_bytes > most else None

    def _cut(self, refusal: Refusal) -> None:
        """Its time is over."""
        if self._raw_bytes == 0 and self._in_head:
            self.transport.close()  # nothing was asked, such as by a browser that connects ahead of need
        else:
            self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer, unless an answer has begun, and read on for a moment so that the client gets it."""
        self._refused = True
        unfinished.end(self)
        if self._answering and self._in_head:  # the next one's head: the answer before it is due first
            self.cycle.keep_alive = False
            return
        if self._answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        self.flow.resume_reading()
        self.transport.write(answer_bytes(refusal))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


_TEXT, _LENGTH_16, _LENGTH_64 = 0x81, 126, 127
"""RFC 6455, 5.2: a whole text frame, unmasked; lengths of up to 125, 65,535 and more bytes."""


def _text_head(length: int) -> bytes:
    if length < _LENGTH_16:
        return struct.pack("!BB", _TEXT, length)
    if length < 1 << 16:
        return struct.pack("!BBH", _TEXT, _LENGTH_16, length)
    return struct.pack("!BBQ", _TEXT, _LENGTH_64, length)


class Messages:
    """An `asyncio.Queue` for one reader, as far as uvicorn uses it, at a twentieth of its memory."""

    __slots__ = ("_messages", "_waiting")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._waiting: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    def empty(self) -> bool:
        return not self._messages

    async def get(self) -> Any:
        while not self._messages:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return self._messages.pop(0)


class Writable:
    """As uvicorn uses an `asyncio.Event`, whose queue of those who wait takes 0.7 KiB of each socket while nobody does."""

    __slots__ = ("_again",)

    def __init__(self) -> None:
        self._again: asyncio.Event | None = None

    def is_set(self) -> bool:
        return self._again is None

    def set(self) -> None:
        if self._again:
            self._again.set()
        self._again = None

    def clear(self) -> None:
        self._again = self._again or asyncio.Event()

    async def wait(self) -> bool:
        if self._again:
            await self._again.wait()
        return True


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Frames that are no messages count as well, and a connection that broke is not told as one that was closed."""

    # uvicorn's own attributes, of which there are more than Python keeps in a small dict (30): 1.3 KiB of each socket.
    __slots__ = (
        "close_sent",
        "frames",
        "handshake_complete",
        "handshake_initiated",
        "last_ping_rtt",
        "pending_ping_payload",
        "ping_interval",
        "ping_sent_at",
        "ping_timeout",
        "ping_timer",
        "pong_timer",
        "read_paused",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queue = Messages()  # type: ignore[assignment]
        self.writable = Writable()  # type: ignore[assignment]

    async def send(self, message: Any) -> None:
        """A text on an open socket, which is nearly all that is sent, goes straight to the transport."""
        text = message.get("text")
        if text is None or not self.handshake_complete or self.close_sent or self.conn.extensions:
            await super().send(message)
            if message["type"] == "websocket.accept":
                self._forget_handshake()
            elif message["type"] == "websocket.http.response.body" and not message.get("more_body"):
                self.handshake_complete = True  # else uvicorn calls an answer that refuses it none at all
            return
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.close_sent or self.conn.state is not State.OPEN:
            await super().send(message)  # it knows what to say to whom
            return
        data = text.encode()
        self.transport.write(_text_head(len(data)) + data)

    def _forget_handshake(self) -> None:
        """The library keeps the request for as long as the socket lives, and nobody looks at it any more."""
        self.request.headers.clear()
        self.response.headers.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        # Without effect behind a close frame, whose event stands before it in the queue. uvicorn's own says 1005:
        # that the client had closed the socket and given no reason (RFC 6455, 7.1.5).
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": int(CloseCode.ABNORMAL_CLOSURE), "reason": ""}
        )
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        super().handle_ping()
        self._count()

    def handle_pong(self, event: Frame) -> None:
        asked_for = self.pending_ping_payload is not None
        super().handle_pong(event)
        if not asked_for:
            self._count()

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        self._count_fragment(event)

    def handle_text(self, event: Frame) -> None:
        super().handle_text(event)
        self._count_fragment(event)

    def handle_bytes(self, event: Frame) -> None:
        super().handle_bytes(event)
        self._count_fragment(event)

    def _count_fragment(self, event: Frame) -> None:
        if not event.fin and len(event.data) < _SMALL_FRAGMENT_BYTES:
            self._count()

    def _count(self) -> None:
        """Tell the consumer of a frame that is no message; nothing more is read before it has heard of it."""
        if self.close_sent:
            return
        event: Any = {"type": "websocket.frame"}  # none of ASGI's
        self.queue.put_nowait(event)
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
