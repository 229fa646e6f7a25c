"""daphne's protocols, adapted: every close code gets out, and what comes in before a session is bounded.

daphne offers no place to name them (its command makes its factories by their names in `daphne.server`), so `adapt` puts them
there: docs/decisions/0027-daphne-adapted.md
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

import daphne.http_protocol
import daphne.server
import daphne.ws_protocol
from autobahn.util import encode_truncate
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.web import http

from chat.conf import conf
from chat.wire.codes import CloseCode
from realtime_ai.front.bounds import (
    LINGER_BYTES,
    LINGER_SECONDS,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_LINE_BYTES,
    Refusal,
    answer_bytes,
    body_limit,
    refused_requests,
    unfinished,
)

logger = logging.getLogger(__name__)

reactor: Any = the_reactor  # its type is that of a module
Hook = Callable[[], Awaitable[None]]
_HTTPChannel: Any = http.HTTPChannel  # half of it has types
_NO_CODE = 1005
"""RFC 6455, 7.1.5: the client's close frame had none."""
_MAX_REASON_BYTES = 123
"""RFC 6455, 5.5: a control frame holds 125, two of them the code."""
_GOODBYE_SECONDS = 1.0
"""Until each client has answered the close frame: the reactor's end resets connections, and a reset takes the frame with it."""


def adapt() -> None:
    """Before daphne's server makes its factories: when the application is imported."""
    daphne.server.HTTPFactory = HttpFactory
    daphne.server.WebSocketFactory = WebSocketFactory


# --- its protocols, by Twisted's names -----------------------------------------------------------------------------


class Channel(_HTTPChannel):  # type: ignore[misc]
    """A connection before its upgrade: a request's line, headers and body in bounds of length and time."""

    MAX_LENGTH = MAX_LINE_BYTES
    totalHeadersSize = 2 * (MAX_LINE_BYTES + MAX_HEAD_BYTES)  # noqa: N815 - ours are checked first
    maxHeaders = 2 * MAX_HEADERS  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.refused = False
        self._head_bytes = self._head_lines = self._lingering_bytes = 0
        self._heard = False

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        unfinished.begin(self, self._cut)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        unfinished.end(self)
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.refused:
            self._lingering_bytes += len(data)
            if self._lingering_bytes > LINGER_BYTES:
                self.transport.abortConnection()
            return
        self._heard = True
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        if self.refused:
            return
        self._head_bytes += len(line)
        self._head_lines += 1
        if self._head_bytes > MAX_LINE_BYTES + MAX_HEAD_BYTES or self._head_lines > MAX_HEADERS + 2:
            self.refuse(Refusal.HEAD)
            return
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        self.refuse(Refusal.HEAD if self._in_headers else Refusal.LINE)

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        if not self.refused:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:  # noqa: N802
        self._head_bytes = self._head_lines = 0
        unfinished.end(self)
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:  # noqa: N802
        """The next one's time begins: of a connection that stays idle, too."""
        self._heard = False
        unfinished.begin(self, self._cut)
        super().requestDone(request)

    def refuse(self, refusal: Refusal) -> None:
        """Answer, and read on for a moment so that the client gets the answer."""
        if refusal not in (Refusal.SLOW, Refusal.CROWDED):
            refused_requests.labels(reason=refusal).inc()
        self.refused = True
        unfinished.end(self)
        self.clearLineBuffer()
        self.setTimeout(None)
        self.transport.write(answer_bytes(refusal))
        self.transport.loseWriteConnection()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.abortConnection)

    def _send100Continue(self) -> None:  # noqa: N802
        if not self.refused:
            super()._send100Continue()

    @property
    def _in_headers(self) -> bool:
        return hasattr(self, "_command")

    def _cut(self, refusal: Refusal) -> None:
        """Its time is over."""
        if self._heard:
            self.refuse(refusal)
        else:
            self.transport.loseConnection()  # nothing was asked, such as by a browser that connects ahead of need


