"""Moving in from the tables that tutorials make, of both shapes: whole, once, and with a word about what stayed behind."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.test import Client

from sessions_app.errors import SessionNotFound
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor, open_session
from sessions_app.log.replay import read_history, read_records
from sessions_app.log.state import SessionState
from sessions_app.management import tutorial_import
from sessions_app.management.tutorial_import import session_id_for
from sessions_app.models import Session, SessionEvent
from sessions_app.selectors.recent import recent_sessions
from tests.admin.conftest import signed_in

from .conftest import Imported

pytestmark = pytest.mark.django_db(transaction=True)
Tutorial = Callable[[str], None]

BY_ROLE = """
CREATE TABLE sessions (session_id text PRIMARY KEY, user_id text, start_time timestamptz DEFAULT now(),
    end_time timestamptz, duration int, summary text);
CREATE TABLE session_events (id bigserial PRIMARY KEY, session_id text REFERENCES sessions, role text, content text,
    timestamp timestamptz DEFAULT now());
INSERT INTO sessions VALUES ('demo123', 'ada', '2025-03-01 10:00+00', '2025-03-01 10:05+00', 300, 'About lamps.'),
    ('with space', 'bob', '2025-03-02 10:00+00', NULL, NULL, NULL), ('empty', NULL, now(), NULL, NULL, NULL);
INSERT INTO session_events (session_id, role, content, timestamp) VALUES
    ('demo123', 'assistant', 'Blue.', '2025-03-01 10:00:02+00'),
    ('demo123', 'user', 'Which colour?', '2025-03-01 10:00:01+00'),
    ('demo123', 'user', '', '2025-03-01 10:00:03+00'),
    ('demo123', 'narrator', 'Meanwhile', '2025-03-01 10:00:04+00'),
    ('with space', 'user', 'Hello', '2025-03-02 10:00:01+00');
"""
BY_TYPE = """
CREATE TABLE sessions (id uuid PRIMARY KEY, started_at timestamp, title text);
CREATE TABLE events (event_id bigserial PRIMARY KEY, session_id uuid, event_type text, content jsonb, created_at timestamp);
INSERT INTO sessions VALUES ('0190b2f0-0000-7000-8000-000000000001', '2025-04-01 08:00', 'Time');
INSERT INTO events (session_id, event_type, content, created_at) VALUES
    ('0190b2f0-0000-7000-8000-000000000001', 'session_start', '{}', '2025-04-01 08:00:00'),
    ('0190b2f0-0000-7000-8000-000000000001', 'user_input', '{"text": "What time is it?"}', '2025-04-01 08:00:01'),
    ('0190b2f0-0000-7000-8000-000000000001', 'function_call', '{"name": "get_time", "arguments": {"zone": "UTC"}}',
     '2025-04-01 08:00:02'),
    ('0190b2f0-0000-7000-8000-000000000001', 'function_result', '{"text": "8:00"}', '2025-04-01 08:00:03'),
    ('0190b2f0-0000-7000-8000-000000000001', 'token', '{"text": "Eight "}', '2025-04-01 08:00:04'),
    ('0190b2f0-0000-7000-8000-000000000001', 'token', '{"text": "o''clock."}', '2025-04-01 08:00:05'),
    ('0190b2f0-0000-7000-8000-000000000001', 'ai_response', '"Eight o''clock."', '2025-04-01 08:00:06'),
    ('0190b2f0-0000-7000-8000-000000000001', 'function_call', '"lost"', '2025-04-01 08:00:07');
