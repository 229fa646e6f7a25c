"""The codes with which this server closes a socket."""

from enum import IntEnum
from typing import Self


class CloseCode(IntEnum):
    """1xxx are those of RFC 6455, section 7.4; the vendors' clients reconnect on 1001, 1011, 1012 and 1013 when told
    to, and stop on 1000 and on any 4xxx, which are ours."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = member.__doc__ = meaning
        return member

    DONE = 1000, "the session has ended well"
    GOING_AWAY = 1001, "the server or the page goes away"
    FRAME_TOO_LARGE = 1009, "a frame was larger than the server takes"
    INTERNAL_ERROR = 1011, "a fault of this server's"
    RESTARTING = 1012, "the server restarts, or another server process serves the session now"
    OVERLOADED = 1013, "the server cannot take more at the moment"
    PROTOCOL_ERROR = 4400, "the request to connect made no sense"
    CREDENTIALS = 4401, "the credentials are missing, wrong or expired"
    ORIGIN_REFUSED = 4403, "the page's origin may not open sockets here"
    SESSION_NOT_FOUND = 4404, "there is no such session, or it is not yours"
    TOO_SLOW_OR_SILENT = 4408, "you did not read fast enough, or said nothing for too long"
    RATE_LIMITED = 4429, "too many frames in a short time, or too many sockets from one address"
