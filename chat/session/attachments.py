"""The bytes of a history's pictures and files, read for a request: within a bound, away from the event loop, and once for all
rounds of a turn."""

import base64
import logging
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import msgspec

from chat.llm.provider import TEXT, FileItem, HistoryItem, UserText
from chat.llm.reading import MOST_BYTES, MOST_FILES, TEXT_CHARS
from sessions_app.errors import DatabaseAway, FileError
from sessions_app.files.keeping import find_file, read_file
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

CACHE_BYTES = 64 * 1024 * 1024
"""Of one process: about three requests with all the files that one may have."""


class _Cache:
    """What was read lately, by a file's id; in a conversation it is asked for again with every turn."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._found: OrderedDict[str, str] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, file_id: str) -> str | None:
        with self._lock:
            if file_id in self._found:
                self._found.move_to_end(file_id)
            return self._found.get(file_id)

    def put(self, file_id: str, content: str) -> None:
        with self._lock:
            self._take_out(file_id)
            self._found[file_id] = content
            self._bytes += len(content)
            while self._bytes > self._most_bytes:
                self._take_out(next(iter(self._found)))

    def _take_out(self, file_id: str) -> None:
        self._bytes -= len(self._found.pop(file_id, ""))


_cache = _Cache(CACHE_BYTES)


async def with_contents(history: Sequence[HistoryItem]) -> list[HistoryItem]:
    """The history with what its files hold, the newest first, as many as fit into one request. One that cannot be read is left
    without: the model is told so, and the turn goes on."""
    wanted = _wanted(history)
    if not wanted:
        return list(history)
    contents = await in_db_thread(_read, [file for file in wanted.values() if file is not None])
    return [_filled(item, wanted, contents) for item in history]


def _wanted(history: Sequence[HistoryItem]) -> dict[str, FileItem | None]:
    """By id; None for one for which there is no room."""
    files = [file for item in history if isinstance(item, UserText) for file in item.files]
    wanted: dict[str, FileItem | None] = {}
    room = MOST_BYTES
    for file in reversed(files):
        if file.id in wanted:
            continue
        fits = len(wanted) < MOST_FILES and file.size <= room
        wanted[file.id] = file if fits else None
        room -= file.size if fits else 0
    return wanted


def _read(files: Sequence[FileItem]) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in files:
        content = _cache.get(file.id)
        if content is None and (content := _content(file)) is not None:
            _cache.put(file.id, content)
        if content is not None:
            found[file.id] = content
    return found


def _content(file: FileItem) -> str | None:
    try:
        row = find_file(file.id)
        data = read_file(row) if row else None
    except (FileError, DatabaseAway) as error:
        logger.warning("file %s cannot be read for a model: %s", file.id, error.code)
        return None
    if data is None:
        return None
    if file.media_type == TEXT:
        return data.decode("utf-8-sig", errors="replace")[: TEXT_CHARS + 1]
    return base64.b64encode(data).decode("ascii")


def _filled(item: HistoryItem, wanted: dict[str, FileItem | None], contents: dict[str, str]) -> HistoryItem:
    if not isinstance(item, UserText) or not item.files:
        return item
    files = [
        msgspec.structs.replace(file, content=contents.get(file.id), left_out=wanted[file.id] is None)
        for file in item.files
    ]
    return msgspec.structs.replace(item, files=files)