"""
BY_TYPE_ID = "0190b2f0-0000-7000-8000-000000000001"


def said(session_id: str) -> list[tuple[str, str | None]]:
    rows = SessionEvent.objects.filter(session_id=session_id, content__isnull=False).order_by("seq")
    return list(rows.values_list("event_type", "content"))


def everything() -> list[Any]:
    return list(
        SessionEvent.objects.order_by("session_id", "seq").values("session_id", "seq", "payload", "content")
    )


def test_sessions_by_role(tutorial: Tutorial, imported: Imported) -> None:
    tutorial(BY_ROLE)
    ada = User.objects.create_user("ada")
    told = imported()
    assert "2 sessions imported, 3 events" in told
    assert "left out, 1 sessions: no events" in told
    assert "left out, 1 rows: no content (in demo123)" in told
    assert "left out, 1 rows: neither role nor event_type says who spoke (in demo123)" in told
    assert said("demo123") == [
        ("user_message", "Which colour?"),
        ("assistant_message", "Blue."),
        ("summary_written", "About lamps."),
    ]
    session = Session.objects.get(pk="demo123")
    assert (session.status, session.user, session.source, session.summary_state) == (
        "ended",
        ada,
        "import",
        "written",
    )
    assert (session.user_messages, session.assistant_messages, session.responses) == (1, 1, 0)
    assert session.start_time.isoformat() == "2025-03-01T10:00:00+00:00"
    assert session.duration_seconds == 300
    assert session.last_seq == 5


def test_sessions_by_type_with_tools_and_pieces(tutorial: Tutorial, imported: Imported) -> None:
    tutorial(BY_TYPE)
    told = imported("--owner", User.objects.create_user("ada").username)
    assert "left out, 2 rows: pieces of an answer that is there as a whole" in told
    assert "left out, 1 rows: about the session, not said in it" in told
    assert said(BY_TYPE_ID) == [
        ("user_message", "What time is it?"),
        ("tool_call", '{"zone": "UTC"}'),
        ("tool_result", "8:00"),
        ("assistant_message", "Eight o'clock."),
        ("tool_call", '{"text": "lost"}'),
        ("tool_result", "The result was not kept."),
    ]
    session = Session.objects.get(pk=BY_TYPE_ID)
    assert (session.title, session.tool_calls, session.user.username if session.user else "") == (
        "Time",
        2,
        "ada",
    )


def test_the_log_is_whole_and_is_read_and_gone_on_with_like_any_other(
    tutorial: Tutorial, imported: Imported
) -> None:
    tutorial(BY_ROLE)
    ada = User.objects.create_user("ada")
    imported()
    records = read_records(session_id="demo123", after=0)
    assert [record.seq for record in records] == [1, 2, 3, 4, 5]
    assert isinstance(records[0].event, ev.SessionStarted)
    state = SessionState(read_history(session_id="demo123"))
    assert (state.queued, state.open, state.unanswered()) == ({}, None, [])
    assert [one.session_id for one in recent_sessions(user_id=ada.pk, guest_id="").sessions] == ["demo123"]
    visitor = Visitor(user_id=ada.pk)
    opened = open_session(session_id="demo123", visitor=visitor, process_id="p", model="demo")
    assert (opened.was_ended, opened.last_seq) == (True, 5)
    staff = signed_in(User.objects.create_superuser("root"))
    page = staff.get("/admin/sessions_app/session/demo123/change/").content.decode()
    assert "Which colour?" in page
    assert "Blue." in page


def test_a_session_without_a_known_owner_is_for_staff_alone(tutorial: Tutorial, imported: Imported) -> None:
    """Ids of tutorials can be guessed."""
    tutorial(BY_ROLE)
    imported()
    for visitor in (Visitor(), Visitor(guest_id="a" * 32)):
        with pytest.raises(SessionNotFound):
            open_session(session_id="demo123", visitor=visitor, process_id="p", model="demo")
    assert Client().get("/api/sessions").status_code == 200


def test_a_second_run_changes_nothing(tutorial: Tutorial, imported: Imported) -> None:
    tutorial(BY_ROLE)
    imported()
    before = everything()
    told = imported()
    assert "0 sessions imported" in told
    assert "2 sessions were here already" in told
    assert everything() == before


def test_a_run_that_was_cut_off_is_gone_on_with(
    tutorial: Tutorial, imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutorial(BY_ROLE)
    imported()
    whole = everything()
    SessionEvent.objects.all().delete()
    Session.objects.all().delete()
    write = tutorial_import._Log.end

    def die(log: Any, **times: Any) -> None:
        write(log, **times)
        if log._session.pk != "demo123":
            raise KeyboardInterrupt

    monkeypatch.setattr(tutorial_import._Log, "end", die)
    with pytest.raises(KeyboardInterrupt):
        imported()
    assert list(Session.objects.values_list("session_id", flat=True)) == ["demo123"]
    monkeypatch.setattr(tutorial_import._Log, "end", write)
    assert "1 sessions imported" in imported()
    assert everything() == whole


def test_an_id_that_is_no_id_here_becomes_another_the_same_every_time(
    tutorial: Tutorial, imported: Imported
) -> None:
    tutorial(BY_ROLE)
    imported()
    assert session_id_for("demo123") == "demo123"
    assert said(session_id_for("with space")) == [("user_message", "Hello")]


def test_a_session_of_ours_is_left_as_it_is(tutorial: Tutorial, imported: Imported) -> None:
    Session.objects.create(session_id="demo123", title="Ours")
    tutorial(BY_ROLE)
    assert "an id that a session of this product has (in demo123)" in imported()
    assert Session.objects.get(pk="demo123").title == "Ours"


def test_a_dry_run_writes_nothing(tutorial: Tutorial, imported: Imported) -> None:
    tutorial(BY_ROLE)
    assert "2 sessions would be imported, 3 events" in imported("--dry-run")
    assert not Session.objects.exists()


def test_a_long_session_is_written_piece_by_piece(
    tutorial: Tutorial, imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tutorial_import, "_CHUNK", 7)
    tutorial(
        "CREATE TABLE events (id serial, session_id text, role text, content text, created_at timestamptz);"
        "INSERT INTO events (session_id, role, content, created_at) SELECT 'long', 'user', 'Message ' || n,"
        " '2025-01-01'::timestamptz + n * interval '1 second' FROM generate_series(1, 100) n"
    )
    assert "1 sessions imported, 100 events" in imported()
    assert [record.seq for record in read_records(session_id="long", after=0)] == list(range(1, 103))
    assert Session.objects.get().user_messages == 100


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ("SELECT 1", "no table session_events or events"),
        ("CREATE TABLE events (session_id text, role text)", "none of the columns content"),
        ("CREATE TABLE events (role text, content text)", "none of the columns session_id"),
        ("CREATE TABLE events (session_id text, content text)", "none of the columns event_type"),
        ("CREATE TABLE events (LIKE public.session_events)", "this product's own"),
    ],
)
def test_other_tables_are_refused_with_what_they_lack(
    tutorial: Tutorial, imported: Imported, tables: str, why: str
) -> None:
    tutorial(tables)
    with pytest.raises(CommandError, match=why):
        imported()


def test_our_own_tables_are_not_imported_into_themselves(tutorial: Tutorial, imported: Imported) -> None:
    with pytest.raises(CommandError, match="own"):
        imported("--schema", "public")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--owner", "nobody"], "no user named"),
        (["--database-url", "postgresql://127.0.0.1:1/x"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_told(
    tutorial: Tutorial, imported: Imported, arguments: list[str], why: str
) -> None:
    tutorial(BY_ROLE)
    with pytest.raises(CommandError, match=why):
        imported(*arguments)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://joe:hunter2@127.0.0.1/x",
        "mysql://joe:hunter2@127.0.0.1/x",
        "postgresql://joe:%hunter2@127.0.0.1/x",
        "postgresql://joe:hunter2@127.0.0.1/x?pool=hunter2",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(imported: Imported, url: str) -> None:
    with pytest.raises(CommandError, match="It has to be postgresql://USER:PASSWORD@HOST") as refused:
        imported("--database-url", url)
    assert "hunter2" not in str(refused.value)
