"""The reader of server-sent events for all vendors.

By https://html.spec.whatwg.org/multipage/server-sent-events.html, with two additions: a last event whose blank line is missing
counts when it is whole, and a body that is JSON stands for one event, or for as many as its array holds.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from html import unescape
from typing import Any, NamedTuple

import httpx2
import msgspec

from chat.errors import ModelBadAnswer, ModelUnreachable, ProviderError
from chat.llm.transport import BodyReader

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Of one event, or of a whole body that is no stream."""
_SHOWN_CHARS = 300


class SentEvent(NamedTuple):
    event: str
    """Its name; empty where the server gives none."""
    data: bytes
    """As it came: a model's words may be cut within a character."""

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace").strip()


class EventReader:
    """The events of one answer."""

    def __init__(self, response: httpx2.Response) -> None:
        self._body = BodyReader(response)
        self._lines: _Lines | None = _Lines()

    async def read(self) -> Iterator[SentEvent] | None:
        """What one read brings: no event, one, many. To be taken before the next. None at the end.

        The iterator raises `ModelUnreachable`, which is not to be asked again, for a page or a text in the place of a
        stream; ValueError for what is neither UTF-8 nor JSON.
        """
        if self._lines is None:
            return None
        if read := await self._body.read():
            return self._lines.feed(read)
        lines, self._lines = self._lines, None
        return lines.ending()


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


class _Lines:
    def __init__(self) -> None:
        self._line: list[bytes] = []
        """The pieces of a line whose end has not come yet."""
        self._after_cr = False
        self._event = ""
        self._data: list[bytes] = []
        self._body: list[str] | None = None
        """Lines of what is no stream: JSON, or a page."""
        self._strange: list[str] = []
        """The first lines that mean nothing in a stream; empty once an event has come."""
        self._size = 0
        self._began = False

    def feed(self, chunk: bytes) -> Iterator[SentEvent]:
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
        if not chunk:
            self._after_cr = False
            return
        self._after_cr = chunk.endswith(b"\r")
        self._grow(len(chunk))
        lines = chunk.splitlines()  # of bytes: at CR, LF and CRLF alone
        rest = None if chunk.endswith((b"\r", b"\n")) else lines.pop()
        for line in lines:
            if self._line:
                self._line.append(line)
                line = b"".join(self._line)  # noqa: PLW2901  # the same line, whole
                self._line.clear()
            if sent := self._take(line):
                yield sent
        if rest is not None:
            self._line.append(rest)

    def ending(self) -> Iterator[SentEvent]:
        if sent := self._take(b"".join(self._line)):
            yield sent
        if self._body is not None:
            yield from _in_body("\n".join(self._body))
        elif self._data and _is_whole(b"\n".join(self._data)):
            yield self._dispatch()
        elif self._strange:
            raise _no_stream(f"no stream came, but: {' '.join(self._strange)[:_SHOWN_CHARS]}")

    def _take(self, line: bytes) -> SentEvent | None:
        """The event that the line ends."""
        if not self._began:
            self._began = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if self._body is not None:
            self._body.append(line.decode(errors="replace" if line.startswith(b"data:") else "strict"))
        elif line.startswith(b"data: "):
            self._data.append(line[6:])
        elif line:
            self._field(line)
        else:
            sent = self._dispatch() if self._data else None
            self._event, self._size = "", 0
            return sent
        return None

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode()
        elif name not in {b"", b"id", b"retry"}:
            self._no_field(line.decode())

    def _no_field(self, line: str) -> None:
        """No field begins like JSON or like a page; an error in the middle of a stream may, all the same."""
        begins = line.lstrip()[:1]
        if begins in {"{", "["} or (begins == "<" and not self._data):
            self._body = [line]
        elif len(self._strange) < 10:
            self._strange.append(line)

    def _dispatch(self) -> SentEvent:
        data = self._data
        sent = SentEvent(self._event, data[0] if len(data) == 1 else b"\n".join(data))
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
        yield SentEvent("", msgspec.json.encode(one))


def _is_whole(data: bytes) -> bool:
    with suppress(msgspec.MsgspecError, ValueError, RecursionError):
        return data.startswith(b"[DONE]") or msgspec.json.decode(data) is not None
    return False


def _no_stream(cause: str) -> ProviderError:
    """It would come again."""
    return ModelUnreachable(cause=cause, ask_again=False)
