"""Small whole files of each type, made by hand so that nothing of them is left to a library's mood."""

import struct
import zlib

from sessions_app.files.kinds import MediaType


def png(width: int = 4, height: int = 3, *, padding: int = 0) -> bytes:
    """``padding``: so many bytes more, in a chunk that readers pass over."""
    rows = b"".join(b"\x00" + b"\x20\x80\xc0" * width for _ in range(height))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            _chunk(b"teXt", b"x" * padding) if padding else b"",
            _chunk(b"IDAT", zlib.compress(rows)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg(width: int = 640, height: int = 480, *, behind: bytes = b"") -> bytes:
    exif = b"\xff\xe1" + struct.pack(">H", 10) + b"Exif\x00\x00\x00\x00"
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + exif + frame + b"\xff\xda\x00\x03\x01\xff\xd9" + behind


def gif(width: int = 2, height: int = 2) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00\x00\x00\x3b"


def webp(width: int = 300, height: int = 200) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x00" * 4 + sizes
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pdf(pages: int = 2, *, words: bytes = b"") -> bytes:
    leaves = b"".join(b"%d 0 obj\n<< /Type /Page /Parent 1 0 R >>\nendobj\n" % (2 + n) for n in range(pages))
    root = b"1 0 obj\n<< /Type /Pages /Count %d /Kids [] >>\nendobj\n" % pages
    return b"%PDF-1.7\n" + root + leaves + words + b"\ntrailer << /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"


TEXT = "Grüße,\tAda\nline two\n".encode()
WHOLE: dict[MediaType, bytes] = {
    MediaType.PNG: png(),
    MediaType.JPEG: jpeg(),
    MediaType.GIF: gif(),
    MediaType.WEBP: webp(),
    MediaType.PDF: pdf(),
    MediaType.TEXT: TEXT,
}
