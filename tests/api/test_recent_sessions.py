"""The read behind the list of sessions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app.models import Session, SessionEvent
from sessions_app.selectors.recent import recent_sessions

pytestmark = pytest.mark.django_db

BEGAN_AT = datetime(2026, 3, 1, tzinfo=UTC)
GUEST = "a" * 32


def make(session_id: str, *, minute: int = 0, **fields: Any) -> Session:
    fields = {"user_messages": 1, "start_time": BEGAN_AT + timedelta(minutes=minute), **fields}
    return Session.objects.create(session_id=session_id, **fields)


def say(session: Session, *texts: str) -> None:
    for seq, text in enumerate(texts, start=1):
        SessionEvent.objects.create(
            session=session,
            first_seq=seq,
            seq=seq,
            role="user",
            event_type="user_message",
            content=text,
            created_at=session.start_time,
        )


def ids(**asked: Any) -> list[str]:
    return [
        session.session_id
        for session in recent_sessions(**{"user_id": None, "guest_id": "", **asked}).sessions
    ]


def test_users_and_guests_see_their_own() -> None:
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")
    make("ada's", user=ada)
    make("bob's", user=bob)
    make("guest's", guest_id=GUEST)
    make("nobody's")
    assert ids(user_id=ada.pk) == ["ada's"]
    assert ids(guest_id=GUEST) == ["guest's"]
    assert ids() == []


def test_a_guest_who_signed_in_sees_both_in_order() -> None:
    ada = User.objects.create_user("ada")
    make("1", minute=1, guest_id=GUEST)
    make("2", minute=2, user=ada)
    make("3", minute=3, guest_id=GUEST)
    make("taken over", minute=4, user=User.objects.create_user("bob"), guest_id=GUEST)
    assert ids(user_id=ada.pk, guest_id=GUEST) == ["3", "2", "1"]


def test_a_session_in_which_nobody_spoke_is_not_listed() -> None:
    make("silent", guest_id=GUEST, user_messages=0)
    assert ids(guest_id=GUEST) == []


def test_pages_join_without_a_gap_where_times_are_equal() -> None:
    names = [f"s{number}" for number in range(9)]
    for number, name in enumerate(names):
        make(name, minute=number // 4, guest_id=GUEST)
    found: list[str] = []
    cursor = None
    for _ in range(5):
        page = recent_sessions(user_id=None, guest_id=GUEST, cursor=cursor, limit=2)
        found += [session.session_id for session in page.sessions]
        cursor = page.next_cursor
    assert found == names[::-1]
    assert cursor is None


def test_the_title_is_the_summarys_else_what_was_said_first() -> None:
    say(make("1", minute=3, guest_id=GUEST, title="A title"), "First")
    say(make("2", minute=2, guest_id=GUEST), "What I said first", "And then")
    say(make("3", minute=1, guest_id=GUEST), "long " * 100)
    titles = [session.title for session in recent_sessions(user_id=None, guest_id=GUEST).sessions]
    assert titles[:2] == ["A title", "What I said first"]
    assert len(titles[2]) == 120


def test_a_page_takes_one_query_per_owner_however_many_there_are() -> None:
    ada = User.objects.create_user("ada")
    for number in range(40):
        say(make(f"s{number}", minute=number, user=ada), "Hello")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(ids(user_id=ada.pk, guest_id=GUEST)) == 30
    assert len(queries) == 2


def test_a_page_is_read_from_the_owners_index() -> None:
    """Not by walking all sessions, newest first, until enough of one's own turned up."""
    ada = User.objects.create_user("ada")
    others = [
        Session(session_id=f"x{number}", user_messages=1, start_time=BEGAN_AT) for number in range(3_000)
    ]
    Session.objects.bulk_create(others)
    for number in range(40):
        make(f"s{number}", minute=-number, user=ada)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sessions")
    with CaptureQueriesContext(connection) as queries:
        assert len(ids(user_id=ada.pk)) == 30
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + queries[0]["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "sessions_of_user" in plan or "sessions_user_id" in plan, plan
