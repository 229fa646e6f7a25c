"""A small HTTP/1.1 server in a thread of its own, for fakes of vendors: every byte and every hang-up is ours to see."""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.fakes.sse_styles import SseStyle


@dataclass(frozen=True)
class HttpRequest:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class HttpAnswer:
    """What stands before a vendor may answer in its place: a gateway, a proxy, a portal."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """One request and the answer to it."""

    def __init__(self, request: HttpRequest, writer: asyncio.StreamWriter, style: SseStyle) -> None:
        self.request = request
        self._style = style
        self._first = True
        self.done = False
        self.watch: asyncio.Future[bytes] | None = None
        """Reads on while the answer is made: what comes before it is whole is a hang-up."""
        self._writer = writer

    async def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer, as JSON."""
        text = json.dumps(body, indent=2)
        await self.reply_as(HttpAnswer(status, text, "application/json; charset=UTF-8", headers or {}))

    async def reply_as(self, answer: HttpAnswer) -> None:
        data = answer.body.encode()
        fields = {"content-type": answer.content_type, "content-length": str(len(data))}
        self._finish()
        await self._write(_head(answer.status, {**fields, **answer.headers}) + data)

    async def start_stream(self, content_type: str = "text/event-stream") -> None:
        await self._write(_head(200, {"content-type": content_type, "transfer-encoding": "chunked"}))

    async def send(self, data: bytes) -> None:
        """An event, in the server's style."""
        for piece in self._style.write(data, first=self._first):
            await self._write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self._first = False

    async def end_stream(self) -> None:
        self._finish()
        await self._write(b"0\r\n\r\n")

    def drop(self) -> None:
        """Hang up at once, in the middle of whatever was said."""
        self._finish()
        self._writer.transport.abort()

    def _finish(self) -> None:
        """Before the last byte, since the next request may follow it at once."""
        self.done = True
        if self.watch:
            self.watch.cancel()

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


Handler = Callable[[Exchange], Awaitable[None]]


class HttpServer:
    """``handler`` runs in the server's thread; it is cancelled when the client hangs up before the answer is whole."""

    def __init__(self, handler: Handler, *, port: int = 0) -> None:
        self._handler = handler
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake http server", daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.style = SseStyle()
        self.instead: deque[HttpAnswer] = deque()
        """Given in the handler's place, one a request."""
        self.requests: list[HttpRequest] = []
        self.hang_ups: list[float] = []
        """`time.monotonic` of each answer that the client did not wait for."""
        self._hung_up = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def hung_up_within(self, seconds: float) -> bool:
        """Whether a client hung up in the middle of an answer."""
        return await asyncio.to_thread(self._hung_up.wait, seconds)

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self._port)

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while request := await _read_request(reader):
                self.requests.append(request)
                await self._exchange(Exchange(request, writer, self.style), reader)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, exchange: Exchange, reader: asyncio.StreamReader) -> None:
        watch = exchange.watch = asyncio.ensure_future(reader.read(1))
        taken = exchange.reply_as(self.instead.popleft()) if self.instead else self._handler(exchange)
        answer = asyncio.ensure_future(taken)
        try:
            await asyncio.wait({answer, watch}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and not exchange.done:
                self._note_hang_up()
                raise ConnectionAbortedError
            await answer
        finally:
            answer.cancel()
            watch.cancel()
            await asyncio.gather(answer, watch, return_exceptions=True)

    def _note_hang_up(self) -> None:
        self.hang_ups.append(time.monotonic())
        self._hung_up.set()


async def _read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    return HttpRequest(method, url.path, query, headers, body)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} .", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
