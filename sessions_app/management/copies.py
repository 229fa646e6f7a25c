"""Many sessions from a few: whole logs copied inside the database, under new ids, at other times, of other people.

What a million sessions cost is a matter of rows and indexes, not of words; so a thousand conversations are written as any are,
and the server copies their rows, which takes minutes where writing each would take hours.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.contrib.auth import get_user_model
from django.db import connection, transaction

from sessions_app.log.events import AssistantDelta, AssistantMessage
from sessions_app.log.folding import Answer, fold
from sessions_app.models import Session, SessionEvent

_PER_USER = 12
_BUILD_KB = 512 * 1024
_BATCH = 20_000

_PLAN = """
CREATE TEMPORARY TABLE copies ON COMMIT DROP AS
SELECT old.session_id AS old_id, at.shift,
    regexp_replace(
        lpad(to_hex((extract(epoch FROM old.start_time + at.shift) * 1000)::bigint), 12, '0')
            || '7' || substr(md5(random()::text || old.session_id), 1, 19),
        '(.{8})(.{4})(.{4})(.{4})(.{12})', '\\1-\\2-\\3-\\4-\\5') AS new_id,
    CASE WHEN old.guest_id <> '' THEN substr(md5(random()::text || old.session_id), 1, 24) ELSE '' END AS guest_id
FROM unnest(%(originals)s::text[]) AS o(session_id)
JOIN sessions old USING (session_id)
CROSS JOIN generate_series(1, %(times)s) AS n
CROSS JOIN LATERAL (SELECT least(
    now() - (random() * n / n * %(days)s * interval '1 day') - old.start_time,
    now() - old.last_event_at - interval '1 minute') AS shift) AS at
LIMIT %(most)s
"""
_AT = frozenset({"start_time", "end_time", "created_at", "last_event_at"})


def copy_sessions(originals: list[str], *, count: int, days: float, tell: Callable[[int], None]) -> None:
    """``count`` more sessions like ``originals`` (ids of ended ones), spread over ``days`` up to now. ``tell`` hears how
    many there are so far. One transaction for each 20,000: what is stopped leaves whole sessions."""
    _fold(originals)
    users = _users(max(1, count // _PER_USER))
    done = 0
    with _indexes_later():
        while done < count:
            most = min(_BATCH, count - done)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    _PLAN,
                    {
                        "originals": originals,
                        "times": -(-most // len(originals)),
                        "days": days,
                        "most": most,
                    },
                )
                cursor.execute(_copy_of_sessions(), {"users": users})
                cursor.execute(_copy_of_events())
            done += most
            tell(done)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) sessions, session_events")


def _fold(originals: list[str]) -> None:
    """As a server does with what is finished."""
    answers = (
        SessionEvent.objects.filter(session_id__in=originals, event_type=AssistantMessage.event_type)
        .values_list("session_id", "payload__item_id", "seq")
        .order_by("session_id", "seq")
    )
    began = {
        (session_id, item_id): first_seq
        for session_id, item_id, first_seq in SessionEvent.objects.filter(
            session_id__in=originals, event_type=AssistantDelta.event_type
        )
        .order_by("-first_seq")
        .values_list("session_id", "payload__item_id", "first_seq")
    }
    fold(
        [
            Answer(session_id, item_id, began[session_id, item_id], seq)
            for session_id, item_id, seq in answers
            if (session_id, item_id) in began
        ]
    )


def _copy_of_sessions() -> str:
    changed = {
        "session_id": "c.new_id",
        "user_id": "CASE WHEN s.user_id IS NOT NULL THEN"
        " (%(users)s::bigint[])[1 + floor(random() * cardinality(%(users)s::bigint[]))] END",
        "guest_id": "c.guest_id",
        **{name: f"s.{name} + c.shift" for name in _AT},
    }
    names = [str(field.column) for field in Session._meta.concrete_fields]
    values = [changed.get(name, f"s.{name}") for name in names]
    return (
        f"INSERT INTO sessions ({', '.join(names)}) SELECT {', '.join(values)}"  # noqa: S608 - names of columns
        " FROM copies c JOIN sessions s ON s.session_id = c.old_id"
    )


def _copy_of_events() -> str:
    changed = {"session_id": "c.new_id", "created_at": "e.created_at + c.shift"}
    names = [str(field.column) for field in SessionEvent._meta.concrete_fields if not field.primary_key]
    values = [changed.get(name, f"e.{name}") for name in names]
    return (
        f"INSERT INTO session_events ({', '.join(names)}) SELECT {', '.join(values)}"  # noqa: S608 - names of columns
        " FROM copies c JOIN session_events e ON e.session_id = c.old_id ORDER BY c.new_id, e.seq"
    )


def _users(count: int) -> list[int]:
    """Demo users that nobody can sign in as, made where there are not so many yet."""
    users = get_user_model()
    name = users.USERNAME_FIELD
    names = [f"demo-{number:06}" for number in range(count)]
    here = set(users._default_manager.filter(**{f"{name}__in": names}).values_list(name, flat=True))
    new = [users(**{name: one, "password": "!"}) for one in names if one not in here]
    users._default_manager.bulk_create(new, batch_size=5_000)
    return list(users._default_manager.filter(**{f"{name}__in": names}).values_list("pk", flat=True))


@contextmanager
def _indexes_later() -> Iterator[None]:
    """Indexes that hold no rule up are built when all rows are there, if hardly any are there now: a fifth of the time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM (SELECT 1 FROM sessions LIMIT 20000) few")
        few = cursor.fetchone()[0] < 20_000
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid IN ('sessions'::regclass, 'session_events'::regclass) AND NOT indisunique"
        )
        indexes = cursor.fetchall() if few else []
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"SET maintenance_work_mem = '{_BUILD_KB}kB'")
            for _, definition in indexes:
                cursor.execute(definition)
            cursor.execute("RESET maintenance_work_mem")
