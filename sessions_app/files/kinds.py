"""What a file is, by its bytes: a small strict table. What it claims to be is not believed.

Only what says by its own frame that it is whole is taken: a vendor that is sent half a picture refuses the conversation that
it stands in, and would do so in every turn from then on. No picture is decoded, so there is no bomb to go off: its size is read
from its head (docs/decisions/0089-no-picture-is-decoded-here.md).
"""

import re
import struct
from collections.abc import Callable
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from sessions_app.errors import FileBroken, FileTypeRefused

MAX_SIDE_PX = 8_000
"""The smallest of the vendors' own bounds (Anthropic's)."""
MAX_PIXELS = 50_000_000
MAX_PAGES = 100
"""Of a PDF; the smallest of the vendors' own bounds again."""


class MediaType(StrEnum):
    PNG = "image/png"
    JPEG = "image/jpeg"
    GIF = "image/gif"
    WEBP = "image/webp"
    PDF = "application/pdf"
    TEXT = "text/plain"
    """Of whatever sort, HTML, SVG and programs among them: read as words, never shown as anything else."""


PICTURES = frozenset({MediaType.PNG, MediaType.JPEG, MediaType.GIF, MediaType.WEBP})
_SUFFIXES = {
    MediaType.PNG: ".png",
    MediaType.JPEG: ".jpg",
    MediaType.GIF: ".gif",
    MediaType.WEBP: ".webp",
    MediaType.PDF: ".pdf",
    MediaType.TEXT: ".txt",
}


class Kind(NamedTuple):
    media_type: MediaType
    width: int = 0
    height: int = 0
    pages: int = 0


def kind_of(data: bytes) -> Kind:
    """Raises `FileTypeRefused`, `FileBroken`."""
    for begins, read in _READERS.items():
        if data.startswith(begins):
            return _bounded(read(data))
    if _is_text(data):
        return Kind(MediaType.TEXT)
    raise FileTypeRefused


def clean_name(name: str, media_type: MediaType) -> str:
    """The last part of a path, without what no file's name holds, at most 120 characters; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(char for char in last if char.isprintable() and char not in '"<>|:*?').strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    short = f"{stem[:100]}.{suffix}" if dot and len(suffix) <= 15 else kept[:116]
    return short.encode(errors="replace").decode() or f"file{_SUFFIXES[media_type]}"


def _bounded(kind: Kind) -> Kind:
    if kind.media_type in PICTURES and not (kind.width and kind.height):
        raise FileBroken
    if max(kind.width, kind.height) > MAX_SIDE_PX or kind.width * kind.height > MAX_PIXELS:
        raise FileBroken(
            f"The picture has {kind.width} x {kind.height} pixels; at most {MAX_SIDE_PX} a side and "
            f"{MAX_PIXELS // 1_000_000} million in all are taken. Make it smaller."
        )
    if kind.pages > MAX_PAGES:
        raise FileBroken(f"The PDF has {kind.pages} pages; at most {MAX_PAGES} are taken. Send a part of it.")
    return kind


def _png(data: bytes) -> Kind:
    if len(data) < 33 or data[12:16] != b"IHDR" or b"IEND\xaeB`\x82" not in data:
        raise FileBroken
    return Kind(MediaType.PNG, *struct.unpack(">II", data[16:24]))


def _gif(data: bytes) -> Kind:
    if len(data) < 14 or not data.rstrip(b"\x00").endswith(b";"):
        raise FileBroken
    return Kind(MediaType.GIF, *struct.unpack("<HH", data[6:10]))


_NO_SIZE = {0xC4, 0xC8, 0xCC}
"""Among the markers C0 to CF, those that begin no frame."""


def _jpeg(data: bytes) -> Kind:
    """The first frame's size: segments are walked by their lengths. The end of the picture has to be there, behind the frame,
    for a small picture in the head has an end of its own; cameras write more behind it."""
    place = 2
    while place + 9 < len(data):
        if data[place] != 0xFF:
            break
        marker = data[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            if data.find(b"\xff\xd9", place) < 0:
                break
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return Kind(MediaType.JPEG, width, height)
        else:
            place += 2 + struct.unpack(">H", data[place + 2 : place + 4])[0]
    raise FileBroken


def _webp(data: bytes) -> Kind:
    if len(data) < 30 or data[8:12] != b"WEBP":
        raise FileTypeRefused
    if struct.unpack("<I", data[4:8])[0] + 8 > len(data):
        raise FileBroken
    match data[12:16]:
        case b"VP8 ":
            width, height = (side & 0x3FFF for side in struct.unpack("<HH", data[26:30]))
        case b"VP8L":
            bits = struct.unpack("<I", data[21:25])[0]
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width = int.from_bytes(data[24:27], "little") + 1
            height = int.from_bytes(data[27:30], "little") + 1
        case _:
            raise FileBroken
    return Kind(MediaType.WEBP, width, height)


_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_NUMBER = re.compile(rb"(\d+)\s+\d+\s+$")
_MOST_LOOKED_AT = 20 * MAX_PAGES
_PAGE_COUNT = re.compile(
    rb"/Type\s*/Pages\b[^>]{0,400}?/Count\s+(\d{1,6})|/Count\s+(\d{1,6})[^>]{0,400}?/Type\s*/Pages\b"
)


def _pdf(data: bytes) -> Kind:
    if b"%%EOF" not in data[-2048:]:
        raise FileBroken
    if b"/Encrypt" in data:
        raise FileBroken("The PDF is locked with a password. Send it without one.")
    counts = [int(one or other) for one, other in _PAGE_COUNT.findall(data)]
    return Kind(MediaType.PDF, pages=max([*counts, _pages_in(data)]))


def _pages_in(data: bytes) -> int:
    """One that was changed is written again, behind the rest, under the number that it has."""
    found: set[bytes | int] = set()
    for page in islice(_PAGE.finditer(data), _MOST_LOOKED_AT):
        begins = data.rfind(b"obj", max(0, page.start() - 2_000), page.start())
        number = _NUMBER.search(data[max(0, begins - 20) : begins]) if begins >= 0 else None
        found.add(number[1] if number else page.start())
    return len(found)


_READERS: dict[bytes, Callable[[bytes], Kind]] = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"RIFF": _webp,
    b"%PDF-": _pdf,
}
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def _is_text(data: bytes) -> bool:
    """Words in UTF-8: no control characters but tabs, line breaks and form feeds."""
    if not data.strip() or _NO_TEXT.search(data):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
