"""What models read beside words: which pictures and files, how large, how many at once; and what stands for the others.

The figures are the vendors' own (November 2026, docs/files.md); `MODEL_FILES` corrects them by model. A file of text is words,
which every model reads.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from chat.conf import conf
from chat.llm.prompts import FILE_CUT, FILE_GONE, FILE_LEFT_OUT, FILE_NOT_READ, FILE_TEXT
from chat.llm.provider import PDF, TEXT, FileItem, HistoryItem, ModelRequest, UserText
from sessions_app.conf import MOST_FILE_BYTES
from sessions_app.log.events import FileRef

_STILL = frozenset({"image/png", "image/jpeg", "image/webp"})
_KINDS = {"image": _STILL | {"image/gif"}, "pdf": frozenset({PDF})}
MOST_FILES = 20
"""In one request: of more than that Claude wants each to be small."""
MOST_BYTES = MOST_FILE_BYTES
"""Of all of them together, before base64."""
TEXT_CHARS = 60_000
"""Of a file of text; the rest is cut off, and the model is told so."""


@dataclass(frozen=True, kw_only=True)
class Reads:
    """``image_bytes``: of one picture, before base64. ``most``: of them in one request."""

    media_types: frozenset[str] = frozenset()
    image_bytes: int = MOST_FILE_BYTES
    most: int = MOST_FILES

    def takes(self, file: FileRef | FileItem) -> bool:
        too_large = file.media_type in _KINDS["image"] and file.size > self.image_bytes
        return file.media_type == TEXT or (file.media_type in self.media_types and not too_large)


_ALL = Reads(media_types=_KINDS["image"] | _KINDS["pdf"])
_APIS = {
    "gemini": Reads(media_types=_STILL | _KINDS["pdf"]),
    "anthropic": replace(_ALL, image_bytes=5 * 1024 * 1024 * 3 // 4),  # 5 MiB of base64
    "groq": Reads(media_types=_STILL, image_bytes=3 * 1024 * 1024, most=5),  # 4 MB of base64
}
"""What a vendor's API has a place for, where that is not everything."""
_SEEING = {
    "demo": r"",
    "gemini": r"gemini",
    "openai": r"(?!gpt-3|o1-mini|o3-mini)",
    "anthropic": r"(?!claude-(2|instant))",
    "groq": r".*(llama-4|scout|maverick|vision)",
}
"""The models of a vendor that see: by how their names begin."""


def reads(spec: str) -> Reads:
    """``spec``: PROVIDER:NAME."""
    vendor, _, name = spec.partition(":")
    most = _APIS.get(vendor, _ALL)
    kinds = conf().model_files.get(spec)
    if kinds is not None:
        wanted = frozenset[str]().union(*(_KINDS[kind] for kind in kinds))
        return replace(most, media_types=most.media_types & wanted)
    sees = vendor in _SEEING and re.match(_SEEING[vendor], name)
    return most if sees else Reads()


# In a request.


def readable(request: ModelRequest, spec: str) -> ModelRequest:
    """The request with those files alone that the model takes. Words stand for the others, and for text what it says."""
    if not any(isinstance(item, UserText) and item.files for item in request.history):
        return request
    room = _Room(reads(spec))
    newest_first = [_readable(item, room) for item in reversed(request.history)]
    return msgspec.structs.replace(request, history=newest_first[::-1])


@dataclass
class _Room:
    able: Reads
    files: int = field(init=False)
    bytes: int = MOST_BYTES

    def __post_init__(self) -> None:
        self.files = self.able.most

    def takes(self, file: FileItem) -> bool:
        if self.files < 1 or file.size > self.bytes:
            return False
        self.files, self.bytes = self.files - 1, self.bytes - file.size
        return True


def _readable(item: HistoryItem, room: _Room) -> HistoryItem:
    if not isinstance(item, UserText) or not item.files:
        return item
    kept: list[FileItem] = []
    words = [item.text] if item.text.strip() else []
    for file in item.files:
        if instead := _instead(file, room):
            words.append(instead)
        else:
            kept.append(file)
    return UserText(item.item_id, "\n\n".join(words), kept)


def _instead(file: FileItem, room: _Room) -> str:
    """The words that stand for it; empty: the model is given the file itself."""
    shown = {"name": file.name, "media_type": file.media_type}
    if not room.able.takes(file):
        return FILE_NOT_READ.format(**shown)
    if file.left_out:
        return FILE_LEFT_OUT.format(**shown)
    if file.content is None:
        return FILE_GONE.format(**shown)
    if file.media_type == TEXT:
        cut = FILE_CUT.format(size=file.size) if len(file.content) > TEXT_CHARS else ""
        return FILE_TEXT.format(name=file.name, text=file.content[:TEXT_CHARS] + cut)
    return "" if room.takes(file) else FILE_LEFT_OUT.format(**shown)


def shows_files(request: ModelRequest, spec: str) -> bool:
    """Whether the model is given a picture or a PDF with it."""
    return any(isinstance(item, UserText) and item.files for item in readable(request, spec).history)


def without_files(request: ModelRequest) -> ModelRequest:
    """With words in the place of its pictures and PDFs, for a vendor that has refused one of them."""
    return msgspec.structs.replace(request, history=[_without_files(item) for item in request.history])


def _without_files(item: HistoryItem) -> HistoryItem:
    if not isinstance(item, UserText):
        return item
    files = [
        file if file.media_type == TEXT else msgspec.structs.replace(file, content=None)
        for file in item.files
    ]
    return msgspec.structs.replace(item, files=files)


def unreadable(files: Sequence[FileRef], spec: str) -> FileRef | None:
    """The first of them that the model does not take."""
    able = reads(spec)
    return next((file for file in files if not able.takes(file)), None)
