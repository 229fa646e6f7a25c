"""What the session list offers to narrow it by: one query for all of it.

Each name in use is an index probe: SELECT DISTINCT reads the whole table (200 ms at a million rows).
"""

import datetime as dt
from dataclasses import dataclass

from django.db import connection
from django.http import HttpRequest

MAX_NAMES = 50
MAX_TAGS = 200
_IN_USE = """
    (WITH RECURSIVE used AS (
        (SELECT {0} AS name FROM sessions WHERE {0} <> '' ORDER BY {0} LIMIT 1)
        UNION ALL
        SELECT (SELECT s.{0} FROM sessions s WHERE s.{0} > used.name AND s.{0} <> '' ORDER BY s.{0} LIMIT 1)
        FROM used WHERE used.name IS NOT NULL
    )
    SELECT '{0}', name FROM used WHERE name IS NOT NULL LIMIT %s)
"""
_TAGS = "(SELECT 'tag', name FROM review_tags ORDER BY name LIMIT %s)"
_SPAN = "SELECT '{0}', extract(epoch FROM {0}(start_time))::text FROM sessions"
_ALL = " UNION ALL ".join(
    (_IN_USE.format("model"), _IN_USE.format("assistant"), _TAGS, _SPAN.format("min"), _SPAN.format("max"))
)


@dataclass(frozen=True)
class Choices:
    models: list[str]
    """In alphabetical order, as the others."""
    assistants: list[str]
    tags: list[str]
    span: tuple[dt.datetime, dt.datetime] | None
    """When the first and the last session began; None: there is none."""


def read_choices() -> Choices:
    found: dict[str, list[str]] = {"model": [], "assistant": [], "tag": [], "min": [], "max": []}
    with connection.cursor() as cursor:
        cursor.execute(_ALL, [MAX_NAMES, MAX_NAMES, MAX_TAGS])
        for kind, value in cursor.fetchall():
            if value is not None:
                found[kind].append(value)
    ends = [dt.datetime.fromtimestamp(float(end), dt.UTC) for end in found["min"] + found["max"]]
    span = (ends[0], ends[1]) if ends else None
    return Choices(found["model"], found["assistant"], found["tag"], span)


def choices_on(request: HttpRequest) -> Choices:
    """The same, asked once for a page."""
    choices: Choices | None = getattr(request, "_choices", None)
    if choices is None:
        choices = read_choices()
        request._choices = choices  # type: ignore[attr-defined]
    return choices
