"""Bounds by time: so much at once, which drains evenly over a window. One row a subject, one statement a question.

The clock is the database's, so that it is one for all processes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

KEPT_WINDOWS = 2
"""How many windows a row is kept after its last use; after one it counts for nothing."""

_DRAINED = "greatest(0, l.used - greatest(0, extract(epoch FROM clock_timestamp() - l.at)) * l.per_second)"
_TAKE = f"""
INSERT INTO limits_level AS l (subject, used, per_second, at, expires)
SELECT %(subject)s, %(amount)s::float8, %(rate)s::float8, clock_timestamp(), clock_timestamp() + %(kept)s * interval '1 s'
WHERE %(amount)s::float8 <= %(most)s::float8 + 1e-6
ON CONFLICT (subject) DO UPDATE
    SET used = {_DRAINED} + %(amount)s, per_second = excluded.per_second, at = clock_timestamp(),
        expires = excluded.expires
    WHERE {_DRAINED} + %(amount)s <= %(most)s + 1e-6
RETURNING used
"""  # noqa: S608 - built from constants alone
_LEVEL = f"SELECT {_DRAINED} FROM limits_level l WHERE subject = %(subject)s"  # noqa: S608
_GIVE_BACK = f"""
UPDATE limits_level l SET used = greatest(0, {_DRAINED} - %(amount)s), at = clock_timestamp()
WHERE subject = %(subject)s
"""  # noqa: S608

_ADD = f"""
INSERT INTO limits_level AS l (subject, used, per_second, at, expires)
SELECT subject, amount, rate, clock_timestamp(), clock_timestamp() + kept * interval '1 s'
FROM unnest(%s::text[], %s::float8[], %s::float8[], %s::float8[]) AS told(subject, amount, rate, kept)
ON CONFLICT (subject) DO UPDATE
    SET used = {_DRAINED} + excluded.used, per_second = excluded.per_second, at = clock_timestamp(),
        expires = excluded.expires
RETURNING subject, used
"""  # noqa: S608
_HOLD = """
INSERT INTO limits_hold AS h (subject, process, held, expires)
SELECT subject, %s, held, clock_timestamp() + %s * interval '1 s'
FROM unnest(%s::text[], %s::int[]) AS told(subject, held)
ON CONFLICT (subject, process) DO UPDATE SET held = excluded.held, expires = excluded.expires
"""
_LET_GO = "DELETE FROM limits_hold WHERE process = %s AND NOT subject = ANY(%s::text[])"
_ELSEWHERE = """
SELECT subject, sum(held) FROM limits_hold
WHERE subject = ANY(%s::text[]) AND process <> %s AND expires > clock_timestamp() GROUP BY subject
"""
_HELD_FOR_S = 10.0
"""What a process holds counts for so long after its last word, which it says every second."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """``most`` at once; what is used drains evenly over ``window_s``."""

    most: float
    window_s: float

    @property
    def per_second(self) -> float:
        return self.most / self.window_s


@dataclass(frozen=True, kw_only=True)
class Taken:
    ok: bool
    used: float
    wait_s: float = 0.0
    """How long until the same would be taken; 0 when it was."""


@dataclass(frozen=True, kw_only=True)
class Used:
    """What one process counted since it last said so."""

    subject: str
    amount: float
    bound: Bound


def subject(kind: str, name: str) -> str:
    """What is counted: ``name`` may be what somebody typed, of any length, so it is hashed."""
    return f"{kind}:{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def take(subject: str, bound: Bound, amount: float = 1.0) -> Taken:
    """Count ``amount``, if there is room for it; two that ask at the same time cannot both get the last of it."""
    params = _params(subject, bound, amount)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, params)
        if row := cursor.fetchone():
            return Taken(ok=True, used=float(row[0]))
        cursor.execute(_LEVEL, params)
        row = cursor.fetchone()
    used = float(row[0]) if row else bound.most
    return Taken(ok=False, used=used, wait_s=max(0.0, (used + amount - bound.most) / bound.per_second))


def give_back(subject: str, bound: Bound, amount: float = 1.0) -> None:
    """What was taken and does not count after all."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK, _params(subject, bound, amount))


def add(used: Sequence[Used]) -> dict[str, float]:
    """Count what was used already, in subject order, so that two processes do not lock each other out; the new totals."""
    columns: list[Any] = [
        [one.subject for one in used],
        [one.amount for one in used],
        [one.bound.per_second for one in used],
        [one.bound.window_s * KEPT_WINDOWS for one in used],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, columns)
        return {str(subject): float(total) for subject, total in cursor.fetchall()}


def hold(process: str, held: Mapping[str, int]) -> dict[str, int]:
    """Say what a process holds now, all of it; what the others hold of the same."""
    subjects = sorted(held)
    with connection.cursor() as cursor:
        cursor.execute(_LET_GO, [process, subjects])
        if not subjects:
            return {}
        cursor.execute(_HOLD, [process, _HELD_FOR_S, subjects, [held[subject] for subject in subjects]])
        cursor.execute(_ELSEWHERE, [subjects, process])
        return {str(subject): int(total) for subject, total in cursor.fetchall()}


def clean_up() -> None:
    """Take out what counts for nothing any more."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM limits_level WHERE expires <= clock_timestamp()")
        cursor.execute("DELETE FROM limits_hold WHERE expires <= clock_timestamp()")


def _params(subject: str, bound: Bound, amount: float) -> dict[str, Any]:
    return {
        "subject": subject,
        "amount": amount,
        "most": bound.most,
        "rate": bound.per_second,
        "kept": bound.window_s * KEPT_WINDOWS,
    }
