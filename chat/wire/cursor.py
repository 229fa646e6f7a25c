"""Places in a session's stream of frames, and the ``event_id`` that names them on the wire.

A record of seq n gives any number of frames. The last of them is ``event_{session_id}_{n}``, the ones before it
``event_{session_id}_{n}.1``, ``.2``, ...: a client that was cut off after any frame can say where.
"""

import re

import msgspec

from chat.errors import InvalidCursor

_PLACE = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([1-9][0-9]{0,5}))?")


class Cursor(msgspec.Struct, frozen=True):
    """The last frame that a client has. ``index`` None: all frames of record ``seq``; else its first ``index`` ones.

    Seq 0 is the place before the first record.
    """

    seq: int
    index: int | None = None


def event_id(session_id: str, seq: int, index: int | None = None) -> str:
    return f"event_{session_id}_{seq}" if index is None else f"event_{session_id}_{seq}.{index}"


def parse_event_id(session_id: str, text: str) -> Cursor:
    """Raises `InvalidCursor` for what is no place in this session's stream.

    A session id may hold ``_`` and ``.``, so its end is known only from the id itself, never by splitting.
    """
    prefix = f"event_{session_id}_"
    place = _PLACE.fullmatch(text.removeprefix(prefix)) if text.startswith(prefix) else None
    if place is None or (place[1] == "0" and place[2]):
        raise InvalidCursor(
            "last_event_id is not an event_id of this session's stream. Give the last one that you received that "
            f"begins with {prefix!r}, or leave it out.",
            param="last_event_id",
        )
    return Cursor(int(place[1]), int(place[2]) if place[2] else None)