class Request(daphne.http_protocol.WebRequest):  # type: ignore[misc]  # daphne has no types
    """Its body is kept in memory, up to its path's bound, and refused beyond it."""

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        path = unquote_to_bytes(self.channel._path.partition(b"?")[0]).decode(errors="replace")
        self._room = body_limit(path)
        unfinished.grant(self.channel, path)
        self.content = BytesIO()
        if (length or 0) > self._room:
            self.channel.refuse(Refusal.BODY)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        self._room -= len(data)
        if self.channel.refused:
            return
        if self._room < 0:
            self.channel.refuse(Refusal.BODY)
            return
        super().handleContentChunk(data)

    def handle_exception(self, exception: BaseException) -> None:
        """An answer that has begun is cut off, never ended as if it were whole."""
        if self._response_started:
            self.channel.transport.abortConnection()
        else:
            super().handle_exception(exception)


class HttpFactory(daphne.http_protocol.HTTPFactory):  # type: ignore[misc]
    protocol = Channel

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        channel = super().buildProtocol(addr)
        channel.requestFactory = Request
        return channel

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802
        """Without HTTP/2, whose requests do not come through `Channel`."""
        return [b"http/1.1"]


class WebSocket(daphne.ws_protocol.WebSocketProtocol):  # type: ignore[misc]
    """Closes with any code, as a server may; Autobahn's own ``sendClose`` takes 1000 and 3000 to 4999 alone."""

    failByDrop = False  # noqa: N815 - a frame that breaks a rule is answered with its close code

    def onConnect(self, request: Any) -> Any:  # noqa: N802
        for bound in ("maxMessagePayloadSize", "maxFramePayloadSize"):  # 0: none
            most = conf().max_frame_bytes
            setattr(self, bound, min(getattr(self, bound) or most, most))
        return super().onConnect(request)

    def onOpen(self) -> None:  # noqa: N802
        open_sockets.add(self)
        super().onOpen()

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: N802, N803
        open_sockets.discard(self)
        super().onClose(wasClean, _NO_CODE if code is None else code, reason)

    def onPing(self, payload: bytes) -> None:  # noqa: N802
        super().onPing(payload)
        self._count()

    def onPong(self, payload: bytes) -> None:  # noqa: N802
        """One that nobody asked for."""
        super().onPong(payload)
        self._count()

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Raises OSError for what is sent behind the close frame, as the specification of ASGI has it."""
        closing = message.get("type") == "websocket.close"
        if self.state == self.STATE_CONNECTING or (self.state == self.STATE_OPEN and not closing):
            super().handle_reply(message)
        elif closing:
            self.close(message.get("code") or 1000, message.get("reason") or "")
        else:
            raise ConnectionAbortedError("the socket is closed")

    def close(self, code: int, reason: str = "") -> None:
        self.sendCloseFrame(code=int(code), reasonUtf8=encode_truncate(reason, _MAX_REASON_BYTES))

    def _count(self) -> None:
        """Tell the consumer of a frame that is no message."""
        if hasattr(self, "application_queue"):
            self.application_queue.put_nowait({"type": "websocket.frame"})


class WebSocketFactory(daphne.ws_protocol.WebSocketFactory):  # type: ignore[misc]
    protocol = WebSocket


open_sockets: set[WebSocket] = set()
"""Of this process."""


# --- its start and stop: it speaks no lifespan, so Twisted's reactor, which runs under no other server, tells of both -


def follow_reactor(startup: Hook, shutdown: Hook) -> None:
    """Run ``startup`` when the reactor runs, and ``shutdown`` before it stops."""
    reactor.callWhenRunning(lambda: _spawn("startup", startup))
    reactor.addSystemEventTrigger("before", "shutdown", _stop, shutdown)


def _stop(shutdown: Hook) -> Any:
    """As uvicorn does it: nobody new comes in, each socket is told 1012, then answers drain. The reactor waits for the end."""
    for reader in reactor.getReaders():
        if IListeningPort.providedBy(reader):
            reader.stopListening()
    for socket in list(open_sockets):
        socket.close(CloseCode.RESTARTING)
        socket.application_queue.put_nowait(
            {"type": "websocket.disconnect", "code": int(CloseCode.RESTARTING)}
        )

    async def closed_and_shut_down() -> None:
        await shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while open_sockets:  # noqa: ASYNC110 - Autobahn wakes nobody
                    await asyncio.sleep(0.02)

    return Deferred.fromFuture(_spawn("shutdown", closed_and_shut_down))


def _spawn(name: str, hook: Hook) -> "asyncio.Future[None]":
    return asyncio.ensure_future(_told(name, hook), loop=asyncio.get_event_loop())


async def _told(name: str, hook: Hook) -> None:
    try:
        await hook()
    except Exception:
        logger.exception("%s failed", name)
