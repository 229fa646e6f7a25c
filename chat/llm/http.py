"""HTTP under the vendors' SDKs: connections with bounded waits, and one reader of server-sent events for all vendors.

By https://html.spec.whatwg.org/multipage/server-sent-events.html, with two additions: a last event whose blank line is missing
counts when it is whole, and a body that is JSON stands for one event, or for as many as its array holds.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import cache
from html import unescape
from typing import Any, Generic, NamedTuple, TypeVar

import httpx2
import msgspec

from chat.conf import conf
from chat.errors import ModelBadAnswer, ModelUnreachable, ProviderError

LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60.0)
"""Unbounded, because a stream holds its connection for as long as the answer takes: beyond a bound of 100 the 101st
user would wait in silence."""


@cache
def tls() -> ssl.SSLContext:
    """Reads the certificates: 20 to 40 ms, so once."""
    return httpx2.create_ssl_context()


def new_http_client() -> httpx2.AsyncClient:
    """For one event loop. Redirects are not followed: they would carry the key to another host."""
    return httpx2.AsyncClient(verify=tls(), limits=LIMITS, follow_redirects=False)


def opening_timeout() -> httpx2.Timeout:
    """Bounds the connection. The waits between two reads are the provider's, which knows what an event is."""
    seconds = conf().model_connect_seconds
    return httpx2.Timeout(None, connect=seconds, write=seconds, pool=seconds)


Client = TypeVar("Client")


class PerLoop(Generic[Client]):
    """A client, thus a connection pool, for each event loop: a connection can only be used, and closed, where it was opened."""

    def __init__(self, make: Callable[[], Client], close: Callable[[Client], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}

    def get(self) -> Client:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients = {one: client for one, client in self._clients.items() if not one.is_closed()}
            self._clients[loop] = self._make()
        return self._clients[loop]

    async def aclose(self) -> None:
        """The running loop's."""
        if client := self._clients.pop(asyncio.get_running_loop(), None):
            await self._close(client)

    def __len__(self) -> int:
        return len(self._clients)


DRAIN_SECONDS = 1.0
"""For the last bytes of an HTTP answer that is over; read in time, they leave the connection to the next."""


async def drain(events: AsyncIterator[object]) -> None:
    with suppress(Exception):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in events:
                pass


MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Of one event, or of a whole body that is no stream."""
_SHOWN_CHARS = 300


class SentEvent(NamedTuple):
    event: str
    """Its name; empty where the server gives none."""
    data: str


async def events_in(response: httpx2.Response) -> AsyncGenerator[SentEvent, None]:
    """Raises `ModelUnreachable`, which is not to be asked again, for a page or a text in the place of a stream;
    ValueError for what is neither UTF-8 nor JSON."""
    reader = _Reader()
    async for chunk in response.aiter_bytes():
        for event in reader.feed(chunk):
            yield event
    for event in reader.ending():
        yield event


def words_of_page(text: str) -> str:
    """What an HTML page says to who reads it."""
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    body = re.sub(
        r"<(script|style|title)\b.*?</\1>|<!--.*?-->|<[^>]*>", " ", text, flags=re.IGNORECASE | re.DOTALL
    )
    words = " ".join(unescape(f"{title[1]}: {body}" if title else body).split())
    return f"an HTML page came: {words[:_SHOWN_CHARS]}"


def is_page(text: str) -> bool:
    return text.lstrip("\ufeff \r\n\t")[:1] == "<"


class _Reader:
    def __init__(self) -> None:
        self._line: list[bytes] = []
        """The pieces of a line whose end has not come yet."""
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._body: list[str] | None = None
        """Lines of what is no stream: JSON, or a page."""
        self._strange: list[str] = []
        """The first lines that mean nothing in a stream; empty once an event has come."""
        self._size = 0
        self._began = False

    def feed(self, chunk: bytes) -> Iterator[SentEvent]:
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        if not chunk:
            return
        self._grow(len(chunk))
        lines = chunk.splitlines()  # of bytes: at CR, LF and CRLF alone
        rest = None if chunk.endswith((b"\r", b"\n")) else lines.pop()
        for line in lines:
            self._line.append(line)
            yield from self._take(b"".join(self._line))
            self._line.clear()
        if rest is not None:
            self._line.append(rest)

    def ending(self) -> Iterator[SentEvent]:
        yield from self._take(b"".join(self._line))
        if self._body is not None:
            yield from _in_body("\n".join(self._body))
        elif self._data and _is_whole("\n".join(self._data)):
            yield self._dispatch()
        elif self._strange:
            raise _no_stream(f"no stream came, but: {' '.join(self._strange)[:_SHOWN_CHARS]}")

    def _take(self, raw: bytes) -> Iterator[SentEvent]:
        # a model's words may be cut within a character; what is neither a field nor text is no stream
        line = raw.decode(errors="replace" if raw.startswith(b"data:") else "strict")
        if not self._began:
            self._began = True
            line = line.removeprefix("\ufeff")
        if self._body is not None:
            self._body.append(line)
        elif not line:
            if self._data:
                yield self._dispatch()
            self._event, self._size = "", 0
        elif line[0] != ":":
            self._field(line)

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name not in {"id", "retry"}:
            self._no_field(line)

    def _no_field(self, line: str) -> None:
        """No field begins like JSON or like a page; an error in the middle of a stream may, all the same."""
        begins = line.lstrip()[:1]
        if begins in {"{", "["} or (begins == "<" and not self._data):
            self._body = [line]
        elif len(self._strange) < 10:
            self._strange.append(line)

    def _dispatch(self) -> SentEvent:
        sent = SentEvent(self._event, "\n".join(self._data))
        self._data, self._strange = [], []
        return sent

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT_BYTES:
            raise ModelBadAnswer(cause=f"an event of more than {MAX_EVENT_BYTES} bytes")


def _in_body(text: str) -> Iterator[SentEvent]:
    if is_page(text):
        raise _no_stream(words_of_page(text))
    try:
        body: Any = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ModelBadAnswer(cause=f"neither a stream nor JSON came: {text[:_SHOWN_CHARS]}") from error
    for one in body if isinstance(body, list) else [body]:
        yield SentEvent("", msgspec.json.encode(one).decode())


def _is_whole(data: str) -> bool:
    with suppress(msgspec.MsgspecError, ValueError, RecursionError):
        return data.startswith("[DONE]") or msgspec.json.decode(data) is not None
    return False


def _no_stream(cause: str) -> ProviderError:
    """It would come again."""
    return ModelUnreachable(cause=cause, ask_again=False)
