"""What processes say to each other over the channel layer, as MessagePack."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from chat.errors import ChatError
from chat.quota.subjects import Payers
from chat.session.commands import Command, Done, SessionInfo
from sessions_app.errors import SessionsError
from sessions_app.log.rows import Row


class Attach(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A socket of mine wants to follow your session."""

    session_id: str
    connection_id: str
    dialect: str
    user_id: int | None
    guest_id: str
    external_user_id: str = ""
    secret_of: str = ""
    is_staff: bool = False
    payers: Payers = ()
    """Whom its answers are counted for; empty: of an older build."""
    waits_for: str = ""
    """The response that it is to be given, where it comes for one."""


class Detach(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    session_id: str
    connection_id: str
    close_code: int


class Do(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    session_id: str
    command: Command


class Overlook(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A member of staff looks at your session through a socket of mine: it follows, and is no subscriber."""

    session_id: str
    connection_id: str


class Act(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A member of staff does something in your session; that they may was checked here."""

    session_id: str
    command: Command


class WhoIsThere(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Which of your sockets follow these sessions of mine?"""

    session_ids: list[str]


Asked = Attach | Overlook | Detach | Do | Act | WhoIsThere


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Answered by a `Reply` on the channel ``reply_to``."""

    request_id: str
    reply_to: str
    what: Asked


class WireError(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    message: str
    error_type: str
    close_code: int | None
    retryable: bool
    param: str | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    request_id: str
    info: SessionInfo | None = None
    done: Done | None = None
    present: list[str] | None = None
    """The connection ids of those that `WhoIsThere` asked for."""
    error: WireError | None = None


class Closed(StrEnum):
    """Why there will be no more records from here."""

    NO = ""
    ENDED = "ended"
    MOVED = "moved"
    """It has another holder soon."""
    ERASED = "erased"
    """It is not to be had any more."""


class Records(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """New visible records of a session for a process that follows it."""

    session_id: str
    rows: list[Row]
    closed: Closed = Closed.NO
    holder: str = ""
    """The channel of who says so: what the last holder still says is not of the next one's session. Empty: of an older build."""


class Recheck(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A credential has ended here, or whose a session is has changed: look at your sockets."""


class RemoteError(ChatError):
    """Another process refused; it says why in the words of its own error."""

    def __init__(self, error: WireError) -> None:
        super().__init__(error.message, param=error.param)
        self.code, self.error_type = error.code, error.error_type  # type: ignore[misc]
        self.close_code, self.retryable = error.close_code, error.retryable  # type: ignore[misc]


def wire_error(error: ChatError | SessionsError) -> WireError:
    return WireError(
        code=error.code,
        message=error.message,
        error_type=getattr(error, "error_type", "server_error"),
        close_code=error.close_code,
        retryable=error.retryable,
        param=getattr(error, "param", None),
    )


Told = Reply | Records | Recheck
"""What a process says to one that has asked, or that follows its sessions; `Recheck` to all."""
Message = Request | Told
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(list[Message])


def encode(messages: Sequence[Message]) -> dict[str, Any]:
    """As one message of the channel layer."""
    return {"type": "relay", "data": msgspec.msgpack.encode(messages)}


def decode(message: dict[str, Any]) -> list[Message]:
    """Raises `msgspec.ValidationError`."""
    decoded: list[Message] = _decoder.decode(message["data"])
    return decoded
