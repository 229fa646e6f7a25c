"""The files of a message that a client sends: by an id, or, small ones, as a data URL, which becomes a file like any other."""

import base64
import binascii

import msgspec

from chat.errors import FrameError
from chat.quota.uploads import count_upload
from chat.session.commands import AddMessage, Command
from chat.wire.dialect import Socket
from chat.wire.realtime import client as ce
from sessions_app.files.keeping import keep_file
from sessions_app.postgres.threads import in_db_thread


async def with_files(command: Command, event: ce.ClientEvent, socket: Socket, session_id: str) -> Command:
    """Raises a `FrameError`, a `FileError`, `LimitReached`."""
    if not isinstance(command, AddMessage) or not isinstance(event, ce.ItemCreate):
        return command
    if not isinstance(event.item, ce.Message) or not event.item.files:
        return command
    ids = [part.file_id or await _kept(part, socket, session_id) for part in event.item.files]
    return msgspec.structs.replace(command, files=ids)


async def _kept(part: ce.InputImage | ce.InputFile, socket: Socket, session_id: str) -> str:
    url, name = part.given
    data = decoded(url, param="item.content")

    def keep() -> str:
        count_upload(socket.payers, len(data))
        return keep_file(data, name=name, owner=socket.visitor, session_id=session_id).file_id

    return await in_db_thread(keep)


def decoded(url: str, *, param: str) -> bytes:
    """What it says of its type is not looked at: `sessions_app.files.kinds` does. Raises `FrameError`."""
    head, comma, data = url.partition(",")
    try:
        return base64.b64decode(data if comma and head.endswith(";base64") else "?", validate=True)
    except binascii.Error:
        raise FrameError(
            f"{param}: the data URL is not data:TYPE;base64,... with base64 in it.", param=param
        ) from None
