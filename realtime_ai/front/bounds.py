"""What may come in before a session begins: how long a request's head and body may be, and how long both may take.

The servers ask here: `realtime_ai.front.uvicorn`, `realtime_ai.front.daphne`. docs/decisions/0026-before-a-session.md
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from django.conf import settings
from prometheus_client import Counter, Gauge

MAX_LINE_BYTES = 8190
"""The request line, and each header, as Apache and gunicorn have it; the WebSocket library under uvicorn stops at 8192."""
MAX_HEAD_BYTES = 32_768
MAX_HEADERS = 100
LINGER_SECONDS = 2.0
LINGER_BYTES = 1_048_576
"""What a refused client may still send: whoever closes on unread bytes resets the connection, and the answer is lost."""
_HAD_ITS_TURN_S = 1.0
"""So old an unfinished request is before it has to make room: in a crowd of honest clients none is."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class Refusal(StrEnum):
    """Why a request was answered by the server itself, or cut off."""

    LINE = "line_too_long"  #: 414
    HEAD = "head_too_large"  #: 431
    BODY = "body_too_large"  #: 413
    SLOW = "not_finished_in_time"  #: 408, or no answer where nothing had been asked
    CROWDED = "too_many_unfinished"  #: the same, as others wanted its place


_STATUS = {
    Refusal.LINE: HTTPStatus.REQUEST_URI_TOO_LONG,
    Refusal.HEAD: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Refusal.BODY: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Refusal.SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Refusal.CROWDED: HTTPStatus.REQUEST_TIMEOUT,
}

unfinished_requests = Gauge(
    "http_unfinished_requests",
    "Connections whose request is not whole yet.",
    multiprocess_mode="livesum",
)
refused_requests = Counter(
    "http_refused_requests_total",
    "Requests that were refused before any page saw them, by reason.",
    ["reason"],
)


def body_limit(path: str) -> int:
    """The most bytes that a request to that path may have behind its head."""
    limits: dict[str, int] = settings.HTTP_BODY_LIMITS
    return limits[max((start for start in limits if path.startswith(start)), key=len, default="/")]


def refused_head(line_bytes: int, headers: list[tuple[bytes, bytes]]) -> Refusal | None:
    """What is wrong with a whole head, if anything."""
    if line_bytes > MAX_LINE_BYTES:
        return Refusal.LINE
    sizes = [len(name) + len(value) + 2 for name, value in headers]
    if len(sizes) > MAX_HEADERS or sum(sizes) > MAX_HEAD_BYTES or max(sizes, default=0) > MAX_LINE_BYTES:
        return Refusal.HEAD
    return None


def refused_part(line_bytes: int, head_bytes: int) -> Refusal | None:
    """The same for a head that has not come to its end."""
    if line_bytes > MAX_LINE_BYTES:
        return Refusal.LINE
    return Refusal.HEAD if head_bytes > MAX_LINE_BYTES + MAX_HEAD_BYTES else None


def answer_bytes(refusal: Refusal) -> bytes:
    """The whole answer, with which the connection ends."""
    status = _STATUS[refusal]
    text = f"{status.value} {status.phrase}\n".encode()
    return (
        b"HTTP/1.1 %d %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        % (status.value, status.phrase.encode(), len(text))
    ) + text


@dataclass(slots=True)
class _Waiting:
    since: float
    timer: asyncio.TimerHandle
    cut: Callable[[Refusal], None]


class UnfinishedRequests:
    """The connections of this process whose request is not whole yet. Each has ``REQUEST_SECONDS``; when there are more than
    ``MAX_UNFINISHED_REQUESTS``, the one that has waited longest makes room."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, _Waiting] = {}  # in the order in which they began

    def begin(self, connection: Hashable, cut: Callable[[Refusal], None]) -> None:
        """``cut`` is called once, when its time is over, unless `end` comes first. One that waits already goes on waiting."""
        if connection in self._waiting:
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(settings.HTTP_REQUEST_SECONDS, self._cut, connection, Refusal.SLOW)
        self._waiting[connection] = _Waiting(loop.time(), timer, cut)
        unfinished_requests.set(len(self._waiting))
        if len(self._waiting) > settings.HTTP_MAX_UNFINISHED:
            oldest, waiting = next(iter(self._waiting.items()))
            if loop.time() - waiting.since > _HAD_ITS_TURN_S:
                self._cut(oldest, Refusal.CROWDED)

    def grant(self, connection: Hashable, path: str) -> None:
        """Its head is whole, and leads to a place where a request may take longer: a file over a slow line."""
        waiting = self._waiting.get(connection)
        seconds = next(
            (most for start, most in settings.HTTP_LONG_REQUESTS.items() if path.startswith(start)), 0
        )
        if waiting is None or seconds <= settings.HTTP_REQUEST_SECONDS:
            return
        waiting.timer.cancel()
        loop = asyncio.get_running_loop()
        waiting.timer = loop.call_at(waiting.since + seconds, self._cut, connection, Refusal.SLOW)

    def end(self, connection: Hashable) -> None:
        """It is whole, or the connection has ended."""
        if waiting := self._waiting.pop(connection, None):
            waiting.timer.cancel()
            unfinished_requests.set(len(self._waiting))

    def _cut(self, connection: Hashable, refusal: Refusal) -> None:
        cut = self._waiting[connection].cut
        self.end(connection)
        refused_requests.labels(reason=refusal).inc()
        cut(refusal)


unfinished = UnfinishedRequests()


class _BodyTooLarge(Exception):
    """Raised through the application, out of its ``receive``."""


def bounded(application: Application) -> Application:
    """The HTTP application, whose requests' bodies are counted while they arrive: 413 ends what is larger than its path's bound."""

    async def with_bound(scope: Message, receive: Receive, send: Send) -> None:
        limit, taken = body_limit(scope["path"]), 0
        answering = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit and not answering:
                raise _BodyTooLarge
            return message

        def noted(message: Message) -> Coroutine[Any, Any, None]:
            nonlocal answering
            answering = True
            return send(message)

        if _declared_bytes(scope) > limit:
            await _refuse_body(receive, send)
            return
        try:
            await application(scope, counted, noted)
        except _BodyTooLarge:
            await _refuse_body(receive, send)

    return with_bound


def _declared_bytes(scope: Message) -> int:
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else 0


async def _refuse_body(receive: Receive, send: Send) -> None:
    refused_requests.labels(reason=Refusal.BODY).inc()
    head, _, text = answer_bytes(Refusal.BODY).partition(b"\r\n\r\n")
    headers = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:]]
    await send({"type": "http.response.start", "status": _STATUS[Refusal.BODY], "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": True})
    await _linger(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _linger(receive: Receive) -> None:
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            left = LINGER_BYTES
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        pass
