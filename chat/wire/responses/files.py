"""The pictures and files of a message that comes with a request: by an id, or as a data URL, which becomes a file like any other."""

import hashlib
import re
from collections.abc import Mapping, Sequence

import msgspec

from chat.errors import FrameError, TooManyFiles
from chat.quota.uploads import count_upload
from chat.session.commands import AddMessage, AddToolCall, AddToolOutput
from chat.wire.codes import FrameCode
from chat.wire.http.visit import Visit
from chat.wire.realtime.files import decoded
from sessions_app.conf import conf
from sessions_app.files.keeping import find_file, keep_file, read_file
from sessions_app.log.events import FileRef
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.lookup import is_there
from sessions_app.postgres.threads import in_db_thread

Command = AddMessage | AddToolCall | AddToolOutput

_OURS = re.compile(r"file_[0-9a-f]{24}")
_OUR_ADDRESS = re.compile(r"/api/files/(file_[0-9a-f]{24})(?:\?.*)?$")


class GivenFile(msgspec.Struct, frozen=True, kw_only=True):
    """Either an id or a data URL."""

    file_id: str = ""
    url: str = ""
    name: str = ""


def given_at(url: str, name: str = "") -> GivenFile:
    """A data URL, as a front end makes of what is picked; or an address of ours, as a message that was told has it."""
    if ours := _OUR_ADDRESS.search(url):
        return GivenFile(file_id=ours[1])
    return GivenFile(url=url, name=name)


GivenFiles = Mapping[str, Sequence[GivenFile]]
"""By the item that they belong to."""


def check_given(files: Sequence[GivenFile], param: str) -> None:
    """Raises `FrameError`, `TooManyFiles`."""
    for file in files:
        if bool(file.file_id) == bool(file.url):
            raise FrameError(
                f"{param}: name a file that was sent to /api/files by its file_id, or give it as a data URL.",
                param=param,
            )
        if file.file_id and not _OURS.fullmatch(file.file_id):
            raise FrameError(f"{param}: {file.file_id[:64]!r} is no file of this server's.", param=param)
        if file.url and not file.url.startswith("data:"):
            raise FrameError(
                f"{param}: this server fetches nothing from other addresses. Send the file to /api/files, or as a data URL.",
                code=FrameCode.UNSUPPORTED_CONTENT,
                param=param,
            )
    most = conf().max_files_per_message
    if len(files) > most:
        raise TooManyFiles(
            f"{param}: {len(files)} pictures and files; at most {most} are taken in one message.", param=param
        )


def are_the_same(kept: Sequence[FileRef], given: Sequence[GivenFile]) -> bool:
    """Whether a message that is told again has the files that it had: by their ids, or byte for byte. Asks the database. Raises
    `FrameError`."""
    return len(kept) == len(given) and all(_is_the_same(*pair) for pair in zip(kept, given, strict=True))


def _is_the_same(kept: FileRef, given: GivenFile) -> bool:
    if given.file_id == kept.id:
        return True
    row = find_file(kept.id)
    return row is not None and row.sha256 == _digest_of(given)


def _digest_of(given: GivenFile) -> str:
    if given.url:
        return hashlib.sha256(decoded(given.url, param="messages")).hexdigest()
    row = find_file(given.file_id)
    return row.sha256 if row else ""


async def with_files(
    visit: Visit, session_id: str, said: Sequence[Command], given: GivenFiles, *, reader: Visitor
) -> list[Command]:
    """What is said, with files of that session's. One of another session that ``reader`` may enter is copied: whoever goes on
    elsewhere brings along what was said there. Raises a `FrameError`, a `FileError`, `LimitReached`."""
    if not given and not any(isinstance(one, AddMessage) and one.files for one in said):
        return list(said)

    def kept() -> list[Command]:
        return [_with_its_files(visit, session_id, one, given, reader) for one in said]

    return await in_db_thread(kept)


def _with_its_files(
    visit: Visit, session_id: str, one: Command, given: GivenFiles, reader: Visitor
) -> Command:
    if not isinstance(one, AddMessage):
        return one
    files = [*(GivenFile(file_id=file_id) for file_id in one.files), *given.get(one.item_id or "", ())]
    ids = [
        _in_session(file.file_id, visit, session_id, reader)
        if file.file_id
        else _kept(file, visit, session_id)
        for file in files
    ]
    return msgspec.structs.replace(one, files=ids)


def _in_session(file_id: str, visit: Visit, session_id: str, reader: Visitor) -> str:
    row = find_file(file_id)
    if row is None or row.session_id in ("", session_id):
        return file_id
    if not is_there(session_id=row.session_id, visitor=reader):
        return file_id  # the session says that there is no such file
    return keep_file(read_file(row), name=row.name, owner=visit.visitor, session_id=session_id).file_id


def _kept(file: GivenFile, visit: Visit, session_id: str) -> str:
    data = decoded(file.url, param="input")
    count_upload(visit.payers, len(data))
    return keep_file(data, name=file.name, owner=visit.visitor, session_id=session_id).file_id
