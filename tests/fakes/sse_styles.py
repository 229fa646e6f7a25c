"""Server-sent events as servers really write them: the same stream in other ways, all of which a reader has to take."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


def _as_it_is(data: bytes) -> bytes:
    return data


@dataclass(frozen=True)
class SseStyle:
    """``change`` is done to each event, a blank line at its end."""

    name: str = "plain"
    change: Callable[[bytes], bytes] = _as_it_is
    bom: bool = False
    last_open: bool = False
    """The last event lacks its blank line."""
    piece_bytes: int = 0
    """Sent in pieces of so many bytes; 0: an event a piece."""
    noise: tuple[bytes, ...] = ()
    """Sent behind the first event."""

    def write(self, data: bytes, *, first: bool) -> Iterator[bytes]:
        data = self.change(data)
        if self.last_open:
            data = (b"" if first else b"\n\n") + data.rstrip(b"\r\n")
        if self.bom and first:
            data = "\ufeff".encode() + data
        size = self.piece_bytes or len(data)
        yield from (data[start : start + size] for start in range(0, len(data), size))
        if first:
            yield from self.noise


def _commented(data: bytes) -> bytes:
    return b": keep-alive\n\nretry: 3000\n\n:\n" + data


def _unspaced(data: bytes) -> bytes:
    return re.sub(rb"(?m)^(data|event): ", rb"\1:", data)


def _cr(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r")


def _crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _named(data: bytes) -> bytes:
    return b"id: 7\n" + (data if b"event:" in data else b"event: message\n" + data)


def _unnamed(data: bytes) -> bytes:
    """The name stands in the data alone."""
    return re.sub(rb"(?m)^event:.*\r?\n", b"", data)


def _fractions(data: bytes) -> bytes:
    """Counts of tokens as floats, as servers in languages without integers write them."""
    return re.sub(rb'("\w*(?:_tokens|TokenCount)": \d+)', rb"\1.5", data)


def _nulls(data: bytes) -> bytes:
    return b"data: null\n\n" + data


STYLES = (
    SseStyle("comments", _commented),
    SseStyle("no blank behind the colon", _unspaced),
    SseStyle("CR", _cr),
    SseStyle("CRLF", _crlf),
    SseStyle("names and ids", _named),
    SseStyle("no names", _unnamed),
    SseStyle("a byte order mark", bom=True),
    SseStyle("the last event without its blank line", last_open=True),
    SseStyle("in pieces", _crlf, piece_bytes=7),
    SseStyle("counts with a fraction", _fractions),
    SseStyle("null between", _nulls),
)
