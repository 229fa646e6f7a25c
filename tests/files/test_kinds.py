"""What a file is, by its bytes."""

import pytest

from sessions_app.errors import FileBroken, FileTypeRefused
from sessions_app.files.kinds import MAX_PAGES, Kind, MediaType, clean_name, kind_of
from tests.files.samples import TEXT, WHOLE, gif, jpeg, pdf, png, webp


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(7, 5), Kind(MediaType.PNG, 7, 5)),
        (jpeg(640, 480), Kind(MediaType.JPEG, 640, 480)),
        (jpeg(behind=b"a camera's own\x00"), Kind(MediaType.JPEG, 640, 480)),
        (gif(9, 8), Kind(MediaType.GIF, 9, 8)),
        (webp(300, 200), Kind(MediaType.WEBP, 300, 200)),
        (pdf(3), Kind(MediaType.PDF, pages=3)),
        (TEXT, Kind(MediaType.TEXT)),
        (b"\xef\xbb\xbfwith a mark", Kind(MediaType.TEXT)),
        (b"<!doctype html><script>alert(1)</script>", Kind(MediaType.TEXT)),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Kind(MediaType.TEXT)),
    ],
)
def test_each_type_is_told_with_its_size(data: bytes, kind: Kind) -> None:
    assert kind_of(data) == kind


def test_lossy_and_lossless_webp_have_their_sizes_elsewhere() -> None:
    lossy = (
        b"WEBPVP8 " + b"\x0a\x00\x00\x00" + b"\x10\x00\x00\x9d\x01\x2a" + b"\x40\x01\xf0\x00" + b"\x00" * 4
    )
    bits = (99 | 49 << 14).to_bytes(4, "little")
    lossless = b"WEBPVP8L" + b"\x05\x00\x00\x00" + b"\x2f" + bits + b"\x00" * 8

    def whole(body: bytes) -> bytes:
        return b"RIFF" + len(body).to_bytes(4, "little") + body

    assert kind_of(whole(lossy))[1:3] == (320, 240)
    assert kind_of(whole(lossless))[1:3] == (100, 50)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   \n",
        b"PK\x03\x04 a zip",
        b"MZ\x90\x00 a program",
        b"\x7fELF\x02",
        b"RIFF\x04\x00\x00\x00WAVEfmt " + b"\x00" * 20,
        b"\x00\x00\x00\x18ftypheic" + b"\x00" * 20,
        "half a word".encode("utf-16"),
        b"latin \xe9",
        b"words with a \x00 in them",
        b"words with \x1b[31m",
        b" \x89PNG\r\n\x1a\n",
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(FileTypeRefused):
        kind_of(data)


@pytest.mark.parametrize("media_type", [one for one in WHOLE if one is not MediaType.TEXT])
def test_half_a_file_is_refused(media_type: MediaType) -> None:
    whole = WHOLE[media_type]
    assert kind_of(whole).media_type is media_type
    for cut in (len(whole) // 2, len(whole) - 4):
        with pytest.raises((FileBroken, FileTypeRefused)):
            kind_of(whole[:cut])


def test_the_end_of_a_small_picture_within_a_photo_is_not_the_photos() -> None:
    """As cameras put one into its head."""
    inner = jpeg(160, 120)
    head = b"\xff\xe1" + (len(inner) + 2).to_bytes(2) + inner
    photo = jpeg(640, 480)
    whole = photo[:2] + head + photo[2:]
    assert kind_of(whole) == Kind(MediaType.JPEG, 640, 480)
    with pytest.raises(FileBroken):
        kind_of(whole[:-4])


def test_a_page_that_was_written_again_is_one_page() -> None:
    """Whoever fills a form in or signs it writes what changed behind the rest."""
    once = pdf(MAX_PAGES - 1)
    again = once + once.removeprefix(b"%PDF-1.7\n")
    assert kind_of(again) == Kind(MediaType.PDF, pages=MAX_PAGES - 1)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            png(1, 1).replace(b"\x00\x00\x00\x01\x00\x00\x00\x01", b"\x00\x01\x00\x00\x00\x01\x00\x00"),
            "pixels",
        ),
        (jpeg(8001, 10), "8001 x 10"),
        (jpeg(8000, 7000), "million"),
        (jpeg(0, 10), "cut off or damaged"),
        (pdf(MAX_PAGES + 1), f"{MAX_PAGES + 1} pages"),
        (pdf(words=b"trailer << /Encrypt 5 0 R >>"), "password"),
    ],
)
def test_what_no_vendor_would_take_is_refused_by_name(data: bytes, why: str) -> None:
    with pytest.raises(FileBroken, match=why):
        kind_of(data)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("photo.png", "photo.png"),
        ("/etc/../passwd", "passwd"),
        ("C:\\Users\\ada\\cv.png", "cv.png"),
        ('a"b\r\nSet-Cookie: x.png', "abSet-Cookie x.png"),
        ("..", "file.png"),
        ("", "file.png"),
        ("\x00\x1b", "file.png"),
        ("Übersicht №1.png", "Übersicht №1.png"),
        ("x" * 300 + ".png", "x" * 100 + ".png"),
        ("\ud800.png", "png"),
    ],
)
def test_a_name_is_a_name_and_nothing_more(given: str, kept: str) -> None:
    assert clean_name(given, MediaType.PNG) == kept
