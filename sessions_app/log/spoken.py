"""What a summary is made from: a session's conversation in plain lines, a paragraph each, in parts when it is long.

A long message is cut at `MAX_MESSAGE_CHARS`. Never more than one part is in memory.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from django.db import connection
from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Left

from sessions_app.log import events as ev
from sessions_app.models import SessionEvent

MAX_TRANSCRIPT_CHARS = 24_000
MAX_MESSAGE_CHARS = 2_000
_MAX_ROWS = 1_000
"""Bounds what is read at once when messages are tiny."""
SPEAKERS = {name: event.speaker for name, event in ev.EVENT_TYPES.items() if event.speaker}
_LINES = {
    **{name: speaker + ": {text}" for name, speaker in SPEAKERS.items()},
    ev.ToolCall.event_type: "[The assistant used the tool {tool}]",
}


_BEGINNINGS = """
SELECT s.session_id, e.seq, e.event_type, left(e.content, %(chars)s), e.payload ->> 'name', e.payload ->> 'files'
FROM unnest(%(session_ids)s::text[]) AS s(session_id) CROSS JOIN LATERAL (
    SELECT seq, event_type, content, payload FROM session_events
    WHERE session_id = s.session_id AND event_type = ANY(%(types)s::text[]) ORDER BY seq LIMIT %(rows)s
) e ORDER BY s.session_id, e.seq
"""


def transcripts(session_ids: Sequence[str]) -> dict[str, str | None]:
    """By session, in one query; None for one that is too long for that."""
    params: dict[str, Any] = {
        "session_ids": list(session_ids),
        "types": list(_LINES),
        "chars": MAX_MESSAGE_CHARS + 1,
        "rows": _MAX_ROWS,
    }
    lines: dict[str, list[str]] = {session_id: [] for session_id in session_ids}
    if session_ids:
        with connection.cursor() as cursor:
            cursor.execute(_BEGINNINGS, params)
            for session_id, _, event_type, text, tool, files in cursor:
                lines[session_id].append(_line(event_type, text, tool, files))
    return {
        session_id: "\n\n".join(told)
        if len(told) < _MAX_ROWS and sum(map(len, told)) <= MAX_TRANSCRIPT_CHARS
        else None
        for session_id, told in lines.items()
    }


def _line(event_type: str, text: str | None, tool: str | None, files: str | None) -> str:
    """``files``: JSON of the `FileRef`s that went with it."""
    names = [file.name for file in msgspec.json.decode(files, type=list[ev.FileRef])] if files else []
    sent = f" [sent: {', '.join(names)}]" if names else ""
    return _LINES[event_type].format(text=_clipped(text or ""), tool=tool) + sent


def _clipped(text: str) -> str:
    """Further lines are indented, so that nobody's text looks like another's entry."""
    cut = text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]} [... cut]"
    return "\n  ".join(cut.splitlines())


# Long ones, in parts.


_PARTS = """
SELECT min(seq), max(seq), count(*) FROM (
    SELECT seq, (sum(least(coalesce(length(content), 0), %(chars)s) + %(around)s) OVER (ORDER BY seq) - 1) / %(size)s AS part
    FROM session_events WHERE session_id = %(session_id)s AND event_type = ANY(%(types)s::text[])
) spoken GROUP BY part ORDER BY part
"""
_AROUND_CHARS = 40
"""Who speaks, the mark of a cut, the empty line."""
_PAGE_ROWS = 500


class SpokenPart(NamedTuple):
    """A stretch of a conversation: the entries from ``first_seq`` to ``last_seq``."""

    session_id: str
    first_seq: int
    last_seq: int
    entries: int


def parts_of(*, session_id: str, max_chars: int, most: int) -> list[SpokenPart | int]:
    """The conversation in parts of about ``max_chars``. Of more than ``most`` the beginning (a third) and the end are kept, and
    between them stands how many entries are left out."""
    params: dict[str, Any] = {
        "session_id": session_id,
        "types": list(_LINES),
        "chars": MAX_MESSAGE_CHARS,
        "around": _AROUND_CHARS,
        "size": max_chars,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PARTS, params)
        parts = [SpokenPart(session_id, *row) for row in cursor.fetchall()]
    if len(parts) <= most:
        return [*parts]
    first = most // 3
    last = len(parts) - (most - first)
    return [*parts[:first], sum(part.entries for part in parts[first:last]), *parts[last:]]


def read_part(part: SpokenPart) -> str:
    spoken = SessionEvent.objects.filter(session_id=part.session_id, event_type__in=_LINES)
    lines: list[str] = []
    after = part.first_seq - 1
    while page := _page(spoken.filter(seq__gt=after, seq__lte=part.last_seq)):
        lines += [_line(event_type, text, tool, files) for _, event_type, text, tool, files in page]
        after = page[-1][0]
    return "\n\n".join(lines)


def _page(spoken: QuerySet[SessionEvent]) -> list[tuple[int, str, str | None, str | None, str | None]]:
    rows = spoken.annotate(
        tool=KT("payload__name"), files=KT("payload__files"), text=Left("content", MAX_MESSAGE_CHARS + 1)
    )
    return list(rows.order_by("seq").values_list("seq", "event_type", "text", "tool", "files")[:_PAGE_ROWS])
