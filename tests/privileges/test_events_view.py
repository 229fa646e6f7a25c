"""The view ``events``: what docs/supabase.md asks of it is answered, and nobody changes anything through it."""

import importlib
import re
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from sessions_app.log import events as ev
from sessions_app.models import Session, SessionEvent
from sessions_app.supabase.closing import close_data_api, find_exposure
from tests.admin.rows import write_session
from tests.privileges.conftest import ROLES, refused, sql

pytestmark = pytest.mark.django_db

DOCS = (Path(__file__).parents[2] / "docs" / "supabase.md").read_text(encoding="utf-8")
QUERIES = [
    query.strip()
    for block in re.findall(r"^```sql\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    for query in block.split(";")
    if query.strip()
]
COLUMNS = ["id", "event_id", "session_id", "role", "event_type", "content", "timestamp", "created_at"]
migration = importlib.import_module("sessions_app.migrations.0004_events_view")


@pytest.fixture
def session() -> Session:
    return write_session(
        [
            ev.SessionStarted(model="demo", source="realtime"),
            ev.UserMessage(item_id="item_u", text="What is 6*7?"),
            ev.ResponseStarted(response_id="r", provider="demo", model="demo", input_item_ids=["item_u"]),
            ev.ToolCall(
                response_id="r",
                item_id="item_c",
                call_id="c",
                output_index=0,
                name="calculate",
                arguments="{}",
            ),
            ev.ToolResult(response_id="r", item_id="item_c", call_id="c", name="calculate", output="42"),
            ev.AssistantDelta(response_id="r", item_id="item_a", output_index=1, offset=0, text="It is "),
            ev.AssistantDelta(response_id="r", item_id="item_a", output_index=1, offset=6, text="42."),
            ev.AssistantMessage(response_id="r", item_id="item_a", output_index=1, text="It is 42."),
            ev.ResponseDone(response_id="r", status=ev.ResponseStatus.COMPLETED, model="demo"),
        ]
    )


def test_its_columns_are_the_tutorials(session: Session) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM events ORDER BY created_at, id")
        rows = cursor.fetchall()
        assert [column.name for column in cursor.description or ()] == COLUMNS
    assert len(rows) == SessionEvent.objects.exclude(event_type="assistant_delta").count()
    assert {row[2] for row in rows} == {session.pk}
    assert all((row[0], row[6]) == (row[1], row[7]) for row in rows)
    assert "assistant_delta" not in {row[4] for row in rows}
    assert [row[5] for row in rows if row[3] in ("user", "assistant") and row[5]] == [
        "What is 6*7?",
        "It is 42.",
    ]


@pytest.mark.parametrize("query", QUERIES)
def test_the_documented_questions_are_answered(session: Session, query: str) -> None:
    Session.objects.filter(pk=session.pk).update(
        status="ended", end_time=session.start_time, duration_seconds=3.0
    )
    rows = sql(query.replace("SESSION_ID", session.pk).replace("1 hour", "100 years"))
    assert rows
    assert any(value is not None for value in rows[0])


def test_there_are_questions() -> None:
    assert len(QUERIES) >= 9


def test_nothing_is_changed_through_it(session: Session) -> None:
    for statement in (
        "INSERT INTO events (session_id, role, event_type, created_at) VALUES ('s', 'user', 'user_message', now())",
        "UPDATE events SET content = 'changed'",
        "DELETE FROM events",
    ):
        with (
            pytest.raises(DatabaseError, match=r"cannot (insert into|update|delete from) view"),
            transaction.atomic(),
        ):
            sql(statement)


def test_one_sessions_events_are_found_by_their_index(session: Session) -> None:
    sql("SET LOCAL enable_seqscan = off")
    (plan,) = sql("EXPLAIN (FORMAT JSON) SELECT * FROM events WHERE session_id = 's'")
    assert "session_events_seq_once" in str(plan)


def test_it_is_closed_to_the_data_api(supabase: None) -> None:
    """Also where a grant on the view alone would have opened it: it reads with the rights of who asks."""
    for role in ROLES:
        assert not refused("SELECT * FROM events", role=role)
    close_data_api()
    for role in ROLES:
        assert refused("SELECT * FROM events", role=role)
    sql("GRANT SELECT ON events TO anon")
    assert refused("SELECT * FROM events", role="anon")
    assert [thing.name for thing in find_exposure().things] == ["events"]
    close_data_api()
    assert find_exposure().things == ()


def test_somebody_elses_relation_of_that_name_stays(supabase: None) -> None:
    sql(migration.DROP)
    sql("CREATE TABLE events (id int); GRANT SELECT ON events TO anon")
    sql(migration.CREATE)
    close_data_api()
    assert not refused("SELECT id FROM events", role="anon")
    sql(migration.DROP)
    assert sql("SELECT to_regclass('events') IS NOT NULL") == [(True,)]


def test_backwards_and_forwards(session: Session) -> None:
    sql(migration.DROP)
    assert sql("SELECT to_regclass('events')") == [(None,)]
    sql(migration.DROP)
    sql(migration.CREATE)
    assert sql("SELECT count(*) > 3 FROM events") == [(True,)]
